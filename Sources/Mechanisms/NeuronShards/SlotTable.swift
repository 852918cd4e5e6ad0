package import ModelFile
import WeightFormats

/// How the feed-forward neurons of a shard may come and go.
package struct ShardMobility: Equatable, Sendable {
    /// Slots of each layer that hold no neuron at first.
    package let spareSlotCount: Int
    /// Whether loaded neurons of one quantisation block use one table of scales. That saves memory
    /// and time, but leaves a slot fit only for neurons of its block.
    package let sharesScales: Bool

    package init(spareSlotCount: Int, sharesScales: Bool) {
        precondition(spareSlotCount >= 0)
        self.spareSlotCount = spareSlotCount
        self.sharesScales = sharesScales
    }

    /// Neurons stay where they were loaded.
    package static let fixed = ShardMobility(spareSlotCount: 0, sharesScales: true)
}

/// Which neuron of a layer's feed-forward block each slot of a shard holds.
///
/// Whoever decides about a shard and whoever keeps it have a table each: the one chooses slots,
/// the other checks what it is told.
package struct SlotTable: Equatable, Sendable {
    private static let scaleBlockSize: UInt32 = 32

    private var neurons: [UInt32?]  // [slots]
    /// The block whose scales a slot shares; `nil` where the slot takes any neuron, [slots].
    private let sharedBlocks: [UInt32?]

    /// The table of a shard that was loaded with `neurons`.
    package init(
        neurons: [UInt32], weights: DecoderWeights.Layer, mobility: ShardMobility
    ) {
        let isShared =
            mobility.sharesScales && !weights.isDownTransposed
            && weights.down.format.elementsPerBlock > 1
        let spares = Array(repeating: UInt32?.none, count: mobility.spareSlotCount)
        self.neurons = neurons + spares
        sharedBlocks = neurons.map { isShared ? $0 / Self.scaleBlockSize : nil } + spares
    }

    package var slotCount: Int { neurons.count }

    /// `nil` for an empty slot.
    package func neuron(inSlot slot: Int) -> UInt32? { neurons[slot] }

    package func slot(of neuron: UInt32) -> Int? { neurons.firstIndex(of: neuron) }

    /// Whether the slot is empty and can hold the neuron.
    package func takes(_ neuron: UInt32, slot: Int) -> Bool {
        guard neurons[slot] == nil else { return false }
        return sharedBlocks[slot].map { $0 == neuron / Self.scaleBlockSize } ?? true
    }

    /// The lowest slot that takes the neuron, of those fit for few neurons if there is one.
    package func emptySlot(for neuron: UInt32) -> Int? {
        let fitting = neurons.indices.filter { takes(neuron, slot: $0) }
        return fitting.first { sharedBlocks[$0] != nil } ?? fitting.first
    }

    package mutating func fill(_ slot: Int, with neuron: UInt32) {
        precondition(takes(neuron, slot: slot), "the slot does not take this neuron")
        neurons[slot] = neuron
    }

    package mutating func release(_ slot: Int) { neurons[slot] = nil }
}
