import ModelFile
import NeuronShards
import Transformer

/// Kernels of the GPU role that follow the units' work.
extension Coordinator {
    /// Adding the units' shares, and a bias like one more: the GPU reads each and writes the sum.
    mutating func mergeTime(
        _ name: String, width: Int, layer: Int
    ) throws(CoordinatorError) {
        let unitCount = exchange.count + 1
        let biasCount = model.shape.architecture.hasBiases ? width : 0
        let size = PartialSum.elementByteCount(isWide: buffers.sum.isWide)
        try engine.runBetweenSteps(
            name, layer: layer, byteCount: (unitCount + 1) * width * size + 4 * biasCount,
            macCount: unitCount * width + biasCount)
    }

    /// The GPU's part of the step of the projection, which ends with it.
    mutating func projectionTime(
        _ tensor: Tensor, layer: Int
    ) throws(CoordinatorError) {
        let bias = model.weights.layers[layer].biases?.attentionOutput
        try engine.time?.runKernel(
            "projection", byteCount: tensor.byteCount + (bias?.byteCount ?? 0),
            macCount: tensor.elementCount + (bias?.elementCount ?? 0), synchronises: true)
        try engine.endStep()
    }
}
