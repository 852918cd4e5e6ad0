import ModelFile
import WeightFormats

/// What one neuron takes to store, read and multiply, as placement and time see it.
///
/// A bias that belongs to a neuron lies with it and is read with its up row. It costs no
/// multiplication: the sum of the row's products starts from it.
extension DecoderModel {
    /// Bytes of one QKV neuron's weights, its share of scales included, rounded up.
    package var qkvNeuronByteCount: Int {
        guard let layer = weights.layers.first else { return 0 }
        return [layer.query, layer.key, layer.value].reduce(0) { $0 + $1.columnByteCount }
    }

    /// Bytes of one MLP neuron's weights: gate and up row, up bias, down column.
    package var feedForwardNeuronByteCount: Int {
        guard let layer = weights.layers.first else { return 0 }
        let gate = layer.gate?.rowByteCount ?? 0
        let bias = layer.biases?.up.format.bytesPerBlock ?? 0
        let down = layer.isDownTransposed ? layer.down.rowByteCount : layer.down.columnByteCount
        return gate + layer.up.rowByteCount + bias + down
    }

    /// Bytes that tell whether an MLP neuron is active: its gate row or, without gates, its up
    /// row and bias.
    package var selectingByteCount: Int {
        guard let layer = weights.layers.first else { return 0 }
        let bias = layer.biases?.up.format.bytesPerBlock ?? 0
        return layer.gate?.rowByteCount ?? layer.up.rowByteCount + bias
    }

    /// Multiply-accumulates of one MLP neuron: gate, up and down.
    package var feedForwardNeuronWeightCount: Int {
        (shape.architecture.isGated ? 3 : 2) * shape.hiddenSize
    }

    /// Multiply-accumulates of a unit that considers `candidateCount` MLP neurons, of which
    /// `activeCount` turn out active: gates (or ups) of all, the rest of the active ones.
    package func feedForwardMACCount(candidateCount: Int, activeCount: Int) -> Int {
        let rest = feedForwardNeuronWeightCount - shape.hiddenSize
        return candidateCount * shape.hiddenSize + activeCount * rest
    }
}

extension Tensor {
    /// Bytes of one column with its share of the rows' scales, rounded up.
    fileprivate var columnByteCount: Int { (byteCount + columnCount - 1) / columnCount }
}
