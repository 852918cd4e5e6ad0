package import WeightFormats

/// The shape of a matrix as the file stores it, checked once per call.
struct RowMajor {
    let format: WeightFormat
    let columnCount: Int
    let rowByteCount: Int
    let rowCount: Int

    /// - Parameter weights: any number of whole rows.
    init(_ weights: RawSpan, format: WeightFormat, columnCount: Int) {
        guard columnCount > 0, let rowByteCount = format.rowByteCount(elementCount: columnCount)
        else { preconditionFailure("\(columnCount) columns are no row of \(format.rawValue)") }
        self.format = format
        self.columnCount = columnCount
        self.rowByteCount = rowByteCount
        rowCount = weights.byteCount / rowByteCount
    }

    /// Where row `index` lies.
    func bytes(ofRow index: Int) -> Range<Int> {
        index * rowByteCount..<(index + 1) * rowByteCount
    }
}

/// Some rows of a matrix times a vector: `y[r − rows.lowerBound] = W[r] · x`.
///
/// Activations stay float: the sum runs over codes times activations, and each block's scale is
/// applied once. The result does not depend on the path or the number of threads.
///
/// - Parameters:
///   - weights: row-major as in the file, at least [rows.upperBound, columnCount].
///   - columnCount: positive, a multiple of the format's block.
///   - rows: which rows.
///   - x: [columnCount].
///   - y: [rows.count], overwritten.
///   - threadCount: at most so many threads share the rows; they are worth their start of
///     about 10 µs for some megabytes of weights.
/// - Complexity: reads each of those rows once.
package func multiplyRows(
    weights: RawSpan, format: WeightFormat, columnCount: Int, rows: Range<Int>,
    by x: Span<Float>, into y: inout MutableSpan<Float>, threadCount: Int = 1,
    path: KernelPath = .automatic
) {
    let matrix = RowMajor(weights, format: format, columnCount: columnCount)
    precondition(rows.lowerBound >= 0)
    precondition(rows.upperBound <= matrix.rowCount)
    precondition(x.count == columnCount)
    precondition(y.count == rows.count)
    let wanted = weights.extracting(
        rows.lowerBound * matrix.rowByteCount..<rows.upperBound * matrix.rowByteCount)
    if path.usesVectors {
        vectorMultiplyRows(wanted, matrix, selected: nil, by: x, into: &y, threadCount)
    } else {
        let arranged = ArrangedInput(x, format: format)
        forEachPart(of: &y, unit: 1, threadCount: threadCount) { part, y in
            for row in part {
                let bytes = wanted.extracting(matrix.bytes(ofRow: row))
                y[row - part.lowerBound] = portableDot(bytes, matrix, x, arranged)
            }
        }
    }
}

/// Chosen rows of a matrix times a vector: `y[k] = W[selected[k]] · x`.
///
/// As ``multiplyRows(weights:format:columnCount:rows:by:into:threadCount:path:)``, which gives
/// the same bits for the same row.
///
/// - Parameters:
///   - selected: row numbers in any order; ascending ones read memory in order.
///   - y: [selected.count], overwritten.
package func multiplySelectedRows(
    weights: RawSpan, format: WeightFormat, columnCount: Int, selected: Span<UInt32>,
    by x: Span<Float>, into y: inout MutableSpan<Float>, threadCount: Int = 1,
    path: KernelPath = .automatic
) {
    let matrix = RowMajor(weights, format: format, columnCount: columnCount)
    precondition(x.count == columnCount)
    precondition(y.count == selected.count)
    for k in selected.indices { precondition(Int(selected[k]) < matrix.rowCount) }
    if path.usesVectors {
        vectorMultiplyRows(weights, matrix, selected: selected, by: x, into: &y, threadCount)
    } else {
        let arranged = ArrangedInput(x, format: format)
        forEachPart(of: &y, unit: 1, threadCount: threadCount) { part, y in
            for k in part {
                let bytes = weights.extracting(matrix.bytes(ofRow: Int(selected[k])))
                y[k - part.lowerBound] = portableDot(bytes, matrix, x, arranged)
            }
        }
    }
}

