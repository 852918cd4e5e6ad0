import ActivationPredictor
import Coordinator
import DIMMWorker
import HardwareModel
import MappedMemory
import Messages
import ModelFile
import NeuronPlacement
import Pacing
import Quantities
import Scheduling
import Simulation
import SparsityCalibration
import TemporaryFiles
import TestModels
import Topology
import Transformer

/// What a simulated run is asked for.
struct RunPlan: Sendable {
    var dimmCount = 2
    var prompt: [Int32] = [72, 101, 108, 108, 111]
    var tokenCount = 8
    var hotShare: UInt64 = 200_000  // millionths
    var memoryByteCount = Int.max
    var rule: ActivityRule?
    /// Computes only what its predictor expects; `nil` computes what is active.
    var prediction: PredictionSetting?
    var maximumMessageByteCount = 1 << 16
    /// The machine whose time is kept; `nil` runs without emulated time.
    var topology: Topology?
    /// Ties emulated time to the wall clock; `nil` is the virtual clock.
    var pacing: PacedPlan?
    /// Who moves neurons, on a machine whose time need not be kept; `nil` leaves all in place.
    var moving: MovingPlan?
    /// Homes and hot set at the start; `nil` as a run without a partition has them.
    var start: StartingPlacement?
    /// How often prefill's hand-over and decoding are done, each time from the start.
    var pacedRunCount = 1

    var contextCapacity: Int { prompt.count + tokenCount }

    var options: CoordinatorOptions {
        CoordinatorOptions(
            contextCapacity: contextCapacity, rule: rule,
            hotSet: HotSetSelection(
                hotShare: Proportion(millionths: hotShare), memoryByteCount: memoryByteCount),
            threadCount: 1, topologyText: topology?.rendered() ?? "",
            placement: moving.map {
                PlacementPolicy(
                    rebalancing: $0.rebalancing, adjustsHotSet: $0.adjustsHotSet,
                    machine: EmulatedMachine($0.topology),
                    peerMessageByteCount: maximumMessageByteCount)
            }, start: start)
    }

    var time: Timekeeper? {
        topology.map { Timekeeper(machine: EmulatedMachine($0), records: true) }
    }
}

/// How neurons move in a simulated run.
struct MovingPlan: Sendable {
    var rebalancing = RebalanceChoice.none
    var adjustsHotSet = false
    var topology: Topology
}

/// How a simulated run is paced.
struct PacedPlan: Sendable {
    var dilation: Dilation
    /// Off in the build of the links that holds nothing back.
    var holdsMessages = true
    /// The caps that processes share are so many times below the links' own rates.
    var capDivisor: UInt64 = 1
}

/// What a run gave: greedy tokens, and for each the logits and the margin that chose it.
struct RunOutcome {
    var tokens: [Int32] = []
    var margins: [Float] = []
    var logits: [[Float]] = []
    var ready: [WorkerFacts] = []
    var farewell: [WorkerFacts] = []
    var ledger: WorkLedger?
    var prediction: PredictionRecord?
    var time: Timekeeper?
    /// Wall time of a paced run on the emulated scale, seconds.
    var pacedSeconds: Double?
    var deadlines: (count: UInt64, missed: UInt64) = (0, 0)
    var migration: MigrationRecord?
    var homes: HomeTable?
    var recoveries: [RecoveryRecord] = []

    var logitBits: [[UInt32]] { logits.map { $0.map(\.bitPattern) } }

    fileprivate mutating func forget() {
        tokens = []
        margins = []
        logits = []
    }

    /// Takes logits and chooses the next token.
    fileprivate mutating func choose(_ newLogits: [Float]) -> Int32 {
        var sampler = Sampler(temperature: 0, seed: 0)
        let choice = sampler.sample(newLogits.span)
        logits.append(newLogits)
        margins.append(choice.margin)
        tokens.append(Int32(choice.token))
        return Int32(choice.token)
    }
}

/// One end of a link on its way to the thread that will own it.
///
/// Sendable is sound: the creator hands it to one thread and does not use it again.
private struct HandedOver: @unchecked Sendable {
    let link: InMemoryLink
}

/// Where a run puts something of its own between a role and its end of a link.
struct LinkWrapping: Sendable {
    var coordinatorEnd: @Sendable (Int, any MessageLink) -> any MessageLink = { $1 }
    var workerEnd: @Sendable (Int, any MessageLink) -> any MessageLink = { $1 }
    /// A worker's end of the link to another: its DIMM, the other's, the link.
    var peerEnd: @Sendable (Int, Int, any MessageLink) -> any MessageLink = { $2 }
}

