import HardwareModel
import Messages
import Quantities
import Topology

/// Derives this DIMM's emulated time from the neurons and positions that a request names.
///
/// The coordinator never computes a DIMM's time: it sees only when a reply was ready. Work starts
/// when its message is there and the DIMM is free.
struct DIMMTimer {
    private let unit: Unit
    private let rankCount: Int
    private let keyBlockByteCount: Int
    private let sizes: WorkSizes
    private var efficiencies = DRAMEfficiencyTable()
    private var freeAt = EmulatedTime.start
    private(set) var busy = EmulatedDuration.zero

    private enum Unit {
        case dimm(DIMMModel)
        case host(HostUnit)
    }

    /// - Parameters:
    ///   - dimm: this DIMM in the topology.
    ///   - host: what computes in its place, if anything does.
    init(dimm: Topology.DIMM, sizes: WorkSizes, host: HostUnit? = nil) throws(HardwareModelError) {
        if let host { unit = .host(host) } else { unit = .dimm(try DIMMModel(dimm)) }
        rankCount = dimm.rankCount
        // One head's keys lie together; a row of DRAM is the longest piece that stays open.
        keyBlockByteCount = Int(clamping: dimm.dram.rowByteCount.bytes)
        self.sizes = sizes
    }

    /// Simulates the DRAM for the block sizes that requests will have, so that no request waits
    /// for it: some ten milliseconds each.
    ///
    /// - Parameter movesAnyBlock: whether neurons of both blocks will move, too.
    mutating func warmUp(movesAnyBlock: Bool = false) throws(LinkError) {
        let one = NeuronDemand.list([0])
        _ = try projectQKV(one, arrival: .start)
        _ = try feedForward(one, active: one, arrival: .start)
        _ = try attend(headCount: 1, positionCount: 1, arrival: .start)
        for block in [sizes.qkv, sizes.feedForward] where movesAnyBlock {
            _ = try movement([0], of: block)
        }
        startOver()
    }

    /// Books a request of known duration; returns when its reply is ready.
    private mutating func occupy(
        from arrival: EmulatedTime, for duration: EmulatedDuration
    ) throws(LinkError) -> EmulatedTime {
        let start = max(arrival, freeAt)
        guard let end = start.checkedAdding(duration),
            let sum = busy.checkedAdding(duration)
        else {
            throw .peerCorrupt("an arrival of \(arrival.sinceStart.picoseconds) ps is absurd")
        }
        freeAt = end
        busy = sum
        return end
    }

    /// Forgets all work so far; what is known of the DRAM stays.
    mutating func startOver() {
        freeAt = .start
        busy = .zero
    }

    /// Rows of the prefill come in over the channel, whose time the coordinator booked.
    mutating func receive(at arrival: EmulatedTime) { freeAt = max(freeAt, arrival) }

    // MARK: Sparse operators

    /// QKV columns of the named slots.
    mutating func projectQKV(
        _ neurons: NeuronDemand, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        let part = try work(neurons, on: sizes.qkv)
        return try book([part], and: stepCost, arrival: arrival)
    }

    /// Feed-forward step: where something selects, that of all candidates and then the rest of
    /// those that are active; everything at once otherwise.
    ///
    /// - Parameter active: unused where nothing selects.
    mutating func feedForward(
        _ candidates: NeuronDemand, active: NeuronDemand, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        var parts: [TimedWork] = []
        if let selecting = sizes.selecting {
            parts.append(try work(candidates, on: selecting))
            var rest = sizes.feedForward
            rest.neuronByteCount -= selecting.neuronByteCount
            rest.weightsPerNeuron -= selecting.weightsPerNeuron
            parts.append(try work(active, on: rest))
        } else {
            parts.append(try work(candidates, on: sizes.feedForward))
        }
        return try book(
            parts, and: stepCost + activation(of: candidates.productCount), arrival: arrival)
    }

    private func activation(of elementCount: Int) -> EmulatedDuration {
        guard case .dimm(let model) = unit else { return .zero }
        return sizes.isGated
            ? model.activationUnit.siluDuration(elementCount: elementCount)
            : model.activationUnit.reluDuration(elementCount: elementCount)
    }

    private var stepCost: EmulatedDuration {
        guard case .host(let host) = unit else { return .zero }
        return host.stepCost
    }

    // MARK: Movement

    /// Reads the named feed-forward neurons whole, to send them elsewhere.
    mutating func readNeurons(
        slots: [UInt32], arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        try readNeurons(slots: slots, of: \.feedForward, arrival: arrival)
    }

    mutating func readNeurons(
        slots: [UInt32], of block: KeyPath<WorkSizes, WorkSizes.Block>, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        let work = try movement(slots, of: sizes[keyPath: block])
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
        slots: [UInt32], of block: KeyPath<WorkSizes, WorkSizes.Block> = \.feedForward,
        request: EmulatedTime, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        let work = try movement(slots, of: sizes[keyPath: block])
        let free = try occupy(from: request, for: work.total)
        guard let written = arrival.checkedAdding(work.total) else {
            throw .peerCorrupt("an arrival of \(arrival.sinceStart.picoseconds) ps is absurd")
        }
        return (max(free, written), report(work.total, [work]))
    }