/// Activations in the order in which the codes of a block are found, eight lanes at a time.
///
/// The vector path isolates codes with masks, hence multiplied by a power of two, which x takes
/// back. The portable path does the same only because x may be so small as to lose bits.
private struct ArrangedInput: Sendable {
    /// Elements divided by their power, [blocks × 4].
    let values: [SIMD8<Float>]
    /// The four elements of a block that share a lane of the file's order, added, [blocks].
    let laneSums: [SIMD8<Float>]

    /// Empty for plain formats.
    init(_ x: Span<Float>, format: WeightFormat) {
        var values: [SIMD8<Float>] = []
        var laneSums: [SIMD8<Float>] = []
        for first in stride(from: 0, to: format.isPlain ? 0 : x.count, by: 32) {
            for vector in 0..<4 {
                var lanes = SIMD8<Float>(repeating: 0)
                for lane in 0..<8 {
                    let place = Self.place(format, vector: vector, lane: lane)
                    lanes[lane] = x[first + place.element] * (1 / place.power)
                }
                values.append(lanes)
            }
            var lanes = SIMD8<Float>(repeating: 0)
            for lane in 0..<8 {
                let index = first + lane
                lanes[lane] = (x[index] + x[index + 8]) + (x[index + 16] + x[index + 24])
            }
            laneSums.append(lanes)
        }
        self.values = values
        self.laneSums = laneSums
    }

    /// Which element of a block is in a lane, and the power of two that multiplies its code.
    @inline(__always)
    static func place(
        _ format: WeightFormat, vector: Int, lane: Int
    ) -> (element: Int, power: Float) {
        if format.codesAreBytes { return (4 * lane + vector, 0x1p24) }
        let power: Float = (vector % 2 == 0 ? 1 : 256) * (lane < 4 ? 1 : 16)
        return (16 * (lane / 4) + 4 * (lane % 4) + vector, power)
    }
}

/// One row times x, in the order that defines the result.
private func portableDot(
    _ row: RawSpan, _ matrix: RowMajor, _ x: Span<Float>, _ arranged: borrowing ArrangedInput
) -> Float {
    if !matrix.format.isPlain { return portableDot(row, matrix, arranged) }
    var sums = InlineArray<32, Float>(repeating: 0)
    for column in x.indices {
        let weight = WeightDecoding.element(row, format: matrix.format, index: column)
        sums[column % 32] = sums[column % 32].addingProduct(weight, x[column])
    }
    return Lanes.total(sums)
}

/// Eight lanes per block, four elements each; scaled and added to the row's lanes once. Q4_1's
/// offsets times the lane sums of x form a second set of lanes.
private func portableDot(
    _ row: RawSpan, _ matrix: RowMajor, _ x: borrowing ArrangedInput
) -> Float {
    let format = matrix.format
    var totals = SIMD8<Float>(repeating: 0)
    var offsetTotals = SIMD8<Float>(repeating: 0)
    for index in 0..<matrix.columnCount / 32 {
        let block = WeightBlock(row: row, format: format, index: index)
        let laneSums = x.laneSums[index]
        var sums = format.codesAreCentered ? -8 * laneSums : SIMD8(repeating: 0)
        for vector in 0..<4 {
            var codes = SIMD8<Float>(repeating: 0)
            for lane in 0..<8 {
                let place = ArrangedInput.place(format, vector: vector, lane: lane)
                codes[lane] = Float(block.codes[place.element]) * place.power
            }
            sums.addProduct(codes, x.values[4 * index + vector])
        }
        totals.addProduct(SIMD8(repeating: block.scale), sums)
        if format.hasOffsets {
            offsetTotals.addProduct(SIMD8(repeating: block.offset), laneSums)
        }
    }
    return Lanes.total(totals + offsetTotals)
}
