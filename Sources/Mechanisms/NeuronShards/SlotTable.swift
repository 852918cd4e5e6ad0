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
    /// The block whose scales a slot shares; `nil` where the slot takes any neuron, [slots]. Empty
    /// where all do.
    private let sharedBlocks: [UInt32?]
    /// Ascending.
    private var emptySlots: [Int]

    /// The table of a shard that was loaded with `neurons`.
    package init(
        neurons: [UInt32], weights: DecoderWeights.Layer, mobility: ShardMobility
    ) {
        let isShared =
            mobility.sharesScales && !weights.isDownTransposed
            && weights.down.format.elementsPerBlock > 1
        let spares = Array(repeating: UInt32?.none, count: mobility.spareSlotCount)
        self.neurons = neurons.map { Optional($0) } + spares
        sharedBlocks = neurons.map { isShared ? $0 / Self.scaleBlockSize : nil } + spares
        emptySlots = Array(neurons.count..<neurons.count + mobility.spareSlotCount)
    }

    /// The table of a DIMM of which only the shape is known: any slot takes any neuron.
    ///
    /// - Parameter slotCount: at least the neurons.
    package init(neurons: [UInt32], slotCount: Int) {
        precondition(slotCount >= neurons.count)
        let spares = Array(repeating: UInt32?.none, count: slotCount - neurons.count)
        self.neurons = neurons.map { Optional($0) } + spares
        sharedBlocks = []
        emptySlots = Array(neurons.count..<slotCount)
    }

    package var slotCount: Int { neurons.count }

    /// `nil` for an empty slot.
    package func neuron(inSlot slot: Int) -> UInt32? { neurons[slot] }

    package func slot(of neuron: UInt32) -> Int? { neurons.firstIndex(of: neuron) }

    /// Whether the slot is empty and can hold the neuron.
    package func takes(_ neuron: UInt32, slot: Int) -> Bool {
        guard neurons[slot] == nil else { return false }
        guard !sharedBlocks.isEmpty else { return true }
        return sharedBlocks[slot].map { $0 == neuron / Self.scaleBlockSize } ?? true
    }

    /// The lowest slot that takes the neuron, of those fit for few neurons if there is one.
    package func emptySlot(for neuron: UInt32) -> Int? {
        guard !sharedBlocks.isEmpty else { return emptySlots.first }
        let fitting = emptySlots.filter { takes(neuron, slot: $0) }
        return fitting.first { sharedBlocks[$0] != nil } ?? fitting.first
    }

    package mutating func fill(_ slot: Int, with neuron: UInt32) {
        precondition(takes(neuron, slot: slot), "the slot does not take this neuron")
        neurons[slot] = neuron
        emptySlots.remove(at: place(ofSlot: slot))
    }

    package mutating func release(_ slot: Int) {
        guard neurons[slot] != nil else { return }
        neurons[slot] = nil
        emptySlots.insert(slot, at: place(ofSlot: slot))
    }

    /// Where a slot is, or would be, among the empty ones.
    private func place(ofSlot slot: Int) -> Int {
        var (low, high) = (0, emptySlots.count)
        while low < high {
            let middle = (low + high) / 2
            if emptySlots[middle] < slot { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
