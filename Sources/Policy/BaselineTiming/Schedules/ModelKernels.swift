import HardwareModel
import ModelCatalogue
import Quantities

/// Kernels of one unit of a pass: a layer, or the output head.
struct BlockTimes: Equatable {
    var qkv = EmulatedDuration.zero
    var attention = EmulatedDuration.zero
    var projection = EmulatedDuration.zero
    var mlp = EmulatedDuration.zero
    var other = EmulatedDuration.zero

    var total: EmulatedDuration { qkv + attention + projection + mlp + other }
}

/// The kernels with which one GPU computes a dense model, by the roofline of ``GPUModel``.
struct ModelKernels {
    let model: ModelSpecification
    let gpu: GPUModel
    let batchSize: Int
    /// GPUs that share every matrix and every head evenly.
    var gpuCount = 1

    /// A layer that takes one token of each sequence, at a context of that many positions.
    func decodeLayer(contextLength: Int) -> BlockTimes {
        var times = layer(tokenCount: 1)
        let cached =
            UInt64(batchSize * contextLength) * UInt64(model.keyValueByteCountPerPosition)
            / UInt64(model.layerCount)
        times.attention = kernel(
            bytes: cached, operations: 4 * UInt64(batchSize * contextLength * model.querySize))
        return times
    }

    /// A layer that takes a whole prompt; a position attends to itself and those before it.
    func prefillLayer(promptTokenCount: Int) -> BlockTimes {
        var times = layer(tokenCount: promptTokenCount)
        let pairs = UInt64(promptTokenCount) * UInt64(promptTokenCount + 1) / 2
        let cached =
            UInt64(batchSize * promptTokenCount) * UInt64(model.keyValueByteCountPerPosition)
            / UInt64(model.layerCount)
        times.attention = kernel(
            bytes: cached, operations: 4 * UInt64(batchSize * model.querySize) * pairs)
        return times
    }

    /// The output head, for the last token of each sequence.
    func head() -> BlockTimes {
        var times = BlockTimes()
        times.other = product(weightCount: model.headWeightCount, tokenCount: 1)
        return times
    }

    private func layer(tokenCount: Int) -> BlockTimes {
        var times = BlockTimes()
        times.qkv = product(
            weightCount: model.hiddenSize * model.qkvWidth, tokenCount: tokenCount)
        times.projection = product(
            weightCount: model.projectionWeightCount, tokenCount: tokenCount)
        times.mlp = product(
            weightCount: model.feedForwardSize * model.feedForwardNeuronWeightCount,
            tokenCount: tokenCount)
        return times
    }

    /// A matrix times the vectors of all sequences: 2 operations a weight and vector.
    private func product(weightCount: Int, tokenCount: Int) -> EmulatedDuration {
        kernel(
            bytes: UInt64(model.byteCount(ofWeights: weightCount)),
            operations: 2 * UInt64(weightCount) * UInt64(batchSize * tokenCount))
    }

    private func kernel(bytes: UInt64, operations: UInt64) -> EmulatedDuration {
        let count = UInt64(gpuCount)
        return gpu.kernel(
            byteCount: ByteCount((bytes + count - 1) / count),
            operationCount: (operations + count - 1) / count
        ).total
    }
}
