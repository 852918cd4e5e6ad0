import Kernels
import ModelFile

/// A norm's vectors, [hidden] each, as float32.
package struct Norm: Sendable {
    package let weights: [Float]
    /// `nil` in an RMS norm.
    package let biases: [Float]?

    init(_ tensors: DecoderWeights.Norm, in file: ModelFile) throws(ModelFileError) {
        weights = try file.floats(of: tensors.weight)
        biases = try tensors.bias.map { (tensor) throws(ModelFileError) in
            try file.floats(of: tensor)
        }
    }

    /// Layer norm where there are biases, RMS norm otherwise: [hidden] to [hidden].
    func apply(to state: Span<Float>, epsilon: Float, into output: inout MutableSpan<Float>) {
        if let biases {
            layerNorm(
                state, weight: weights.span, bias: biases.span, epsilon: epsilon, into: &output)
        } else {
            rmsNorm(state, weight: weights.span, epsilon: epsilon, into: &output)
        }
    }
}

/// The norms of one layer.
package struct LayerNorms: Sendable {
    package let attention: Norm
    package let feedForward: Norm
}

/// What is added to a layer's products, float32.
///
/// A sum over neurons gets its bias once, when all units' shares are in: so the coordinator adds
/// those of q, k, v and down, and that of the attention's output, which it computes itself. The
/// up bias is no part of a sum over neurons: it decides whether its neuron is active, and lies
/// with that neuron.
package struct LayerBiases: Sendable {
    let query: [Float]  // [heads × head size]
    let key: [Float]  // [key/value heads × head size]
    let value: [Float]  // [key/value heads × head size]
    /// All three in one row, [qkvWidth].
    package let qkv: [Float]
    package let attentionOutput: [Float]  // [hidden]
    let up: [Float]  // [feedForward]
    package let down: [Float]  // [hidden]

    init(_ tensors: DecoderWeights.Biases, in file: ModelFile) throws(ModelFileError) {
        query = try file.floats(of: tensors.query)
        key = try file.floats(of: tensors.key)
        value = try file.floats(of: tensors.value)
        qkv = query + key + value
        attentionOutput = try file.floats(of: tensors.attentionOutput)
        up = try file.floats(of: tensors.up)
        down = try file.floats(of: tensors.down)
    }
}