/// Coordinator and workers in one process, each worker on a thread of its own.
enum SimulatedSystem {
    /// The whole run: prefill, decoding, farewell. Whatever happens, all threads end.
    static func run(
        _ model: DecoderModel, _ plan: RunPlan, _ wrapping: LinkWrapping = .init()
    ) throws -> RunOutcome {
        var ends: [InMemoryLink] = []
        var threads: [SideThread<Void>] = []
        let pacing = try wallPacing(plan)
        let peers = peerLinks(plan)
        for dimm in 0..<plan.dimmCount {
            let (own, other) = InMemoryLink.pair(
                maximumMessageByteCount: plan.maximumMessageByteCount)
            ends.append(own)
            threads.append(
                worker(
                    dimm, HandedOver(link: other),
                    peers[dimm].map { ($0.peer, HandedOver(link: $0.link)) }, model, pacing,
                    wrapping))
        }
        let outcome = Result {
            try coordinate(
                model, plan,
                ends.enumerated().map { wrapping.coordinatorEnd($0.offset, $0.element) }, pacing)
        }
        for end in ends { end.close() }
        let endings = threads.map { thread in Result { try thread.join() } }
        let run = try outcome.get()
        // Nothing was said to be wrong, so every worker left in peace.
        for ending in endings { try ending.get() }
        return run
    }

    /// Each DIMM's ends of the links to the others, where neurons move.
    private static func peerLinks(
        _ plan: RunPlan
    ) -> [[(peer: Int, link: InMemoryLink)]] {
        var links = Array(repeating: [(peer: Int, link: InMemoryLink)](), count: plan.dimmCount)
        for pair in plan.moving?.topology.dimmLinks?.pairs ?? [] {
            let (lower, upper) = InMemoryLink.pair(
                maximumMessageByteCount: plan.maximumMessageByteCount)
            links[pair.lower].append((pair.upper, lower))
            links[pair.upper].append((pair.lower, upper))
        }
        return links
    }

    private static func worker(
        _ dimm: Int, _ end: HandedOver, _ peers: [(Int, HandedOver)], _ model: DecoderModel,
        _ pacing: WallPacing, _ wrapping: LinkWrapping
    ) -> SideThread<Void> {
        SideThread {
            defer { end.link.close() }
            let links = peers.map { ($0.0, wrapping.peerEnd(dimm, $0.0, $0.1.link)) }
            var worker = try DIMMWorker.attach(
                to: wrapping.workerEnd(dimm, end.link),
                peers: WorkerPeers(links: Dictionary(uniqueKeysWithValues: links)), model: model,
                probe: SizeProbe(dimm: dimm), pacing: pacing)
            try worker.serve()
        }
    }

    /// The caps that the threads of a paced run share.
    private static func wallPacing(_ plan: RunPlan) throws -> WallPacing {
        guard let pacing = plan.pacing, let topology = plan.topology else { return .none }
        let linkCount = LinkPlan(topology).links.count
        let segment = try SharedSegment.create(
            byteCount: SharedLinkBoard.byteCount(linkCount: linkCount))
        return WallPacing(
            board: try SharedLinkBoard(adopting: try segment.map(), linkCount: linkCount),
            sparesCores: false, holdsMessages: pacing.holdsMessages)
    }

    /// Starts a paced run's clock; returns when emulated time begins.
    private static func startClock(
        _ coordinator: inout Coordinator, _ plan: RunPlan, _ wall: WallPacing
    ) throws -> WallInstant? {
        guard let pacing = plan.pacing, let topology = plan.topology else { return nil }
        let origin = WallInstant.now.advanced(byNanoseconds: 20_000_000)
        wall.board?.reset()
        let rates = LinkPlan(topology).links.map {
            LinkRate(
                bandwidth: Bandwidth(
                    bytesPerSecond: $0.bandwidth.bytesPerSecond / pacing.capDivisor),
                latency: $0.latency)
        }
        try coordinator.startClock(
            ClockSetting(
                originNanoseconds: origin.nanoseconds,
                dilationThousandths: pacing.dilation.thousandths),
            clock: wall.clock(
                origin: origin, dilation: pacing.dilation, rates: rates,
                lead: .microseconds(300), watch: {}))
        return origin
    }

