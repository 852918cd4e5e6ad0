package import WeightFormats

// Sums in double precision. Rounded to float at the very end they are the same, but for about
// one result in 10⁸, in whatever order and in however many parts they were summed; a float sum
// is not. The price is speed: half as many lanes and a conversion for each.

/// As ``accumulateNeurons(storage:layout:neurons:activeSlots:coefficients:into:path:)``, summed
/// in double. Vector and portable results are equal bit for bit.
package func accumulateNeuronsWide(
    storage: RawSpan, layout: NeuronMajorLayout, neurons: NeuronSet, activeSlots: Span<UInt32>,
    coefficients: Span<Float>, into y: inout MutableSpan<Double>, path: KernelPath = .automatic
) {
    precondition(storage.byteCount >= layout.byteCount)
    precondition(neurons.slotCount == layout.slotCount)
    precondition(coefficients.count == activeSlots.count)
    precondition(y.count == layout.outputCount)
    if activeSlots.isEmpty { return }
    for k in 1..<activeSlots.count { precondition(activeSlots[k - 1] < activeSlots[k]) }
    precondition(Int(activeSlots[activeSlots.count - 1]) < layout.slotCount)
    if layout.format.isPlain {
        for k in activeSlots.indices {
            let coefficient = Double(coefficients[k])
            for output in y.indices {
                let weight = layout.element(storage, slot: Int(activeSlots[k]), output: output)
                y[output] = y[output].addingProduct(coefficient, Double(weight))
            }
        }
    } else if path.usesVectors {
        vectorAccumulateWide(
            storage, layout, blockOfSlot: neurons.blockOfSlot.span, activeSlots, coefficients,
            into: &y)
    } else {
        portableAccumulateWide(storage, layout, neurons, activeSlots, coefficients, into: &y)
    }
}

private func portableAccumulateWide(
    _ storage: RawSpan, _ layout: NeuronMajorLayout, _ neurons: NeuronSet,
    _ activeSlots: Span<UInt32>, _ coefficients: Span<Float>, into y: inout MutableSpan<Double>
) {
    let center = layout.format.codesAreCentered ? 8.0 : 0
    var first = 0
    while first < activeSlots.count {
        let block = neurons.blockOfSlot[Int(activeSlots[first])]
        var coefficientSum = 0.0
        var end = first
        while end < activeSlots.count, neurons.blockOfSlot[Int(activeSlots[end])] == block {
            coefficientSum += Double(coefficients[end])
            end += 1
        }
        for output in y.indices {
            var sum = 0.0
            for k in first..<end {
                let code = layout.code(storage, slot: Int(activeSlots[k]), output: output)
                sum = sum.addingProduct(Double(coefficients[k]), Double(code) - center)
            }
            let (scale, offset) = layout.scales(storage, block: Int(block), output: output)
            if layout.format.hasOffsets {
                y[output] = y[output].addingProduct(coefficientSum, Double(offset))
            }
            y[output] = y[output].addingProduct(Double(scale), sum)
        }
        first = end
    }
}

/// y[r] = row r of W · x for every row, summed in double and then rounded.
///
/// - Parameters:
///   - weights: [rows, columnCount] as in the file.
///   - x: [columnCount].
///   - y: [rows].
package func multiplyRowsWide(
    weights: RawSpan, format: WeightFormat, columnCount: Int, by x: Span<Float>,
    into y: inout MutableSpan<Float>
) {
    precondition(x.count == columnCount)
    let matrix = RowMajor(weights, format: format, columnCount: columnCount)
    precondition(y.count == matrix.rowCount)
    for row in y.indices {
        let bytes = weights.extracting(matrix.bytes(ofRow: row))
        y[row] = Float(
            format.isPlain
                ? plainRowProduct(bytes, format, x) : quantisedRowProduct(bytes, format, x))
    }
}

private func plainRowProduct(_ row: RawSpan, _ format: WeightFormat, _ x: Span<Float>) -> Double {
    var sum = 0.0
    for column in x.indices {
        let weight = WeightDecoding.element(row, format: format, index: column)
        sum = sum.addingProduct(Double(x[column]), Double(weight))
    }
    return sum
}

private func quantisedRowProduct(
    _ row: RawSpan, _ format: WeightFormat, _ x: Span<Float>
) -> Double {
    let center = format.codesAreCentered ? 8.0 : 0
    var total = 0.0
    for index in 0..<x.count / 32 {
        let block = WeightBlock(row: row, format: format, index: index)
        var sum = 0.0
        var inputSum = 0.0
        for position in 0..<32 {
            let input = Double(x[32 * index + position])
            inputSum += input
            sum = sum.addingProduct(input, Double(block.codes[position]) - center)
        }
        total = total.addingProduct(Double(block.scale), sum)
        total = total.addingProduct(Double(block.offset), inputSum)
    }
    return total
}
