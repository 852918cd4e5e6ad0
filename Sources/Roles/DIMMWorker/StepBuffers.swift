import Messages
import ModelFile
import NeuronShards
import PackedSets
import Transformer

/// What a worker keeps between reading a request and sending its answer.
struct StepBuffers {
    /// The normed input, [hidden].
    private(set) var input: [Float]
    /// A partial sum to answer with, as long as the longest.
    var sum: PartialSum
    /// Attention contexts to answer with, as many as the DIMM's heads in a layer.
    var context: [Float]
    /// Slots to compute, ascending; the first `memberCount` of ``requested`` are meaningful.
    private(set) var slots: [UInt32]
    private(set) var requested: PackedSet
    /// Slots that the last feed-forward step found active.
    private(set) var active: PackedSet
    /// The requested slots' inputs, for the QKV columns.
    var coefficients: [Float]
    var feedForward: FeedForwardScratch

    /// - Parameter slotCount: of the widest block of any layer.
    init(model: DecoderModel, configuration: WorkerConfiguration, slotCount: Int) {
        let shape = model.shape
        input = Array(repeating: 0, count: shape.hiddenSize)
        let headsPerDIMM =
            (shape.keyValueHeadCount + configuration.dimmCount - 1) / configuration.dimmCount
        sum = PartialSum(
            count: max(shape.qkvWidth, shape.hiddenSize), isWide: configuration.isSparse)
        context = Array(repeating: 0, count: headsPerDIMM * shape.groupWidth)
        slots = Array(repeating: 0, count: slotCount)
        coefficients = Array(repeating: 0, count: slotCount)
        requested = PackedSet(elementCount: slotCount)
        active = requested
        feedForward = FeedForwardScratch(slotCount: slotCount)
    }

    /// Takes the active slots over from the feed-forward scratch.
    mutating func markActive(count: Int, slotCount: Int) {
        if active.elementCount != slotCount { active = PackedSet(elementCount: slotCount) }
        active.removeAll()
        for index in 0..<count { active.insert(Int(feedForward.active[index])) }
    }

    /// Copies a request's bit set and input; returns how many slots it asks for.
    mutating func loadRequest(
        _ message: RawSpan, slots slotCount: Int
    ) throws(LinkError) -> Int {
        if requested.elementCount != slotCount { requested = PackedSet(elementCount: slotCount) }
        let base = MessageHeader.byteCount
        guard message.byteCount == base + requested.byteCount + 4 * input.count else {
            throw .peerCorrupt("a request over \(slotCount) slots in \(message.byteCount) bytes")
        }
        try requested.load(from: message, at: base)
        let inputOffset = base + requested.byteCount
        var inputSpan = input.mutableSpan
        message.copyFloats(at: inputOffset, into: &inputSpan)
        return requested.writeMembers(to: &slots)
    }
}

extension GateRule {
    /// Reads the rule of a ``MessageKind/setActivityRule`` message for `slotCount` slots; those
    /// of spare slots come with their neurons.
    init(
        decoding message: RawSpan, slotCount: Int, spareSlotCount: Int
    ) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard message.byteCount == base + 4 + 8 * slotCount else {
            throw .peerCorrupt("an activity rule of \(message.byteCount) bytes")
        }
        var floats = [Float](repeating: 0, count: 1 + 2 * slotCount)
        var span = floats.mutableSpan
        message.copyFloats(at: base, into: &span)
        let spares = [Float](repeating: 0, count: spareSlotCount)
        self.init(
            means: floats[1..<1 + slotCount] + spares,
            weights: floats[(1 + slotCount)...] + spares, threshold: floats[0])
    }
}
