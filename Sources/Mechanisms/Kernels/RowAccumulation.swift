package import WeightFormats

/// Adds chosen rows of a matrix to a vector: `y += Σ coefficients[k] · W[selected[k]]`.
///
/// A matrix that a file stores by neurons already has one neuron's weights of all outputs in a
/// row, so an inactive neuron costs no read without any re-laying. Rows are added in the order
/// named, each product fused with its addition; both paths give the same bits.
///
/// - Parameters:
///   - weights: row-major as in the file, any number of whole rows of `columnCount` elements.
///   - selected: row numbers.
///   - coefficients: one per selected row: the neuron's activation.
///   - y: [columnCount], added to.
/// - Complexity: reads each selected row once. The vector path serves plain formats whose rows
///   are whole tiles of 64 elements, as those of every published model are.
package func accumulateRows(
    weights: RawSpan, format: WeightFormat, columnCount: Int, selected: Span<UInt32>,
    coefficients: Span<Float>, into y: inout MutableSpan<Float>, path: KernelPath = .automatic
) {
    let matrix = RowMajor(weights, format: format, columnCount: columnCount)
    precondition(coefficients.count == selected.count)
    precondition(y.count == columnCount)
    for k in selected.indices { precondition(Int(selected[k]) < matrix.rowCount) }
    let hasWholeTiles = columnCount.isMultiple(of: NeuronMajorLayout.tileOutputCount)
    if format.isPlain, hasWholeTiles, path.usesVectors {
        return vectorAccumulateRows(weights, matrix, selected, coefficients, into: &y)
    }
    for k in selected.indices {
        let row = weights.extracting(matrix.bytes(ofRow: Int(selected[k])))
        if format.isPlain {
            for column in y.indices {
                let weight = WeightDecoding.element(row, format: format, index: column)
                y[column] = y[column].addingProduct(coefficients[k], weight)
            }
        } else {
            addBlocks(of: row, matrix, times: coefficients[k], to: &y)
        }
    }
}

/// One row of a quantised format, each element rounded to float before its product.
private func addBlocks(
    of row: RawSpan, _ matrix: RowMajor, times coefficient: Float, to y: inout MutableSpan<Float>
) {
    for index in 0..<matrix.columnCount / 32 {
        let block = WeightBlock(row: row, format: matrix.format, index: index)
        for position in 0..<32 {
            let column = 32 * index + position
            let weight = block.value(position, format: matrix.format)
            y[column] = y[column].addingProduct(coefficient, weight)
        }
    }
}