    /// DRAM traffic of whole neurons, without arithmetic.
    private mutating func movement(
        _ slots: [UInt32], of block: WorkSizes.Block
    ) throws(LinkError) -> TimedWork {
        let byteCount = UInt64(slots.count) * UInt64(block.neuronByteCount)
        let read: EmulatedDuration
        switch unit {
        case .dimm(let model):
            let counts = NeuronDemand.list(slots[...]).countPerRank(rankCount: rankCount)
            read = try Self.modelled { () throws(HardwareModelError) in
                try model.movementDuration(
                    neuronCountPerRank: counts, neuronByteCount: block.neuronByteCount,
                    using: &efficiencies)
            }
        case .host(let host):
            // The GPU fetches whole neurons from the host's memory; no core touches them.
            read = try host.duration(ofSequential: byteCount)
        }
        return TimedWork(
            total: read, read: read, multiply: .zero, byteCount: byteCount, macCount: 0)
    }

    // MARK: Attention

    /// Attention of the owned heads of all sequences over all positions up to the new one.
    mutating func attend(
        headCount: Int, positionCount: Int, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        let work = AttentionWork(
            batchSize: sizes.batchSize, contextLength: positionCount,
            queryHeadCount: headCount * sizes.queryGroupSize, keyValueHeadCount: headCount,
            headSize: sizes.headSize, bytesPerElement: sizes.bytesPerElement,
            blockByteCount: keyBlockByteCount)
        switch unit {
        case .dimm(let model):
            let timing = try Self.modelled { () throws(HardwareModelError) in
                try model.timing(of: work, using: &efficiencies)
            }
            let parts = [timing.scores, timing.context].map {
                TimedWork(
                    $0, byteCount: work.keyByteCount.bytes, macCount: work.macCountPerProduct)
            }
            return try book(parts, and: timing.softmax, arrival: arrival)
        case .host(let host):
            let byteCount = 2 * work.keyByteCount.bytes
            let read = try host.duration(ofSequential: byteCount)
            let part = TimedWork(
                total: read, read: read, multiply: .zero, byteCount: byteCount,
                macCount: 2 * work.macCountPerProduct)
            return try book([part], and: host.stepCost, arrival: arrival)
        }
    }

    /// A request that finds nothing to do: answered when the DIMM is free.
    mutating func pass(
        arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        try book([], and: .zero, arrival: arrival)
    }

    // MARK: Parts

    private mutating func work(
        _ neurons: NeuronDemand, on block: WorkSizes.Block
    ) throws(LinkError) -> TimedWork {
        let work = NeuronWork(
            neuronCountPerRank: neurons.countPerRank(rankCount: rankCount),
            neuronByteCount: block.neuronByteCount, weightsPerNeuron: block.weightsPerNeuron,
            batchSize: sizes.batchSize, productCount: neurons.productCount,
            vectorByteCountPerSequence: ByteCount(UInt64(block.vectorByteCount)))
        let byteCount = UInt64(work.neuronCount) * UInt64(block.neuronByteCount)
        switch unit {
        case .dimm(let model):
            let timing = try Self.modelled { () throws(HardwareModelError) in
                try model.timing(of: work, using: &efficiencies)
            }
            return TimedWork(timing, byteCount: byteCount, macCount: work.macCount)
        case .host(let host):
            // A CPU's arithmetic is not modelled: its memory is slower.
            let read = try host.duration(ofWeights: byteCount)
            return TimedWork(
                total: read, read: read, multiply: .zero, byteCount: byteCount,
                macCount: work.macCount)
        }
    }

    private static func modelled<Value>(
        _ body: () throws(HardwareModelError) -> Value
    ) throws(LinkError) -> Value {
        do {
            return try body()
        } catch {
            throw .system("DIMM model: \(error)")
        }
    }

    /// Books the parts of a request, and what else it takes, one after the other.
    private mutating func book(
        _ parts: [TimedWork], and rest: EmulatedDuration, arrival: EmulatedTime
    ) throws(LinkError) -> (ready: EmulatedTime, report: WorkReport) {
        var total = rest
        for part in parts {
            guard let sum = total.checkedAdding(part.total) else {
                throw .peerCorrupt("a step of \(rest.picoseconds) ps is absurd")
            }
            total = sum
        }
        let ready = try occupy(from: arrival, for: total)
        return (ready, report(total, parts))
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

extension TimedWork {
    init(_ timing: ReadMultiplyTiming, byteCount: UInt64, macCount: UInt64) {
        self.init(
            total: timing.total, read: timing.read, multiply: timing.multiply,
            byteCount: byteCount, macCount: macCount)
    }
}
