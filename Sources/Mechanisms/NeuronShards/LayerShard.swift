import Kernels
import ModelFile

/// Where one layer's neurons lie in a shard's storage.
package struct LayerShard: Sendable {
    package let qkvNeurons: [UInt32]
    package let feedForwardNeurons: [UInt32]
    let query: PlacedColumns
    let key: PlacedColumns
    let value: PlacedColumns
    let gate: PlacedRows
    let up: PlacedRows
    let down: PlacedColumns

    /// Plans the layer from byte `cursor` of the storage on, and moves the cursor past it.
    init(
        weights: LlamaWeights.Layer, qkvNeurons: [UInt32], feedForwardNeurons: [UInt32],
        cursor: inout Int
    ) {
        self.qkvNeurons = qkvNeurons
        self.feedForwardNeurons = feedForwardNeurons
        let inputs = NeuronSet(ascending: qkvNeurons)
        query = PlacedColumns(weights.query, neurons: inputs, cursor: &cursor)
        key = PlacedColumns(weights.key, neurons: inputs, cursor: &cursor)
        value = PlacedColumns(weights.value, neurons: inputs, cursor: &cursor)
        gate = PlacedRows(weights.gate, rowCount: feedForwardNeurons.count, cursor: &cursor)
        up = PlacedRows(weights.up, rowCount: feedForwardNeurons.count, cursor: &cursor)
        down = PlacedColumns(
            weights.down, neurons: NeuronSet(ascending: feedForwardNeurons), cursor: &cursor)
    }

    func load(
        from file: ModelFile, weights: LlamaWeights.Layer, into storage: inout MutableRawSpan
    ) {
        query.load(from: file, weights.query, into: &storage)
        key.load(from: file, weights.key, into: &storage)
        value.load(from: file, weights.value, into: &storage)
        gate.load(from: file, weights.gate, rows: feedForwardNeurons, into: &storage)
        up.load(from: file, weights.up, rows: feedForwardNeurons, into: &storage)
        down.load(from: file, weights.down, into: &storage)
    }
}
