import MappedMemory
import Messages
import NeuronPlacement
import NeuronShards
import Transformer

/// The GPU's part of a layer: the hot neurons, from its own copies of their weights.
struct GPURole: ~Copyable {
    private(set) var shard: NeuronShard
    private var rules: [GateRule?]
    private let qkvSlots: [[UInt32]]
    private let feedForwardSlots: [[UInt32]]
    private var coefficients: [Float]
    private var scratch: FeedForwardScratch

    /// Copies the hot neurons' weights out of the mapped file.
    init(
        model: DecoderModel, hot: NeuronAssignment, rule: ActivityRule?, mobility: ShardMobility
    ) throws(MappedMemoryError) {
        shard = try NeuronShard(
            loading: hot, from: model.file, weights: model.weights, mobility: mobility,
            purpose: "the hot neurons")
        rules = hot.feedForward.enumerated().map { layer, neurons in
            rule.map { rule in
                GateRule(
                    means: neurons.map { rule.means[layer][Int($0)] },
                    weights: neurons.map { rule.weights[layer][Int($0)] },
                    threshold: rule.thresholds[layer])
            }
        }
        qkvSlots = hot.qkv.map { $0.indices.map { UInt32($0) } }
        feedForwardSlots = hot.feedForward.map { $0.indices.map { UInt32($0) } }
        let widest = (hot.qkv + hot.feedForward).map(\.count).max() ?? 0
        coefficients = Array(repeating: 0, count: widest)
        scratch = FeedForwardScratch(slotCount: widest)
    }

    /// The hot neurons' part of q, k and v; overwrites `sum`.
    mutating func projectQKV(
        layer: Int, input: [Float], into sum: inout PartialSum
    ) {
        let slots = qkvSlots[layer]
        shard.projectQKV(
            layer: layer, input: input, slots: slots, count: slots.count,
            coefficients: &coefficients, into: &sum)
    }

    /// The hot neurons' part of the feed-forward block; overwrites `sum`.
    ///
    /// - Parameter slots: which to consider, ascending; `nil` for all.
    /// - Returns: those found active, ascending.
    mutating func feedForward(
        layer: Int, input: [Float], slots: [UInt32]?, into sum: inout PartialSum
    ) -> ArraySlice<UInt32> {
        let slots = slots ?? feedForwardSlots[layer]
        let activeCount = shard.feedForward(
            layer: layer, input: input, slots: slots, count: slots.count, rule: rules[layer],
            scratch: &scratch, into: &sum)
        return scratch.active[..<activeCount]
    }

    /// Bytes of one feed-forward neuron's weights as they travel.
    func parcelByteCount(layer: Int) -> Int { shard.layers[layer].parcelByteCount }

    /// Overwrites a feed-forward neuron's copy with another's.
    ///
    /// - Parameters:
    ///   - slot: whose neuron gives way.
    ///   - weights: as the neuron's home sent them, its first byte at `byteOffset`.
    ///   - rule: the run's, if it has one.
    mutating func overwrite(
        slot: Int, layer: Int, with neuron: Int, weights: [UInt8], at byteOffset: Int,
        rule: ActivityRule?
    ) {
        shard.releaseSlot(slot, layer: layer)
        unsafe shard.placeNeuron(
            UInt32(neuron), layer: layer, slot: slot, from: weights.span.bytes, at: byteOffset)
        guard let rule else { return }
        rules[layer]?.setSlot(
            slot, mean: rule.means[layer][neuron], weight: rule.weights[layer][neuron])
    }
}