    /// The coordinator's side, as a program runs it.
    static func coordinate(
        _ model: DecoderModel, _ plan: RunPlan, _ links: [any MessageLink],
        _ wall: WallPacing = .none, recovery: (any WorkerRecovery)? = nil
    ) throws -> RunOutcome {
        var outcome = RunOutcome()
        var coordinator = Coordinator(
            model: model, links: links, options: plan.options, time: plan.time,
            recovery: recovery)
        try coordinator.configureWorkers()
        var prefill = ReferenceTransformer(
            model: model, contextCapacity: plan.prompt.count, rule: plan.rule, threadCount: 1)
        let recorder = ActivityRecorder(model: model, rule: plan.rule)
        let logits = prefill.forward(plan.prompt, at: 0, isDense: true, observer: recorder)
        outcome.ready = try coordinator.awaitWorkers()
        try coordinator.adopt(prefill: prefill)
        if let setting = plan.prediction {
            var activity = PrefillActivity(layout: model.feedForwardLayout)
            for sets in recorder.takeTokens() { activity.add(token: sets.map { [$0] }) }
            coordinator.beginPrediction(setting, after: activity)
        }
        var origin: WallInstant?
        for run in 0..<plan.pacedRunCount {
            if run > 0 { coordinator.startOver(time: plan.time) }
            origin = try startClock(&coordinator, plan, wall)
            try coordinator.deliver(prefill: prefill, tokenCount: plan.prompt.count)
            outcome.forget()
            var token = outcome.choose(logits)
            for step in 0..<plan.tokenCount {
                token = outcome.choose(
                    try coordinator.decode(token, at: plan.prompt.count + step))
            }
        }
        if let origin, let pacing = plan.pacing {
            outcome.pacedSeconds = pacing.dilation.emulatedSeconds(
                ofWall: WallInstant.now - origin)
            outcome.deadlines = coordinator.deadlines
        }
        outcome.migration = coordinator.migrationRecord
        outcome.homes = coordinator.homes
        outcome.farewell = try coordinator.shutDown()
        outcome.ledger = coordinator.ledger
        outcome.prediction = coordinator.finishPrediction()
        outcome.time = coordinator.time
        outcome.recoveries = coordinator.recoveries
        return outcome
    }

    /// The same run in the reference transformer.
    static func reference(_ model: DecoderModel, _ plan: RunPlan) -> RunOutcome {
        var outcome = RunOutcome()
        var transformer = ReferenceTransformer(
            model: model, contextCapacity: plan.contextCapacity, rule: plan.rule, threadCount: 1)
        var token = outcome.choose(transformer.forward(plan.prompt, at: 0, isDense: true))
        for step in 0..<plan.tokenCount {
            token = outcome.choose(
                transformer.forward([token], at: plan.prompt.count + step, isDense: false))
        }
        return outcome
    }
}

extension WallPacing {
    /// For a run without a paced clock.
    static let none = WallPacing(board: nil, sparesCores: false)
}

/// Tells sizes, and which DIMM it is instead of the node.
final class SizeProbe: FactProbe {
    private let dimm: Int
    private var callCount: UInt64 = 0

    init(dimm: Int) { self.dimm = dimm }

    func facts(
        weights: borrowing AnonymousMapping, keysAndValues: borrowing AnonymousMapping
    ) -> WorkerFacts {
        var facts = nextFacts()
        facts.weightByteCount = UInt64(weights.byteCount)
        facts.keyValueByteCount = UInt64(keysAndValues.byteCount)
        return facts
    }

    func facts(of memory: borrowing AnonymousMapping) -> WorkerFacts { nextFacts() }

    private func nextFacts() -> WorkerFacts {
        callCount += 1
        return WorkerFacts(
            weightByteCount: 0, keyValueByteCount: 0, node: UInt64(dimm), pagesOnNode: 0,
            pagesElsewhere: 0, pagesUntouched: 0, processorNanoseconds: callCount,
            privateDirtyByteCount: 0)
    }
}

extension GGUFBuilder {
    func model() throws -> DecoderModel {
        try DecoderModel(ModelFile.parse(build(), name: "test"))
    }
}

extension Topology {
    /// So many DIMMs on channels of their own, on one node; `overrides` as `--set` takes them.
    static func small(
        dimmCount: Int, overrides: [(path: String, value: String)] = []
    ) throws -> Topology {
        let channels = (0..<dimmCount).map {
            "  - { node: 0, rate: 25.6 GB/s, dimms: [\($0)] }\n"
        }
        return try parse(
            "format: 1\nname: small\nchannels:\n" + channels.joined(), fileName: "small.yaml",
            overrides: overrides.map { TopologyOverride(path: $0.path, value: $0.value) })
    }
}

extension DecoderModel {
    /// What predictors are about.
    var feedForwardLayout: NeuronLayout {
        NeuronLayout(layerCount: shape.layerCount, neuronCounts: [shape.feedForwardSize])
    }

    /// A rule from a calibration on two short texts.
    func calibratedRule(sparsity: Double) throws -> ActivityRule {
        let tables = Calibrator(model: self, threadCount: 1).calibrate(
            windows: [(0..<100).map { $0 * 7 % 256 }, (0..<60).map { $0 * 91 % 256 }]
        ) {}
        let hash = [UInt8](repeating: 7, count: 32)
        return try withTemporaryFile(tables.encoded(modelHash: hash)) { path in
            ActivityRule(
                calibration: try CalibrationFile.open(
                    path, modelHash: hash, expecting: tables.layout), sparsity: sparsity)
        }
    }
}
