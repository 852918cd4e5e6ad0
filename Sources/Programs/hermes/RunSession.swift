import Coordinator
import Logging
import Messages
import ModelFile
import NeuronPlacement
import Pacing
import Supervision
import Topology
import Transformer

/// One `run`: opens what it needs, starts the workers, generates, and takes everything down.
struct RunSession {
    private let request: RunRequest
    private let output: OutputOptions
    private let logger: Logger
    private let topology: Topology
    private let topologyPath: String
    private let loaded: LoadedModel
    private let promptTokens: [Int32]
    private let rule: ActivityRule?
    private let threadCount: Int

    /// Opens topology and model and tokenizes the prompt; nothing is started yet.
    init(request: RunRequest, output: OutputOptions) throws {
        self.request = request
        self.output = output
        logger = output.logger("hermes.run")
        (topology, topologyPath) = try TopologyFile.load(
            request.topologyArgument, assignments: request.assignments)
        loaded = try LoadedModel(path: request.modelPath)
        promptTokens = try loaded.encode(request.prompt, isRaw: request.isRaw)
        threadCount = CPUAvailability.current().usableCoreCount
        let contextLength = loaded.model.shape.contextLength
        guard !promptTokens.isEmpty else {
            throw Failure(.badInput, "the prompt gives no tokens")
        }
        guard promptTokens.count <= contextLength else {
            throw Failure(
                .badInput,
                "the prompt has \(promptTokens.count) tokens, the model's context "
                    + "\(contextLength)")
        }
        rule =
            request.sparsity > 0
            ? ActivityRule(
                calibration: try Calibration.load(for: loaded, threadCount: threadCount),
                sparsity: request.sparsity)
            : nil
    }

    /// The first token comes from the prefill, so one position fewer than tokens is needed.
    private var contextCapacity: Int {
        let room = loaded.model.shape.contextLength - promptTokens.count
        return promptTokens.count + min(room, max(1, request.tokenLimit - 1))
    }

    func run() throws -> RunResult {
        let plan = ResourcePlan(
            model: loaded.model, topology: topology, contextCapacity: contextCapacity,
            isSparse: rule != nil, isReference: request.isReference)
        try plan.check()
        if request.isReference { return try runReference() }
        let fleet = try WorkerFleet.start(
            topology: topology, model: loaded, plan: plan, isPaced: request.clock == .paced,
            logger: logger)
        do {
            let result = try generate(with: fleet, plan: plan)
            return result
        } catch let error as CoordinatorError {
            fleet.stop()
            throw fleet.explain(error)
        } catch {
            fleet.stop()
            try Interruption.check()
            throw error
        }
    }

    // MARK: Sharded

    private func generate(with fleet: WorkerFleet, plan: ResourcePlan) throws -> RunResult {
        var coordinator = Coordinator(
            model: loaded.model, links: fleet.links,
            options: CoordinatorOptions(
                contextCapacity: contextCapacity, rule: rule,
                hotSet: HotSetSelection(
                    hotShare: topology.policy.hotShare,
                    memoryByteCount: plan.hotMemoryByteCount),
                threadCount: threadCount, topologyText: topology.rendered()),
            time: freshTime())
        try coordinator.configureWorkers()
        let clock = ContinuousClock()
        let prefillStart = clock.now
        var prefill = ReferenceTransformer(
            model: loaded.model, contextCapacity: promptTokens.count, rule: rule,
            threadCount: threadCount)
        let logits = try runPrefill(&prefill) { fleet.loss != nil }
        let prefillSpan = prefillStart.duration(to: clock.now)
        let loadedFacts = try coordinator.awaitWorkers()
        if let loss = fleet.loss { throw loss }
        try fleet.checkPlacement(loadedFacts)
        try coordinator.adopt(prefill: prefill)
        let pacing = try startPacing(&coordinator, prefill: prefill, fleet: fleet)
        let decodeStart = clock.now
        try coordinator.deliver(prefill: prefill, tokenCount: promptTokens.count)
        var generation = Generation(request: request, tokenizer: loaded.tokenizer, output: output)
        try generation.run(
            firstLogits: logits, position: promptTokens.count,
            contextLength: loaded.model.shape.contextLength
        ) { token, position in
            // Links look at signals only while they wait, and a fast worker is never waited for.
            try Interruption.check()
            return try coordinator.decode(token, at: position)
        }
        let decodeSpan = decodeStart.duration(to: clock.now)
        let pacedSpan = pacing?.elapsed()
        let memory = fleet.privateDirtyBytes()
        let facts = try coordinator.shutDown()
        try fleet.finish()
        return RunResult(
            setting: setting, generation: generation,
            spans: RunSpans(prefill: prefillSpan, decode: decodeSpan),
            sharded: ShardedRecord(
                ledger: coordinator.ledger, facts: facts, fleet: fleet,
                coordinatorPrivateDirty: memory),
            time: coordinator.time,
            paced: pacedSpan.flatMap { span in
                pacing.map {
                    PacedRecord(
                        dilation: $0.dilation, span: span,
                        overruns: coordinator.overruns,
                        movedByteCounts: coordinator.movedByteCounts, workers: facts)
                }
            })
    }

