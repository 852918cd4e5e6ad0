package import MappedMemory
package import ModelFile

/// One unit's own copy of some neurons of every layer, in memory of its own node.
///
/// A QKV neuron is a column of Wq, Wk and Wv; an MLP neuron is a row of gate (where there is one)
/// and up, its up bias, and a column of down. In the file quantisation blocks of the columns span
/// 32 neurons, so they are re-laid neuron-major (codes per neuron, scales in a side table); rows
/// (gate, up, and a down projection that the file stores by neurons) are copied as they are.
/// Dequantised values are bit-equal to the file's.
package struct NeuronShard: ~Copyable {
    package let storage: AnonymousMapping
    package let layers: [LayerShard]

    /// Copies the neurons' weights out of the mapped file.
    ///
    /// - Parameters:
    ///   - assignment: which neurons, ascending, per layer.
    ///   - purpose: what messages call the memory.
    package init(
        loading assignment: NeuronAssignment, from file: ModelFile, weights: DecoderWeights,
        purpose: String
    ) throws(MappedMemoryError) {
        let (plan, byteCount) = Self.plan(assignment, weights: weights)
        var memory = try AnonymousMapping.create(byteCount: max(byteCount, 1), purpose: purpose)
        for (layer, shard) in plan.enumerated() {
            var target = memory.mutableBytes
            shard.load(from: file, weights: weights.layers[layer], into: &target)
        }
        layers = plan
        storage = memory
    }

    /// Bytes that a shard of these neurons takes.
    package static func byteCount(of assignment: NeuronAssignment, weights: DecoderWeights) -> Int {
        plan(assignment, weights: weights).byteCount
    }

    private static func plan(
        _ assignment: NeuronAssignment, weights: DecoderWeights
    ) -> (layers: [LayerShard], byteCount: Int) {
        var cursor = 0
        let layers = weights.layers.indices.map { layer in
            LayerShard(
                weights: weights.layers[layer], qkvNeurons: assignment.qkv[layer],
                feedForwardNeurons: assignment.feedForward[layer], cursor: &cursor)
        }
        return (layers, cursor)
    }
}

/// Which neurons of each layer a unit holds, ascending.
package struct NeuronAssignment: Equatable, Sendable {
    package let qkv: [[UInt32]]
    package let feedForward: [[UInt32]]

    package init(qkv: [[UInt32]], feedForward: [[UInt32]]) {
        precondition(qkv.count == feedForward.count)
        self.qkv = qkv
        self.feedForward = feedForward
    }
}
