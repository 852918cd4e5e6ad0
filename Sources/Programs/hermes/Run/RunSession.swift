import ActivationPredictor
import Coordinator
import Kernels
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
    private let sparsity: Double
    private let predicted: PredictedMode?
    private let evaluation: Evaluation?
    private let threadCount: Int
    private let progress = RunProgress()

    /// Opens topology and model and tokenizes the prompt; nothing is started yet.
    init(request: RunRequest, output: OutputOptions) throws {
        self.request = request
        self.output = output
        logger = output.logger("hermes.run")
        (topology, topologyPath) = try TopologyFile.load(
            request.topologyArgument, assignments: request.assignments)
        loaded = try LoadedModel(path: request.modelPath)
        evaluation = try request.evaluatedText.map { [loaded] in
            try Evaluation(path: $0, stepLimit: request.tokenLimit, loaded: loaded)
        }
        promptTokens =
            try evaluation?.prefix ?? loaded.encode(request.prompt, isRaw: request.isRaw)
        threadCount = min(
            CPUAvailability.current().usableCoreCount,
            // The reference run binds nothing.
            request.isReference ? .max : try CoordinatorBinding.cpuCount(of: topology) ?? .max)
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
        sparsity = try Self.sparsity(of: request, loaded)
        rule =
            sparsity > 0
            ? ActivityRule(
                calibration: try Calibration.load(for: loaded, threadCount: threadCount),
                sparsity: sparsity)
            : nil
        predicted = try request.policy.map { [loaded, rule, sparsity, threadCount] in
            try PredictedMode(
                options: $0, loaded: loaded, rule: rule, sparsity: sparsity,
                threadCount: threadCount)
        }
    }

    /// A gated model has no inactive neurons of its own, so predicting needs a rule.
    private static func sparsity(of request: RunRequest, _ loaded: LoadedModel) throws -> Double {
        guard request.policy != nil, loaded.model.shape.architecture.isGated else {
            return request.sparsity ?? 0
        }
        guard let asked = request.sparsity else {
            let standard = PredictedMode.standardSparsity
            Terminal.complain("hermes: a predicted run of a model with gates: sparsity \(standard)")
            return standard
        }
        guard asked > 0 else {
            throw Failure(
                .usage,
                "--predicted with --sparsity 0: every gate of this model would be active, and "
                    + "there would be nothing to predict")
        }
        return asked
    }

    /// The first token comes from the prefill, so one position fewer than tokens is needed.
    private var contextCapacity: Int {
        if let evaluation { return evaluation.tokens.count }
        let room = loaded.model.shape.contextLength - promptTokens.count
        return promptTokens.count + min(room, max(1, request.generationLimit - 1))
    }

    func run() throws -> RunResult {
        let plan = ResourcePlan(
            model: loaded.model, topology: topology, contextCapacity: contextCapacity,
            isSparse: rule != nil, isReference: request.isReference,
            placement: request.placement, keepsRows: request.recovery.restarts > 0,
            farDIMMs: request.launch.launcher.farDIMMs(of: topology),
            transport: request.launch.carrier,
            homes: request.partition.readsPrompt ? .undecided : .roundRobin)
        if request.isReference {
            try plan.check()
            return try runReference()
        }
        try plan.checkGPUMemory()
        let partition = try resolver(plan).beforePrompt(request.partition)
        try plan.with(partition, of: request.partition).check()
        let fleet = try WorkerFleet.start(
            topology: topology, model: loaded, rings: plan.rings,
            reach: try request.launch.reach(), isPaced: request.clock == .paced,
            isBestEffort: request.binding == .bestEffort,
            policy: request.recovery.policy, faults: try faultPlan(), logger: logger)
        do {
            let result = try generate(with: fleet, plan: plan, partition: partition)
            return result
        } catch let error as CoordinatorError {
            // Before the others are ended, so that it names who was lost.
            let failure = fleet.explain(error)
            fleet.stop()
            if failure.code == .workerLost {
                try output.deliver(unfinished(failure, fleet: fleet))
            }
            throw failure
        } catch {
            fleet.stop()
            try Interruption.check()
            throw error
        }
    }

    // MARK: Sharded

    /// The commands that would start the workers, as a shell takes them.
    func launchText() throws -> String {
        let plan = ResourcePlan(
            model: loaded.model, topology: topology, contextCapacity: contextCapacity,
            isSparse: rule != nil, isReference: false, placement: request.placement,
            keepsRows: request.recovery.restarts > 0)
        let commands = try WorkerFleet.commands(
            topology: topology, model: loaded, rings: plan.rings,
            contact: request.launch.plannedContact(), reach: request.launch.plannedReach,
            isBestEffort: request.binding == .bestEffort, logger: logger)
        return request.launch.text(of: commands, for: topology)
    }

    private func faultPlan() throws -> FaultPlan {
        try FaultPlan(
            request.recovery.faults, seed: request.seed, topology: topology,
            layerCount: loaded.model.shape.layerCount, firstPosition: promptTokens.count,
            tokenCount: request.generationLimit)
    }

    private func resolver(_ plan: ResourcePlan) -> PartitionResolver {
        PartitionResolver(loaded: loaded, topology: topology, plan: plan, seed: request.seed)
    }

    private func options(
        _ plan: ResourcePlan, start: StartingPlacement?
    ) throws -> CoordinatorOptions {
        CoordinatorOptions(
            contextCapacity: contextCapacity, rule: rule,
            hotSet: HotSetSelection(
                hotShare: topology.policy.hotShare, memoryByteCount: plan.hotMemoryByteCount),
            threadCount: threadCount, topologyText: topology.rendered(),
            placement: plan.placementPolicy(
                constants: try request.policy?.constants() ?? .paper),
            start: start)
    }

    private func generate(
        with fleet: WorkerFleet, plan: ResourcePlan, partition: StartingPartition
    ) throws -> RunResult {
        var partition = partition
        let clock = ContinuousClock()
        var prefill = ReferenceTransformer(
            model: loaded.model, contextCapacity: promptTokens.count, rule: rule,
            threadCount: threadCount)
        var activity = predicted?.noActivity
        var logits: [Float] = []
        var prefillSpan = Duration.zero
        if request.partition.readsPrompt {
            prefillSpan = try clock.measure {
                logits = try runPrefill(&prefill, activity: &activity) { fleet.loss != nil }
            }
            if let loss = fleet.loss { throw loss }
            partition = try resolver(plan).afterPrompt(request.partition, prefill: prefill)
            try plan.with(partition, of: request.partition).check()
        }
        var coordinator = Coordinator(
            model: loaded.model, links: fleet.messageLinks,
            options: try options(plan, start: partition.placement), time: freshTime(),
            recovery: request.recovery.restarts > 0 ? fleet : nil)
        try coordinator.configureWorkers()
        if !request.partition.readsPrompt {
            prefillSpan = try clock.measure {
                logits = try runPrefill(&prefill, activity: &activity) { fleet.loss != nil }
            }
        }
        let loadedFacts = try coordinator.awaitWorkers()
        if let loss = fleet.loss { throw loss }
        try fleet.checkPlacement(loadedFacts)
        try coordinator.adopt(prefill: prefill)
        if let predicted, let activity {
            coordinator.beginPrediction(
                predicted.setting(isScored: request.assessesQuality), after: activity)
        }
        let pacing = try startPacing(&coordinator, prefill: prefill, fleet: fleet)
        let decodeStart = clock.now
        try coordinator.deliver(prefill: prefill, tokenCount: promptTokens.count)
        let delivery = decodeStart.duration(to: clock.now)
        let decoded = try decode(from: logits) { try coordinator.decode($0, at: $1) }
        let pacedSpan = pacing?.elapsed()
        let memory = fleet.privateDirtyBytes()
        let facts = try coordinator.shutDown()
        try fleet.finish()
        let proof = BindingProof(fleet, facts: facts)
        return RunResult(
            setting: setting, generation: decoded.generation,
            spans: RunSpans(prefill: prefillSpan, decode: delivery + decoded.span),
            sharded: ShardedRecord(
                ledger: coordinator.ledger, migration: coordinator.migrationRecord,
                partition: partition, facts: facts, loadedFacts: loadedFacts, proof: proof,
                fleet: fleet, recoveries: coordinator.recoveries,
                keptRowByteCount: coordinator.keptRowByteCount,
                coordinatorPrivateDirty: memory),
            time: coordinator.time,
            paced: pacedSpan.flatMap { span in
                pacing.map {
                    PacedRecord(
                        dilation: $0.dilation, span: span,
                        overruns: coordinator.overruns,
                        movedByteCounts: coordinator.movedByteCounts, workers: facts)
                }
            },
            prediction: coordinator.finishPrediction(), quality: try comparison(decoded))
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
            coordinator.holdPlacement(true)
            dilation = try rehearsal.leastDilation(&coordinator, prefill: prefill)
            coordinator.holdPlacement(false)
        }
        logger.info("paced", metadata: ["dilation": "\(dilation)"])
        fleet.beginPacing(dilation)
        coordinator.startOver(time: freshTime())
        let start = PacedStart(
            dilation: dilation, topology: topology, pacing: fleet.pacing, watch: fleet.pacingWatch)
        try coordinator.startClock(start.setting, clock: start.clock)
        return start
    }

    private func runPrefill(
        _ transformer: inout ReferenceTransformer, activity: inout PrefillActivity?,
        until isPointless: () -> Bool = { false }
    ) throws -> [Float] {
        var logits: [Float] = []
        let recorder = activity.map { _ in ActivityRecorder(model: loaded.model, rule: rule) }
        let batch = ReferenceTransformer.batchTokenCount
        for first in stride(from: 0, to: promptTokens.count, by: batch) {
            try Interruption.check()
            if isPointless() { break }
            let end = min(first + batch, promptTokens.count)
            logits = transformer.forward(
                Array(promptTokens[first..<end]), at: first, isDense: true, observer: recorder)
            if let recorder { activity?.take(from: recorder) }
        }
        return logits
    }

    // MARK: Decode

    /// What the token loop gave, whoever computed the tokens.
    private struct Decoded {
        var generation: Generation
        var span = Duration.zero
        var trail = LogitTrail()
        var comparison: LogitComparison?
    }

    /// Generates, or sends the text to evaluate through `step`, which runs one token at a
    /// position and returns the logits after it.
    private func decode(
        from logits: [Float], step: (Int32, Int) throws -> [Float]
    ) throws -> Decoded {
        var decoded = Decoded(
            generation: Generation(request: request, tokenizer: loaded.tokenizer, output: output))
        if let evaluation {
            (decoded.comparison, decoded.span) = try evaluation.run(
                model: loaded.model, threadCount: threadCount
            ) {
                try Interruption.check()
                return try step($0, $1)
            }
            decoded.generation.noteEvaluation(stepCount: evaluation.stepCount)
            return decoded
        }
        let clock = ContinuousClock()
        let start = clock.now
        var trail = LogitTrail()
        defer { progress.generation = decoded.generation }
        try decoded.generation.run(
            firstLogits: logits, position: promptTokens.count,
            contextLength: loaded.model.shape.contextLength
        ) { token, position in
            // Links look at signals only while they wait, and a fast worker is never waited for.
            try Interruption.check()
            let next = try step(token, position)
            if request.assessesQuality { trail.add(next) }
            return next
        }
        decoded.trail = trail
        decoded.span = start.duration(to: clock.now)
        return decoded
    }

    /// The run beside the dense model; `nil` when that was not asked for.
    private func comparison(_ decoded: Decoded) throws -> LogitComparison? {
        if let known = decoded.comparison { return known }
        guard request.assessesQuality else { return nil }
        return try decoded.trail.comparison(
            model: loaded.model, prompt: promptTokens, generated: decoded.generation.tokens,
            threadCount: threadCount)
    }

    /// What there is of a run that lost a worker for good: the tokens so far, and what happened.
    private func unfinished(_ failure: Failure, fleet: WorkerFleet) throws -> JSONValue {
        let generation = progress.generation
        return .object([
            "model": ["sha256": .string(try ModelHash.hexadecimal(of: loaded))],
            "prompt_tokens": .array(promptTokens.map { .integer(Int($0)) }),
            "generated_tokens": .array((generation?.tokens ?? []).map { .integer(Int($0)) }),
            "text": .string(generation?.text ?? ""),
            "stop_reason": "worker_lost",
            "clock": .string(request.clock.rawValue),
            "seed": .unsigned(request.seed),
            "dimms": .array(
                fleet.workers.indices.map {
                    .object([
                        "index": .integer($0),
                        "restarts": .integer(fleet.restartCount(ofDIMM: $0)),
                    ])
                }),
            "provenance": Provenance.record(topology: topology, topologyPath: topologyPath),
            "host": .object([
                "failure": .string(failure.description),
                "restarts": .array(fleet.restarts.map(\.json)),
                "provenance": Provenance.hostRecord(topologyPath: topologyPath),
            ]),
        ])
    }

    // MARK: Reference

    private func runReference() throws -> RunResult {
        let clock = ContinuousClock()
        let prefillStart = clock.now
        var transformer = ReferenceTransformer(
            model: loaded.model, contextCapacity: contextCapacity, rule: rule,
            threadCount: threadCount)
        var activity: PrefillActivity?
        let logits = try runPrefill(&transformer, activity: &activity)
        let prefillSpan = prefillStart.duration(to: clock.now)
        let decoded = try decode(from: logits) {
            transformer.forward([$0], at: $1, isDense: false)
        }
        return RunResult(
            setting: setting, generation: decoded.generation,
            spans: RunSpans(prefill: prefillSpan, decode: decoded.span), sharded: nil, time: nil,
            paced: nil, prediction: nil, quality: try comparison(decoded))
    }

    private var setting: RunSetting {
        RunSetting(
            request: request, topology: topology, topologyPath: topologyPath,
            loaded: loaded, promptTokens: promptTokens, sparsity: sparsity,
            predicted: predicted, evaluatedTokenCount: evaluation?.tokens.count,
            threadCount: threadCount)
    }
}

/// How far a run is, for when it ends early.
private final class RunProgress {
    var generation: Generation?
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
