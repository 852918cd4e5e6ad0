import HardwareModel
import Messages
import Quantities
import Topology
import Transformer
import ModelFile

/// Derives this DIMM's emulated time from the neurons and positions that a request names.
///
/// The coordinator never computes a DIMM's time: it sees only when a reply was ready. Work starts
/// when its message is there and the DIMM is free.
struct DIMMTimer {
    private let model: DIMMModel
    private let rankCount: Int
    private let keyBlockByteCount: Int
    private let sizes: NeuronSizes
    private var efficiencies = DRAMEfficiencyTable()
    private var freeAt = EmulatedTime.start
    private(set) var busy = EmulatedDuration.zero

    /// - Parameter dimm: this DIMM in the topology.
    init(dimm: Topology.DIMM, model decoder: DecoderModel, isSparse: Bool) throws {
        model = try DIMMModel(dimm)
        rankCount = dimm.rankCount
        // One head's keys lie together; a row of DRAM is the longest piece that stays open.
        keyBlockByteCount = Int(clamping: dimm.dram.rowByteCount.bytes)
        sizes = NeuronSizes(decoder)
        try warmUp(isSparse: isSparse)
    }

    /// Simulates the DRAM for the block sizes that requests will have, so that no request waits
    /// for it: some ten milliseconds each.
    private mutating func warmUp(isSparse: Bool) throws {
        _ = try projectQKV(slots: [0], count: 1, arrival: .start)
        _ = try feedForward(
            slots: [0], count: 1, active: [0], activeCount: 1, isSparse: isSparse,
            arrival: .start)
        _ = try attend(headCount: 1, positionCount: 1, arrival: .start)
        startOver()
    }

    /// Books a request of known duration; returns when its reply is ready.
    private mutating func occupy(
        from arrival: EmulatedTime, for duration: EmulatedDuration
    ) throws(LinkError) -> EmulatedTime {
        let start = max(arrival, freeAt)
        guard let end = start.checkedAdding(duration) else {
            throw .peerCorrupt("an arrival of \(arrival.sinceStart.picoseconds) ps is absurd")
        }
        freeAt = end
        busy += duration
        return end
    }

    /// Forgets all work so far; what is known of the DRAM stays.
    mutating func startOver() {
        freeAt = .start
        busy = .zero
    }

    /// Rows of the prefill come in over the channel, whose time the coordinator booked.
    mutating func receive(at arrival: EmulatedTime) { freeAt = max(freeAt, arrival) }

    /// QKV columns of the named slots.
    mutating func projectQKV(
        slots: [UInt32], count: Int, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        let timing = try neurons(
            slots, count: count, byteCount: sizes.qkvByteCount, weights: sizes.qkvWeights)
        let ready = try occupy(from: arrival, for: timing.total)
        return (ready, report(timing.total, [timing]))
    }

    /// Feed-forward step: what selects (the gate or, without gates, up) of all candidates and,
    /// when only some turn out active, then the rest of those; everything at once otherwise.
    ///
    /// - Parameter isSparse: whether a rule selects; without gates, ReLU always does.
    mutating func feedForward(
        slots: [UInt32], count: Int, active: [UInt32], activeCount: Int, isSparse: Bool,
        arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        var parts: [TimedWork] = []
        if isSparse || !sizes.isGated {
            parts.append(
                try neurons(
                    slots, count: count, byteCount: sizes.selectingByteCount,
                    weights: sizes.selectingWeights))
            parts.append(
                try neurons(
                    active, count: activeCount,
                    byteCount: sizes.feedForwardByteCount - sizes.selectingByteCount,
                    weights: sizes.feedForwardWeights - sizes.selectingWeights))
        } else {
            parts.append(
                try neurons(
                    slots, count: count, byteCount: sizes.feedForwardByteCount,
                    weights: sizes.feedForwardWeights))
        }
        let activation =
            sizes.isGated
            ? model.activationUnit.siluDuration(elementCount: count)
            : model.activationUnit.reluDuration(elementCount: count)
        let total = parts.reduce(activation) { $0 + $1.total }
        let ready = try occupy(from: arrival, for: total)
        return (ready, report(total, parts))
    }

    /// Reads the named neurons whole, to send them elsewhere.
    mutating func readNeurons(
        slots: [UInt32], arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        let work = try movement(slots)
        let ready = try occupy(from: arrival, for: work.total)
        return (ready, report(work.total, [work]))
    }

