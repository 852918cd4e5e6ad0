import HardwareModel
import Kernels
package import MappedMemory
package import Messages
import ModelFile
import NeuronPlacement
package import NeuronShards
package import Pacing
import PackedSets
import Quantities
import Topology
package import Transformer

/// One NDP-DIMM: holds its shard of the weights and its heads' keys and values, answers each
/// request of the coordinator with a partial sum or an attention context, and leaves when told.
///
/// It runs on one thread, bound to its node, and sleeps on its link between requests. Requests
/// come in order and each is answered before the next is read, so the worker has no queue.
package struct DIMMWorker: ~Copyable {
    let link: any MessageLink
    /// To the DIMMs that this one hands neurons to and gets them from, by their index.
    let peers: [Int: any MessageLink]
    let dimm: Int
    let model: DecoderModel
    private let probe: any FactProbe
    var shard: NeuronShard
    private var heads: HeadStore
    var rules: [GateRule?]
    private var step: StepBuffers
    /// `nil` in a native run, which has no emulated time.
    var timer: DIMMTimer?
    private let pacing: WallPacing
    /// Of the topology's links, by index; none without emulated time.
    private let linkRates: [LinkRate]
    private var clock: any RunClock = UnpacedClock(.native)

    /// Waits for the configuration, loads the shard and reports ready.
    ///
    /// Throws ``LinkError`` from the link or ``WorkerError`` when memory or the model fail.
    ///
    /// - Parameters:
    ///   - peers: links to other DIMMs' workers, by DIMM.
    ///   - pacing: what this process has for a paced run.
    package static func attach(
        to link: any MessageLink, peers: [Int: any MessageLink] = [:], model: DecoderModel,
        probe: any FactProbe, pacing: WallPacing
    ) throws -> DIMMWorker {
        let configuration = try receiveConfiguration(link)
        guard configuration.layerCount == model.shape.layerCount else {
            throw LinkError.peerCorrupt(
                "the coordinator's model has \(configuration.layerCount) layers, "
                    + "this one \(model.shape.layerCount)")
        }
        guard configuration.contextCapacity <= model.shape.contextLength else {
            throw LinkError.peerCorrupt(
                "a context of \(configuration.contextCapacity) positions, the model has "
                    + "\(model.shape.contextLength)")
        }
        guard !configuration.isSparse || model.shape.architecture.isGated else {
            throw LinkError.peerCorrupt("activity rules for a model without gates")
        }
        let shard = try NeuronShard(
            loading: model.homeAssignment(
                dimm: configuration.dimmIndex, dimmCount: configuration.dimmCount),
            from: model.file, weights: model.weights,
            mobility: try mobility(configuration, model: model), purpose: "the weight shard")
        let heads = try HeadStore(configuration: configuration, model: model)
        let topology = try topology(configuration)
        var worker = DIMMWorker(
            link: link, peers: peers, model: model, probe: probe, shard: shard, heads: heads,
            configuration: configuration, topology: topology,
            timer: try topology.map { try timer($0, configuration, model: model) },
            pacing: pacing)
        if configuration.isSparse {
            for _ in 0..<model.shape.layerCount { try worker.receiveRule() }
        }
        try worker.sendFacts(.ready, step: 0)
        return worker
    }

    private init(
        link: any MessageLink, peers: [Int: any MessageLink], model: DecoderModel,
        probe: any FactProbe, shard: consuming NeuronShard,
        heads: consuming HeadStore, configuration: WorkerConfiguration, topology: Topology?,
        timer: DIMMTimer?, pacing: WallPacing
    ) {
        self.link = link
        self.peers = peers
        dimm = configuration.dimmIndex
        self.model = model
        self.probe = probe
        self.shard = shard
        self.heads = heads
        rules = Array(repeating: nil, count: model.shape.layerCount)
        step = StepBuffers(model: model, configuration: configuration)
        self.timer = timer
        self.pacing = pacing
        linkRates = (topology.map { LinkPlan($0).links } ?? []).map {
            LinkRate(bandwidth: $0.bandwidth, latency: $0.latency)
        }
    }

    private static func receiveConfiguration(
        _ link: any MessageLink
    ) throws(LinkError) -> WorkerConfiguration {
        var received: Result<WorkerConfiguration, LinkError>?
        try link.receive { message in
            received = Result { () throws(LinkError) in
                let header = try MessageHeader(decoding: message)
                guard header.kind == .configure else {
                    throw .peerCorrupt("the first message is \(header.kind), not configure")
                }
                return try WorkerConfiguration(decoding: message)
            }
        }
        guard let received else { throw .peerCorrupt("no configuration came") }
        return try received.get()
    }

    /// Serves requests until the coordinator says to leave.
    package mutating func serve() throws(LinkError) {
        var isServing = true
        while isServing {
            var outcome: Result<Reply, LinkError>?
            try link.receive { message in
                outcome = Result { () throws(LinkError) in try handle(message) }
            }
            guard let outcome else { throw .peerCorrupt("an empty message came") }
            isServing = try send(try outcome.get())
        }
    }

    /// Computes what a message asks for; what is to be sent lies in the step buffers.
    private mutating func handle(_ message: RawSpan) throws(LinkError) -> Reply {
        let header = try MessageHeader(decoding: message)
        guard header.layer < model.shape.layerCount else {
            throw .peerCorrupt("layer \(header.layer) of \(model.shape.layerCount)")
        }
        try paced { () throws(PacingError) in
            try clock.receive(
                arrival: header.instant,
                delivery: WallInstant(nanoseconds: header.delivery))
        }
        clock.beginWork()
        switch header.kind {
        case .storeKeysAndValues:
            try heads.store(message, header: header)
            timer?.receive(at: header.instant)
            return .nothing
        case .startClock:
            try startClock(try ClockSetting(decoding: message))
            return .nothing
        case .projectQKV:
            return try projectQKV(message, header: header)
        case .attend:
            return try attend(message, header: header)
        case .feedForward:
            return try feedForward(message, header: header)
        case .giveNeurons, .takeNeurons, .releaseNeurons, .sendNeurons:
            return try exchangeNeurons(message, header: header)
        case .shutDown:
            return .farewell(step: header.step)
        case .configure, .setActivityRule, .ready, .partialSum, .attentionContext, .farewell,
            .fault, .neuronsGiven, .neuronsTaken, .neuronWeights, .neuronTransfer:
            throw .peerCorrupt("a serving worker got \(header.kind)")
        }
    }

    // MARK: Requests

    private mutating func projectQKV(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let layer = shard.layers[header.layer]
        let slotCount = try step.loadRequest(message, slots: layer.qkvNeurons.count)
        shard.projectQKV(
            layer: header.layer, input: step.input, slots: step.slots, count: slotCount,
            coefficients: &step.coefficients, into: &step.sum)
        let timing = try timer?.projectQKV(
            slots: step.slots, count: slotCount, arrival: header.instant)
        return .partialSum(
            answer(header, timing?.ready), timing?.report ?? WorkReport(),
            elementCount: model.shape.qkvWidth, active: step.requested, activeCount: slotCount)
    }

    private mutating func feedForward(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let table = shard.slots[header.layer]
        let slotCount = try step.loadRequest(message, slots: table.slotCount)
        for slot in step.slots.prefix(slotCount) where table.neuron(inSlot: Int(slot)) == nil {
            throw .peerCorrupt("slot \(slot) of layer \(header.layer) holds no neuron")
        }
        let activeCount = shard.feedForward(
            layer: header.layer, input: step.input, slots: step.slots, count: slotCount,
            rule: rules[header.layer], scratch: &step.feedForward, into: &step.sum)
        step.markActive(count: activeCount, slotCount: table.slotCount)
        let timing = try timer?.feedForward(
            slots: step.slots, count: slotCount, active: step.feedForward.active,
            activeCount: activeCount, isSparse: rules[header.layer] != nil,
            arrival: header.instant)
        return .partialSum(
            answer(header, timing?.ready), timing?.report ?? WorkReport(),
            elementCount: model.shape.hiddenSize, active: step.active, activeCount: activeCount)
    }

    private mutating func attend(_ message: RawSpan, header: MessageHeader) throws(LinkError)
        -> Reply
    {
        let headCount = try heads.attend(message, header: header, into: &step.context)
        let timing = try timer?.attend(
            headCount: headCount, positionCount: header.position + 1, arrival: header.instant)
        return .context(
            answer(header, timing?.ready), timing?.report ?? WorkReport(), headCount: headCount)
    }

    // MARK: Time

    /// The request's header with the instant at which its answer is ready.
    func answer(_ request: MessageHeader, _ ready: EmulatedTime?) -> MessageHeader {
        var header = request
        header.time = ready?.sinceStart.picoseconds ?? 0
        return header
    }

    private func paced<Value>(
        _ body: () throws(PacingError) -> Value
    ) throws(LinkError) -> Value {
        do {
            return try body()
        } catch {
            throw .system("paced clock: \(error)")
        }
    }

    /// The header of a computed reply with when the DIMM's work on it is over in wall time. The
    /// coordinator, which sees all replies, gives them their links.
    func finished(
        _ reply: MessageHeader, _ report: WorkReport
    ) throws(LinkError) -> (header: MessageHeader, workEnd: WallInstant?) {
        guard timer != nil else { return (reply, nil) }
        var header = reply
        let workEnd = try paced { () throws(PacingError) in
            try clock.finishWork(
                at: reply.instant,
                lasting: EmulatedDuration(picoseconds: report.busyPicoseconds))
        }
        header.delivery = workEnd?.nanoseconds ?? 0
        return (header, workEnd)
    }

    /// Nothing can come before the DIMM's work is over.
    func rest(until workEnd: WallInstant?) throws(LinkError) {
        guard let workEnd else { return }
        try paced { () throws(PacingError) in try clock.rest(until: workEnd) }
    }

    /// The report with how the worker kept its deadlines so far.
    func withOverruns(_ report: WorkReport) -> WorkReport {
        var report = report
        report.deadlineCount = clock.overruns.deadlines
        report.missedDeadlineCount = clock.overruns.missed
        return report
    }

    /// An origin further ahead cannot be meant: the coordinator would wait as long.
    private static let latestOriginNanoseconds: UInt64 = 60_000_000_000

    private mutating func startClock(_ setting: ClockSetting) throws(LinkError) {
        timer?.startOver()
        guard setting.dilationThousandths > 0 else {
            clock = UnpacedClock(.virtual)
            return
        }
        guard setting.dilationThousandths <= Dilation.maximum.thousandths, timer != nil else {
            throw .peerCorrupt(
                "a dilation of \(setting.dilationThousandths) thousandths, or no emulated time")
        }
        let origin = WallInstant(nanoseconds: setting.originNanoseconds)
        guard
            origin.nanoseconds > 0,
            origin <= WallInstant.now.advanced(byNanoseconds: Self.latestOriginNanoseconds)
        else { throw .peerCorrupt("a clock that starts at \(origin.nanoseconds) ns") }
        clock = pacing.clock(
            origin: origin, dilation: Dilation(thousandths: setting.dilationThousandths),
            rates: linkRates, watch: {})
    }

    private mutating func receiveRule() throws(LinkError) {
        var received: Result<(layer: Int, rule: GateRule), LinkError>?
        let slotCount = shard.layers.first?.feedForwardNeurons.count ?? 0
        let spareCount = (shard.slots.first?.slotCount ?? 0) - slotCount
        let layerCount = model.shape.layerCount
        try link.receive { message in
            received = Result { () throws(LinkError) in
                let header = try MessageHeader(decoding: message)
                guard header.kind == .setActivityRule, header.layer < layerCount else {
                    throw .peerCorrupt("expected an activity rule, got \(header)")
                }
                return (
                    header.layer,
                    try GateRule(
                        decoding: message, slotCount: slotCount, spareSlotCount: spareCount)
                )
            }
        }
        guard let received else { throw .peerCorrupt("no activity rule came") }
        let (layer, rule) = try received.get()
        guard rules[layer] == nil else {
            throw .peerCorrupt("a second activity rule for layer \(layer)")
        }
        rules[layer] = rule
    }

    // MARK: Replies

    enum Reply {
        case nothing
        /// What an exchange of neurons answers with: the weights in `slots`, if any, behind the
        /// report.
        case exchange(MessageHeader, WorkReport, slots: [UInt32])
        case partialSum(
            MessageHeader, WorkReport, elementCount: Int, active: PackedSet, activeCount: Int)
        case context(MessageHeader, WorkReport, headCount: Int)
        case farewell(step: UInt64)
    }

    /// Sends a reply; returns whether to go on serving.
    private func send(_ reply: Reply) throws(LinkError) -> Bool {
        switch reply {
        case .nothing:
            return true
        case .exchange(let header, let report, let slots):
            try sendExchange(header, report, slots: slots)
            return true
        case .partialSum(let request, let report, let elementCount, let active, let activeCount):
            var header = MessageHeader(
                .partialSum, layer: request.layer, position: request.position, count: elementCount,
                auxiliary: activeCount, step: request.step)
            header.time = request.time
            let base = MessageHeader.byteCount + WorkReport.byteCount
            let size = PartialSum.elementByteCount(isWide: step.sum.isWide) * elementCount
            let workEnd: WallInstant?
            (header, workEnd) = try finished(header, report)
            let report = withOverruns(report)
            let sum = step.sum
            try link.send(byteCount: base + size + active.byteCount) { message in
                header.encode(into: &message)
                report.encode(into: &message)
                if sum.isWide {
                    message.store(sum.wide.span.extracting(0..<elementCount), at: base)
                } else {
                    message.store(sum.narrow.span.extracting(0..<elementCount), at: base)
                }
                message.store(active.words.span, at: base + size)
            }
            try rest(until: workEnd)
            return true
        case .context(let request, let report, let headCount):
            var header = MessageHeader(
                .attentionContext, layer: request.layer, position: request.position,
                count: headCount, step: request.step)
            header.time = request.time
            let base = MessageHeader.byteCount + WorkReport.byteCount
            let (context, floatCount) = (step.context, headCount * model.shape.groupWidth)
            let workEnd: WallInstant?
            (header, workEnd) = try finished(header, report)
            let report = withOverruns(report)
            try link.send(byteCount: base + 4 * floatCount) { message in
                header.encode(into: &message)
                report.encode(into: &message)
                message.store(context.span.extracting(0..<floatCount), at: base)
            }
            try rest(until: workEnd)
            return true
        case .farewell(let number):
            try sendFacts(.farewell, step: number)
            return false
        }
    }

    private func sendFacts(_ kind: MessageKind, step number: UInt64) throws(LinkError) {
        var facts = probe.facts(weights: shard.storage, keysAndValues: heads.storage)
        facts.busyPicoseconds = timer?.busy.picoseconds ?? 0
        facts.deadlineCount = clock.overruns.deadlines
        facts.missedDeadlineCount = clock.overruns.missed
        let header = MessageHeader(kind, step: number)
        try link.send(byteCount: MessageHeader.byteCount + facts.messageByteCount) { message in
            header.encode(into: &message)
            facts.encode(into: &message)
        }
    }
}

extension DecoderModel {
    /// The neurons at home on a DIMM: the same in every layer.
    package func homeAssignment(dimm: Int, dimmCount: Int) -> NeuronAssignment {
        let qkv = HomeMap(neuronCount: shape.hiddenSize, dimmCount: dimmCount)
        let mlp = HomeMap(neuronCount: shape.feedForwardSize, dimmCount: dimmCount)
        return NeuronAssignment(
            qkv: Array(repeating: qkv.neurons(ofDIMM: dimm), count: shape.layerCount),
            feedForward: Array(repeating: mlp.neurons(ofDIMM: dimm), count: shape.layerCount))
    }
}

extension MessageHeader {
    /// When a request arrived, or a reply was ready.
    var instant: EmulatedTime { EmulatedTime(picosecondsSinceStart: time) }
}

/// Asks the operating system what became of a worker's memory; the program supplies it, since
/// roles know neither libnuma nor /proc.
package protocol FactProbe: AnyObject {
    func facts(
        weights: borrowing AnonymousMapping, keysAndValues: borrowing AnonymousMapping
    ) -> WorkerFacts
}