    private func freshTime() -> Timekeeper? {
        guard request.clock != .native else { return nil }
        return Timekeeper(
            machine: EmulatedMachine(topology), records: request.recordsTimeline)
    }

    /// In a paced run, finds the dilation and starts the clock that all roles wait on.
    private func startPacing(
        _ coordinator: inout Coordinator, prefill: borrowing ReferenceTransformer,
        fleet: WorkerFleet
    ) throws -> PacedStart? {
        guard request.clock == .paced else { return nil }
        let dilation: Dilation
        switch request.dilation {
        case .fixed(let chosen): dilation = chosen
        case .automatic:
            let rehearsal = Rehearsal(
                topology: topology, pacing: fleet.pacing, watch: fleet.pacingWatch,
                promptTokens: promptTokens,
                overrunLimit: request.overrunLimit, logger: logger)
            dilation = try rehearsal.leastDilation(&coordinator, prefill: prefill)
        }
        logger.info("paced", metadata: ["dilation": "\(dilation)"])
        coordinator.startOver(time: freshTime())
        let start = PacedStart(
            dilation: dilation, topology: topology, pacing: fleet.pacing, watch: fleet.pacingWatch)
        try coordinator.startClock(start.setting, clock: start.clock)
        return start
    }

    private func runPrefill(
        _ transformer: inout ReferenceTransformer, until isPointless: () -> Bool = { false }
    ) throws -> [Float] {
        var logits: [Float] = []
        let batch = ReferenceTransformer.batchTokenCount
        for first in stride(from: 0, to: promptTokens.count, by: batch) {
            try Interruption.check()
            if isPointless() { break }
            let end = min(first + batch, promptTokens.count)
            logits = transformer.forward(Array(promptTokens[first..<end]), at: first, isDense: true)
        }
        return logits
    }

    // MARK: Reference

    private func runReference() throws -> RunResult {
        let clock = ContinuousClock()
        let prefillStart = clock.now
        var transformer = ReferenceTransformer(
            model: loaded.model, contextCapacity: contextCapacity, rule: rule,
            threadCount: threadCount)
        let logits = try runPrefill(&transformer)
        let prefillSpan = prefillStart.duration(to: clock.now)
        var generation = Generation(request: request, tokenizer: loaded.tokenizer, output: output)
        let decodeStart = clock.now
        try generation.run(
            firstLogits: logits, position: promptTokens.count,
            contextLength: loaded.model.shape.contextLength
        ) { token, position in
            try Interruption.check()
            return transformer.forward([token], at: position, isDense: false)
        }
        return RunResult(
            setting: setting, generation: generation,
            spans: RunSpans(prefill: prefillSpan, decode: decodeStart.duration(to: clock.now)),
            sharded: nil, time: nil, paced: nil)
    }

    private var setting: RunSetting {
        RunSetting(
            request: request, topology: topology, topologyPath: topologyPath,
            loaded: loaded, promptTokens: promptTokens, threadCount: threadCount)
    }
}

/// Turns a pending stop signal into the command's end.
enum Interruption {
    static func check() throws {
        guard let signal = StopSignals.pending else { return }
        throw failure(signal)
    }

    static func failure(_ signal: Int32) -> Failure {
        signal == 2
            ? Failure(.interrupted, "interrupted") : Failure(.terminated, "terminated")
    }
}
