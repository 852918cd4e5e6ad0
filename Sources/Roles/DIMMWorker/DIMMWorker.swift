import HardwareModel
import Kernels
package import MappedMemory
package import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
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
    var port: WorkerPort
    let model: DecoderModel
    private let probe: any FactProbe
    var shard: NeuronShard
    private var heads: HeadStore
    var rules: [GateRule?]
    private var step: StepBuffers
    /// `nil` in a native run, which has no emulated time.
    var timer: DIMMTimer?

    /// Waits for the configuration, loads the shard and reports ready.
    ///
    /// Throws ``LinkError`` from the link or ``WorkerError`` when memory or the model fail.
    ///
    /// - Parameters:
    ///   - peers: links to other DIMMs' workers.
    ///   - pacing: what this process has for a paced run.
    package static func attach(
        to link: any MessageLink, peers: WorkerPeers = WorkerPeers(), model: DecoderModel,
        probe: any FactProbe, pacing: WallPacing
    ) throws -> DIMMWorker {
        let configuration = try WorkerPort.receiveFirst(.configure, from: link) {
            (message) throws(LinkError) in try WorkerConfiguration(decoding: message)
        }
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
            loading: try assignment(configuration, model: model, link: link), from: model.file,
            weights: model.weights,
            mobility: try mobility(configuration, model: model), purpose: "the weight shard",
            allocate: probe.allocate)
        let heads = try HeadStore(
            configuration: configuration, model: model, allocate: probe.allocate)
        let topology = try WorkerPort.topology(
            configuration.topologyText, isTimed: configuration.isTimed,
            dimm: configuration.dimmIndex)
        var worker = DIMMWorker(
            port: WorkerPort(
                link: link, peers: peers, dimm: configuration.dimmIndex, topology: topology,
                pacing: pacing),
            model: model, probe: probe, shard: shard, heads: heads, configuration: configuration,
            timer: try topology.map { try timer($0, configuration, model: model) })
        if configuration.isSparse {
            for _ in 0..<model.shape.layerCount { try worker.receiveRule() }
        }
        try worker.sendFacts(.ready, step: 0)
        return worker
    }

    private init(
        port: WorkerPort, model: DecoderModel, probe: any FactProbe,
        shard: consuming NeuronShard, heads: consuming HeadStore,
        configuration: WorkerConfiguration, timer: DIMMTimer?
    ) {
        self.port = port
        self.model = model
        self.probe = probe
        self.shard = shard
        self.heads = heads
        rules = Array(repeating: nil, count: model.shape.layerCount)
        step = StepBuffers(
            model: model, configuration: configuration, slotCount: self.shard.widestSlotCount)
        self.timer = timer
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

    /// Computes what a message asks for; what is to be sent lies in the step buffers.
    private mutating func handle(_ message: RawSpan) throws(LinkError) -> Reply {
        let header = try MessageHeader(decoding: message)
        guard header.layer < model.shape.layerCount else {
            throw .peerCorrupt("layer \(header.layer) of \(model.shape.layerCount)")
        }
        try port.begin(header)
        switch header.kind {
        case .storeKeysAndValues:
            try heads.store(message, header: header)
            timer?.receive(at: header.instant)
            return .nothing
        case .restoreKeysAndValues:
            try heads.restore(message, header: header)
            return .nothing
        case .placeNeurons:
            try placeNeurons(message, header: header)
            return .nothing
        case .startClock:
            timer?.startOver()
            try port.startClock(try ClockSetting(decoding: message))
            return .nothing
        case .projectQKV:
            return try projectQKV(message, header: header)
        case .attend:
            return try attend(message, header: header)
        case .feedForward:
            return try feedForward(message, header: header)
        case .giveNeurons, .takeNeurons, .releaseNeurons, .sendNeurons:
            return try exchangeNeurons(message, header: header)
        case .replacePeer:
            try port.replacePeer(message, header)
            return .nothing
        case .shutDown:
            return .farewell(step: header.step)
        case .configure, .configureShape, .setActivityRule, .setHomes, .ready, .partialSum,
            .attentionContext, .farewell, .fault, .neuronsGiven, .neuronsTaken, .neuronWeights,
            .neuronTransfer,
            .resume, .damagedRequest:
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
            .list(step.slots.prefix(slotCount)), arrival: header.instant)
        return .partialSum(
            header.answer(
                .partialSum, position: header.position, count: model.shape.qkvWidth,
                auxiliary: slotCount, ready: timing?.ready),
            timing?.report ?? WorkReport(), active: step.requested)
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
            .list(step.slots.prefix(slotCount)),
            active: .list(step.feedForward.active.prefix(activeCount)), arrival: header.instant)
        return .partialSum(
            header.answer(
                .partialSum, position: header.position, count: model.shape.hiddenSize,
                auxiliary: activeCount, ready: timing?.ready),
            timing?.report ?? WorkReport(), active: step.active)
    }

    private mutating func attend(_ message: RawSpan, header: MessageHeader) throws(LinkError)
        -> Reply
    {
        let headCount = try heads.attend(message, header: header, into: &step.context)
        let timing = try timer?.attend(
            headCount: headCount, positionCount: header.position + 1, arrival: header.instant)
        return .context(
            header.answer(
                .attentionContext, position: header.position, count: headCount,
                ready: timing?.ready),
            timing?.report ?? WorkReport())
    }

    private mutating func receiveRule() throws(LinkError) {
        let slotCounts = shard.layers.map(\.feedForwardNeurons.count)
        let spareCounts = zip(shard.slots, slotCounts).map { $0.slotCount - $1 }
        let layerCount = model.shape.layerCount
        let (layer, rule) = try port.link.receiveValue {
            (message) throws(LinkError) -> (Int, GateRule) in
            let header = try MessageHeader(decoding: message)
            guard header.kind == .setActivityRule, header.layer < layerCount else {
                throw .peerCorrupt("expected an activity rule, got \(header)")
            }
            return (
                header.layer,
                try GateRule(
                    decoding: message, slotCount: slotCounts[header.layer],
                    spareSlotCount: spareCounts[header.layer])
            )
        }
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
        case partialSum(MessageHeader, WorkReport, active: PackedSet)
        case context(MessageHeader, WorkReport)
        case farewell(step: UInt64)
    }

    /// Sends a reply; returns whether to go on serving.
    private func send(_ reply: Reply) throws(LinkError) -> Bool {
        let base = WorkerPort.payloadOffset
        switch reply {
        case .nothing:
            return true
        case .exchange(let header, let report, let slots):
            try sendExchange(header, report, slots: slots)
            return true
        case .partialSum(let header, let report, let active):
            let (sum, elementCount) = (step.sum, header.count)
            let size = PartialSum.elementByteCount(isWide: sum.isWide) * elementCount
            try port.finish(header, report, payloadByteCount: size + active.byteCount) {
                if sum.isWide {
                    $0.store(sum.wide.span.extracting(0..<elementCount), at: base)
                } else {
                    $0.store(sum.narrow.span.extracting(0..<elementCount), at: base)
                }
                $0.store(active.words.span, at: base + size)
            }
            return true
        case .context(let header, let report):
            let (context, floatCount) = (step.context, header.count * model.shape.groupWidth)
            try port.finish(header, report, payloadByteCount: 4 * floatCount) {
                $0.store(context.span.extracting(0..<floatCount), at: base)
            }
            return true
        case .farewell(let number):
            try sendFacts(.farewell, step: number)
            return false
        }
    }

    private func sendFacts(_ kind: MessageKind, step number: UInt64) throws(LinkError) {
        try port.sendFacts(
            probe.facts(weights: shard.storage, keysAndValues: heads.storage),
            busy: timer?.busy, as: kind, step: number)
    }
}

/// Gets a worker's memory from the operating system and asks what became of it; the program
/// supplies it, since roles know neither libnuma nor /proc.
package protocol FactProbe: AnyObject {
    /// Zero-filled memory for weights, keys and values, or what stands for them.
    ///
    /// - Parameter purpose: what messages call it.
    func allocate(
        byteCount: Int, purpose: String
    ) throws(MappedMemoryError) -> AnonymousMapping

    func facts(
        weights: borrowing AnonymousMapping, keysAndValues: borrowing AnonymousMapping
    ) -> WorkerFacts

    /// Of a worker whose memory stands for weights, keys and values alike; the first two fields,
    /// what it models, are for the caller to fill in.
    func facts(of memory: borrowing AnonymousMapping) -> WorkerFacts
}

extension FactProbe {
    package func allocate(
        byteCount: Int, purpose: String
    ) throws(MappedMemoryError) -> AnonymousMapping {
        try AnonymousMapping.create(byteCount: byteCount, purpose: purpose)
    }
}
