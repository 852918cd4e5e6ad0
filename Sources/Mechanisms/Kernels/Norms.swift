/// Root-mean-square normalisation: x / √(mean(x²) + ε) × weight.
///
/// - Parameters:
///   - x: [hidden].
///   - weight: [hidden].
///   - output: [hidden], overwritten.
/// - Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019.
package func rmsNorm(
    _ x: Span<Float>, weight: Span<Float>, epsilon: Float,
    into output: inout MutableSpan<Float>, path: KernelPath = .automatic
) {
    precondition(weight.count == x.count)
    precondition(output.count == x.count)
    if path.usesVectors { return vectorRMSNorm(x, weight, epsilon, into: &output) }
    let mean = Lanes.dot(x, x) / Float(x.count)
    let scale = 1 / (mean + epsilon).squareRoot()
    for index in x.indices { output[index] = x[index] * scale * weight[index] }
}

/// Layer normalisation: (x − mean) / √(variance + ε) × weight + bias.
///
/// - Parameters:
///   - x: [hidden].
///   - weight: [hidden].
///   - bias: [hidden].
///   - output: [hidden], overwritten.
/// - Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
package func layerNorm(
    _ x: Span<Float>, weight: Span<Float>, bias: Span<Float>, epsilon: Float,
    into output: inout MutableSpan<Float>, path: KernelPath = .automatic
) {
    precondition(weight.count == x.count)
    precondition(bias.count == x.count)
    precondition(output.count == x.count)
    if path.usesVectors { return vectorLayerNorm(x, weight, bias, epsilon, into: &output) }
    var sums = SIMD8<Float>(repeating: 0)
    for index in x.indices { sums[index % 8] += x[index] }
    let mean = Lanes.total(sums) / Float(x.count)
    var squares = SIMD8<Float>(repeating: 0)
    for index in x.indices {
        let deviation = x[index] - mean
        squares[index % 8] = squares[index % 8].addingProduct(deviation, deviation)
    }
    let variance = Lanes.total(squares) / Float(x.count)
    let scale = 1 / (variance + epsilon).squareRoot()
    for index in x.indices {
        output[index] = bias[index].addingProduct((x[index] - mean) * scale, weight[index])
    }
}

/// y += x, for residuals and partial sums.
///
/// - Parameters:
///   - x: any length.
///   - y: as long as `x`.
package func add(
    _ x: Span<Float>, to y: inout MutableSpan<Float>, path: KernelPath = .automatic
) {
    precondition(y.count == x.count)
    if path.usesVectors { return vectorAdd(x, to: &y) }
    for index in x.indices { y[index] += x[index] }
}
