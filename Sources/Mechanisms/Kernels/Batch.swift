package import WeightFormats

/// A matrix times many vectors, for prefill: `Y[t, r] = W[r] · X[t]`.
///
/// Weights are expanded to float once, exactly as
/// ``dequantiseRow(weights:format:columnCount:row:into:)`` does, and used for every token.
/// Each product of 256 columns is summed in ascending order, then added to the earlier ones, so
/// a token's result depends neither on the other tokens nor on the path or the number of
/// threads; it differs by rounding from `multiplyRows`.
///
/// - Parameters:
///   - weights: row-major as in the file, [rowCount, columnCount].
///   - X: [tokenCount, columnCount].
///   - Y: [tokenCount, rowCount], overwritten.
///   - threadCount: at most so many threads share the work.
package func multiplyRowsBatch(
    weights: RawSpan, format: WeightFormat, columnCount: Int, rowCount: Int, tokenCount: Int,
    by X: Span<Float>, into Y: inout MutableSpan<Float>, threadCount: Int = 1,
    path: KernelPath = .automatic
) {
    let matrix = RowMajor(weights, format: format, columnCount: columnCount)
    precondition(rowCount > 0)
    precondition(tokenCount >= 0)
    precondition(rowCount <= matrix.rowCount)
    precondition(X.count == tokenCount * columnCount)
    precondition(Y.count == tokenCount * rowCount)
    if path.usesVectors {
        vectorMultiplyBatch(
            weights, matrix, rowCount: rowCount, tokenCount: tokenCount, by: X, into: &Y,
            threadCount)
    } else {
        forEachPart(of: &Y, unit: rowCount, threadCount: threadCount) { tokens, Y in
            portableMultiplyBatch(
                weights, matrix, rowCount: rowCount, tokens: tokens, by: X, into: &Y)
        }
    }
}

private func portableMultiplyBatch(
    _ weights: RawSpan, _ matrix: RowMajor, rowCount: Int, tokens: Range<Int>,
    by X: Span<Float>, into Y: inout MutableSpan<Float>
) {
    let columnCount = matrix.columnCount
    var expanded = [Float](repeating: 0, count: columnCount)
    for row in 0..<rowCount {
        var output = expanded.mutableSpan
        dequantiseRow(
            weights: weights, format: matrix.format, columnCount: columnCount, row: row,
            into: &output)
        for token in tokens {
            let x = X.extracting(token * columnCount..<(token + 1) * columnCount)
            let destination = (token - tokens.lowerBound) * rowCount + row
            for first in stride(from: 0, to: columnCount, by: 256) {
                var sum: Float = 0
                for column in first..<min(first + 256, columnCount) {
                    sum = sum.addingProduct(x[column], expanded[column])
                }
                Y[destination] = first == 0 ? sum : Y[destination] + sum
            }
        }
    }
}