    /// Writes neurons that come over a link, as fast as they would be read.
    ///
    /// The DIMM is not held while they are on their way: the writes take their share of its time
    /// as soon as it is told of them, and are over no earlier than the link allows.
    ///
    /// - Parameters:
    ///   - request: when the DIMM is told.
    ///   - arrival: when the last neuron has come.
    mutating func writeNeurons(
        slots: [UInt32], request: EmulatedTime, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        let work = try movement(slots)
        let free = try occupy(from: request, for: work.total)
        guard let written = arrival.checkedAdding(work.total) else {
            throw .peerCorrupt("an arrival of \(arrival.sinceStart.picoseconds) ps is absurd")
        }
        return (max(free, written), report(work.total, [work]))
    }

    /// DRAM traffic of whole neurons, without arithmetic.
    private mutating func movement(_ slots: [UInt32]) throws(LinkError) -> TimedWork {
        let work = try neurons(
            slots, count: slots.count, byteCount: sizes.feedForwardByteCount,
            weights: sizes.feedForwardWeights)
        return TimedWork(
            total: work.read, read: work.read, multiply: .zero, byteCount: work.byteCount,
            macCount: 0)
    }

    /// Attention of the owned heads over all positions up to the new one.
    mutating func attend(
        headCount: Int, positionCount: Int, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        let work = AttentionWork(
            batchSize: 1, contextLength: positionCount,
            queryHeadCount: headCount * sizes.queryGroupSize, keyValueHeadCount: headCount,
            headSize: sizes.headSize, bytesPerElement: 4, blockByteCount: keyBlockByteCount)
        let timing: AttentionTiming
        do {
            timing = try model.timing(of: work, using: &efficiencies)
        } catch {
            throw .system("DIMM model: \(error)")
        }
        let parts = [timing.scores, timing.context].map {
            TimedWork(
                total: $0.total, read: $0.read, multiply: $0.multiply,
                byteCount: work.keyByteCount.bytes, macCount: work.macCountPerProduct)
        }
        let ready = try occupy(from: arrival, for: timing.total)
        return (ready, report(timing.total, parts))
    }

    private mutating func neurons(
        _ slots: [UInt32], count: Int, byteCount: Int, weights: Int
    ) throws(LinkError) -> TimedWork {
        var perRank = Array(repeating: 0, count: rankCount)
        for slot in slots.prefix(count) { perRank[Int(slot) % rankCount] += 1 }
        let work = NeuronWork(
            neuronCountPerRank: perRank, neuronByteCount: byteCount, weightsPerNeuron: weights,
            batchSize: 1, vectorByteCountPerSequence: ByteCount(UInt64(sizes.vectorByteCount)))
        do {
            let timing = try model.timing(of: work, using: &efficiencies)
            return TimedWork(
                total: timing.total, read: timing.read, multiply: timing.multiply,
                byteCount: UInt64(count) * UInt64(byteCount), macCount: work.macCount)
        } catch {
            throw .system("DIMM model: \(error)")
        }
    }

    private func report(_ busy: EmulatedDuration, _ parts: [TimedWork]) -> WorkReport {
        WorkReport(
            busyPicoseconds: busy.picoseconds,
            readPicoseconds: parts.reduce(0) { $0 + $1.read.picoseconds },
            multiplyPicoseconds: parts.reduce(0) { $0 + $1.multiply.picoseconds },
            readByteCount: parts.reduce(0) { $0 + $1.byteCount },
            multiplyAccumulateCount: parts.reduce(0) { $0 + $1.macCount })
    }
}

/// One part of a request, as the hardware model gives it.
private struct TimedWork {
    let total: EmulatedDuration
    let read: EmulatedDuration
    let multiply: EmulatedDuration
    let byteCount: UInt64
    let macCount: UInt64
}

/// Bytes and weights of one neuron, as stored.
private struct NeuronSizes {
    let qkvByteCount: Int
    let qkvWeights: Int
    let feedForwardByteCount: Int
    let feedForwardWeights: Int
    /// What tells whether a neuron is active: its gate or, without gates, its up row and bias.
    let selectingByteCount: Int
    let selectingWeights: Int
    let isGated: Bool
    let queryGroupSize: Int
    let headSize: Int
    /// The input vector and the sums that the buffer holds meanwhile.
    let vectorByteCount: Int

    init(_ model: DecoderModel) {
        let shape = model.shape
        qkvByteCount = model.qkvNeuronByteCount
        qkvWeights = shape.qkvWidth
        feedForwardByteCount = model.feedForwardNeuronByteCount
        feedForwardWeights = model.feedForwardNeuronWeightCount
        selectingByteCount = model.selectingByteCount
        selectingWeights = shape.hiddenSize
        isGated = shape.architecture.isGated
        queryGroupSize = shape.queryGroupSize
        headSize = shape.headSize
        vectorByteCount = 4 * (shape.hiddenSize + max(shape.qkvWidth, shape.hiddenSize))
    }
}
