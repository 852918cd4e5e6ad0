import HardwareModel
import MappedMemory
package import Messages
package import Pacing
import PackedSets
import Quantities
import Topology

/// One NDP-DIMM, or a host CPU in place of one, of a machine that runs a model of which there is
/// only the shape.
///
/// It gets the same requests as a ``DIMMWorker``, with lists of neurons and messages of true sizes,
/// derives the same times from them, and answers with messages of true sizes whose values are
/// unspecified. Where time is wall time it really reads as many bytes as the DIMM would.
package struct ShapeWorker: ~Copyable {
    var port: WorkerPort
    let shape: ShapeConfiguration
    private let probe: any FactProbe
    var arena: ReadArena
    /// Slots that hold a neuron, [layers][blocks].
    var filled: [[PackedSet]]
    private var requests: [BatchRequest]
    let attention: AttentionShare
    /// `nil` in a native run, which has no emulated time.
    var timer: DIMMTimer?

    /// Waits for the configuration, allocates memory and reports ready.
    ///
    /// Throws ``LinkError`` from the link or `MappedMemoryError` when memory fails.
    ///
    /// - Parameters:
    ///   - peers: links to other DIMMs' workers.
    ///   - pacing: what this process has for a paced run.
    package static func attach(
        to link: any MessageLink, peers: WorkerPeers = WorkerPeers(), probe: any FactProbe,
        pacing: WallPacing
    ) throws -> ShapeWorker {
        let shape = try WorkerPort.receiveFirst(.configureShape, from: link) {
            (message) throws(LinkError) in try ShapeConfiguration(decoding: message)
        }
        let attention = AttentionShare(shape)
        try shape.checkSizes(attention, messageLimit: link.maximumMessageByteCount)
        let topology = try WorkerPort.topology(
            shape.topologyText, isTimed: shape.isTimed, dimm: shape.dimmIndex)
        let worker = ShapeWorker(
            port: WorkerPort(
                link: link, peers: peers, dimm: shape.dimmIndex, topology: topology,
                pacing: pacing),
            shape: shape, probe: probe,
            arena: try ReadArena(byteCount: shape.arenaByteCount, allocate: probe.allocate),
            attention: attention,
            timer: try topology.map { try timer($0, shape) })
        try worker.sendFacts(.ready, step: 0)
        return worker
    }

    private static func timer(
        _ topology: Topology, _ shape: ShapeConfiguration
    ) throws(LinkError) -> DIMMTimer {
        var timer: DIMMTimer
        do {
            timer = try DIMMTimer(
                dimm: topology.dimms[shape.dimmIndex], sizes: WorkSizes(shape),
                host: shape.host.map { HostUnit($0) })
        } catch {
            throw .peerCorrupt("\(error)")
        }
        try timer.warmUp(movesAnyBlock: true)
        return timer
    }

    private init(
        port: WorkerPort, shape: ShapeConfiguration, probe: any FactProbe,
        arena: consuming ReadArena, attention: AttentionShare, timer: DIMMTimer?
    ) {
        self.port = port
        self.shape = shape
        self.probe = probe
        self.arena = arena
        self.attention = attention
        self.timer = timer
        filled = shape.filledSlotCounts.map { counts in
            zip(counts, shape.blocks).map { count, block in
                PackedSet.first(count, of: block.slotCount)
            }
        }
        requests = shape.blocks.map { BatchRequest(slotCount: $0.slotCount) }
    }

    /// Serves requests until the coordinator says to leave.
    package mutating func serve() throws(LinkError) {
        let intake = port.intake
        var isServing = true
        while isServing {
            let reply = try intake.next { (message) throws(LinkError) in try handle(message) }
            isServing = try send(reply)
        }
    }

    private mutating func handle(_ message: RawSpan) throws(LinkError) -> Reply {
        let header = try MessageHeader(decoding: message)
        guard header.layer < shape.layerCount else {
            throw .peerCorrupt("layer \(header.layer) of \(shape.layerCount)")
        }
        try port.begin(header)
        switch header.kind {
        case .storeKeysAndValues:
            try attention.checkRows(message, header)
            timer?.receive(at: header.instant)
            return .nothing
        case .placeNeurons:
            try placeNeurons(message, header: header)
            return .nothing
        case .startClock:
            timer?.startOver()
            try port.startClock(try ClockSetting(decoding: message))
            return .nothing
        case .projectQKV:
            return try multiply(message, header: header, block: 0)
        case .attend:
            return try attend(message, header: header)
        case .feedForward:
            return try multiply(message, header: header, block: 1)
        case .giveNeurons, .takeNeurons, .releaseNeurons, .sendNeurons:
            return try exchangeNeurons(message, header: header)
        case .replacePeer:
            try port.replacePeer(message, header)
            return .nothing
        case .shutDown:
            return .farewell(step: header.step)
        case .restoreKeysAndValues, .configure, .configureShape, .setActivityRule, .setHomes,
            .ready, .partialSum,
            .attentionContext,
            .farewell, .fault, .neuronsGiven, .neuronsTaken, .neuronWeights, .neuronTransfer,
            .resume, .damagedRequest:
            throw .peerCorrupt("a serving worker got \(header.kind)")
        }
    }

    // MARK: Requests

    /// Reads what any sequence needs once, and multiplies for each what it needs.
    private mutating func multiply(
        _ message: RawSpan, header: MessageHeader, block index: Int
    ) throws(LinkError) -> Reply {
        let block = shape.blocks[index]
        try requests[index].load(
            message, filled: filled[header.layer][index], batchSize: shape.batchSize,
            inputByteCount: block.inputByteCount)
        let (union, products) = (requests[index].union, requests[index].productCount)
        if !arena.isEmpty { read(union.members, layer: header.layer, block: index) }
        let demand = NeuronDemand.union(union, productCount: products)
        let timing =
            index == 0
            ? try timer?.projectQKV(demand, arrival: header.instant)
            : try timer?.feedForward(demand, active: demand, arrival: header.instant)
        let sumByteCount = shape.batchSize * block.sumByteCount
        return .work(
            header.answer(
                .partialSum, position: header.position,
                count: sumByteCount / shape.bytesPerActivation, auxiliary: union.memberCount,
                ready: timing?.ready),
            timing?.report ?? WorkReport(),
            payloadByteCount: sumByteCount + shape.batchSize * union.byteCount)
    }

    private mutating func attend(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let work = try attention.work(message, header)
        arena.readOn(
            byteCount: attention.rowByteCount(headCount: work.headCount) * work.positionCount)
        let timing =
            work.positionCount == 0
            ? try timer?.pass(arrival: header.instant)
            : try timer?.attend(
                headCount: work.headCount, positionCount: work.positionCount,
                arrival: header.instant)
        return .work(
            header.answer(
                .attentionContext, position: header.position, count: work.headCount,
                ready: timing?.ready),
            timing?.report ?? WorkReport(),
            payloadByteCount: attention.contextByteCount(headCount: work.headCount))
    }

    /// Reads neurons in memory, where layers lie one behind the other, round and round.
    mutating func read(_ slots: some Sequence<Int>, layer: Int, block index: Int) {
        let sizes = shape.blocks.map { $0.slotCount * $0.neuronByteCount }
        let base = layer * sizes.reduce(0, +) + sizes[..<index].reduce(0, +)
        let byteCount = shape.blocks[index].neuronByteCount
        for slot in slots { arena.read(at: base + slot * byteCount, byteCount: byteCount) }
    }

    // MARK: Replies

    enum Reply {
        case nothing
        /// What the DIMM's work of a step answers with.
        case work(MessageHeader, WorkReport, payloadByteCount: Int)
        /// What an exchange of neurons answers with, its work done earlier.
        case exchange(MessageHeader, WorkReport, payloadByteCount: Int)
        case farewell(step: UInt64)
    }

    /// Sends a reply, whose values stay as the memory has them; returns whether to go on serving.
    private func send(_ reply: Reply) throws(LinkError) -> Bool {
        switch reply {
        case .nothing:
            return true
        case .work(let header, let report, let byteCount):
            try port.finish(header, report, payloadByteCount: byteCount, writtenByteCount: 0)
            return true
        case .exchange(let header, let report, let byteCount):
            try port.send(header, report, payloadByteCount: byteCount, writtenByteCount: 0)
            return true
        case .farewell(let number):
            try sendFacts(.farewell, step: number)
            return false
        }
    }

    private func sendFacts(_ kind: MessageKind, step number: UInt64) throws(LinkError) {
        var facts = probe.facts(of: arena.storage)
        let weights = filled.map { sets in
            zip(sets, shape.blocks).reduce(0) { $0 + $1.0.memberCount * $1.1.neuronByteCount }
        }
        facts.weightByteCount = UInt64(weights.reduce(0, +))
        facts.keyValueByteCount = UInt64(attention.capacityByteCount)
        try port.sendFacts(facts, busy: timer?.busy, as: kind, step: number)
    }
}

/// Sets of slots that a request names, one for each sequence.
private struct BatchRequest {
    /// Slots that any sequence needs.
    private(set) var union: PackedSet
    /// Pairs of a neuron and a sequence that needs it.
    private(set) var productCount = 0
    private var one: PackedSet

    init(slotCount: Int) {
        union = PackedSet(elementCount: slotCount)
        one = union
    }

    /// Reads and checks the sets behind the header of `message`; the inputs behind them are not
    /// read.
    mutating func load(
        _ message: RawSpan, filled: PackedSet, batchSize: Int, inputByteCount: Int
    ) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard message.byteCount == base + batchSize * (union.byteCount + inputByteCount) else {
            throw .peerCorrupt(
                "a request over \(union.elementCount) slots for \(batchSize) sequences in "
                    + "\(message.byteCount) bytes")
        }
        union.removeAll()
        productCount = 0
        for sequence in 0..<batchSize {
            try one.load(from: message, at: base + sequence * one.byteCount)
            union.formUnion(one)
            productCount += one.memberCount
        }
        guard union.intersectionCount(filled) == union.memberCount else {
            var empty = union
            empty.subtract(filled)
            throw .peerCorrupt("slot \(empty.members[0]) holds no neuron")
        }
    }
}
