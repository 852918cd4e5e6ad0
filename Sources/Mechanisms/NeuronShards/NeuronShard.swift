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
    package private(set) var storage: AnonymousMapping
    package let layers: [LayerShard]
    /// Which neuron each slot of a layer's feed-forward block holds, [layers].
    package private(set) var slots: [SlotTable]

    /// Copies the neurons' weights out of the mapped file.
    ///
    /// - Parameters:
    ///   - assignment: which neurons, ascending, per layer.
    ///   - mobility: how feed-forward neurons may come and go.
    ///   - purpose: what messages call the memory.
    ///   - allocate: gets that memory, zero-filled, by its bytes and purpose.
    package init(
        loading assignment: NeuronAssignment, from file: ModelFile, weights: DecoderWeights,
        mobility: ShardMobility = .fixed, purpose: String,
        allocate: (Int, String) throws(MappedMemoryError) -> AnonymousMapping
    ) throws(MappedMemoryError) {
        let (plan, byteCount) = Self.plan(assignment, weights: weights, mobility: mobility)
        var memory = try allocate(max(byteCount, 1), purpose)
        for (layer, shard) in plan.enumerated() {
            var target = memory.mutableBytes
            shard.load(from: file, weights: weights.layers[layer], into: &target)
        }
        layers = plan
        slots = weights.layers.indices.map {
            SlotTable(
                neurons: assignment.feedForward[$0], weights: weights.layers[$0],
                mobility: mobility)
        }
        storage = memory
    }

    /// As ``init(loading:from:weights:mobility:purpose:allocate:)``, in memory of base pages.
    package init(
        loading assignment: NeuronAssignment, from file: ModelFile, weights: DecoderWeights,
        mobility: ShardMobility = .fixed, purpose: String
    ) throws(MappedMemoryError) {
        try self.init(
            loading: assignment, from: file, weights: weights, mobility: mobility,
            purpose: purpose
        ) { (byteCount, purpose) throws(MappedMemoryError) in
            try AnonymousMapping.create(byteCount: byteCount, purpose: purpose)
        }
    }

    /// Bytes that a shard of these neurons takes.
    package static func byteCount(
        of assignment: NeuronAssignment, weights: DecoderWeights, mobility: ShardMobility = .fixed
    ) -> Int {
        plan(assignment, weights: weights, mobility: mobility).byteCount
    }

    /// Bytes of one neuron's weights as they travel, in the layer where that is most.
    package static func parcelByteCount(weights: DecoderWeights) -> Int {
        let none = weights.layers.map { _ in [UInt32]() }
        let plan = plan(
            NeuronAssignment(qkv: none, feedForward: none), weights: weights,
            mobility: ShardMobility(spareSlotCount: 1, sharesScales: true))
        return plan.layers.map(\.parcelByteCount).max() ?? 0
    }

    /// Slots of the widest block of any layer.
    package var widestSlotCount: Int {
        max(
            layers.map(\.qkvNeurons.count).max() ?? 0, slots.map(\.slotCount).max() ?? 0)
    }

    // MARK: Neurons that come and go

    /// Copies the weights of the neuron in a feed-forward slot to `byteOffset` of `parcel`.
    ///
    /// They take ``LayerShard/parcelByteCount`` bytes: gate row, up row, up bias (as far as the
    /// architecture has them), then the down projection's codes and scales or its row.
    package borrowing func readNeuron(
        layer: Int, slot: Int, into parcel: inout MutableRawSpan, at byteOffset: Int
    ) {
        precondition(slots[layer].neuron(inSlot: slot) != nil, "an empty slot has no weights")
        layers[layer].read(storage.bytes, slot: slot, into: &parcel, at: byteOffset)
    }

    /// Puts a neuron, as ``readNeuron(layer:slot:into:at:)`` of another shard of the same model
    /// wrote it, into a slot that takes it: every product is as before, bit for bit.
    package mutating func placeNeuron(
        _ neuron: UInt32, layer: Int, slot: Int, from parcel: RawSpan, at byteOffset: Int
    ) {
        slots[layer].fill(slot, with: neuron)
        var target = storage.mutableBytes
        layers[layer].write(parcel, at: byteOffset, slot: slot, into: &target)
    }

    /// The slot holds no neuron from now on; releasing an empty one changes nothing.
    package mutating func releaseSlot(_ slot: Int, layer: Int) { slots[layer].release(slot) }

    private static func plan(
        _ assignment: NeuronAssignment, weights: DecoderWeights, mobility: ShardMobility
    ) -> (layers: [LayerShard], byteCount: Int) {
        var cursor = 0
        let layers = weights.layers.indices.map { layer in
            LayerShard(
                weights: weights.layers[layer], qkvNeurons: assignment.qkv[layer],
                feedForwardNeurons: assignment.feedForward[layer], mobility: mobility,
                cursor: &cursor)
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
