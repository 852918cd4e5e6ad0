import ActivationPredictor
import BaselineTiming
import Coordinator
import Logging
import Messages
import ModelCatalogue
import PackedSets
import Pacing
import Quantities
import RingTransport
import Scheduling
import Supervision
import Topology

/// Runs systems: those of the Hermes family as processes, the others as schedules.
enum Emulation {
    static func run(_ request: EmulationRequest, logger: Logger) throws -> EmulationOutcome {
        guard let traits = FamilyTraits(request) else {
            return try ScheduledEmulation.run(request)
        }
        return try EmulationSession(request: request, traits: traits, logger: logger).run()
    }
}

/// One emulation by processes: places the neurons, starts the workers, times every token, and
/// takes everything down.
struct EmulationSession {
    let request: EmulationRequest
    let traits: FamilyTraits
    let logger: Logger

    private var model: ModelSpecification { request.model }
    /// Neurons that one message between DIMMs carries at least.
    private static let neuronsPerMessage = 8
    /// Memory that a worker's requests really read, round and round, under a clock of wall time.
    private static let arenaByteCount = 64 << 20

    func run() throws -> EmulationOutcome {
        let start = ContinuousClock.now
        let placing = EmulationPlacement(request: request, traits: traits)
        let facts = traits.usesHost ? try ComparedSystemsFile.load().systems.host : nil
        if let shortage = placing.shortage(hostMemory: facts?.memoryCapacity) {
            return .unsupported(reason: shortage)
        }
        let topology = try timedTopology()
        let host = facts.map { rates(of: $0) }
        var activity = try EmulationActivity.make(request)
        let placement = try placing.solve(activity)
        activity.meet(placement, promptTokenCount: request.promptTokenCount)
        let fleet = try WorkerFleet.start(
            topology: topology, units: traits.usesHost ? .host : .dimms, model: nil,
            rings: rings, isPaced: request.clock == .paced, sharesCores: request.sharesCores,
            packs: request.clock == .virtual, isBestEffort: request.binding == .bestEffort,
            policy: request.recovery,
            faults: try FaultPlan(
                request.faults, seed: request.seed, topology: topology,
                layerCount: model.layerCount, firstPosition: request.promptTokenCount,
                tokenCount: request.tokenCount),
            logger: logger)
        do {
            var outcome = try time(
                with: fleet, topology: topology, host: host, activity: activity,
                placement: placement)
            outcome.wallSeconds = start.duration(to: .now).seconds
            return .timed(outcome)
        } catch let error as CoordinatorError {
            // Before the others are ended, so that it names who was lost.
            let failure = fleet.explain(error)
            fleet.stop()
            throw failure
        } catch {
            fleet.stop()
            try Interruption.check()
            throw error
        }
    }

    /// The machine as the system uses it: without sparsity, units read and multiply in turn.
    ///
    /// Source: the published results of Hermes-base are sums of both (arXiv 2502.16963, Fig. 11).
    private func timedTopology() throws -> Topology {
        guard traits.isDense,
            let sum = TopologyOverride(argument: "dimm.ndp.overlap=sum")
        else { return request.topology }
        do {
            return try Topology.parse(
                request.topology.rendered(), fileName: request.topologyPath, overrides: [sum])
        } catch {
            throw Failure(.badInput, "\(error)")
        }
    }

    /// What the host CPU reaches, from the file of compared systems.
    private func rates(of host: ComparedSystems.Host) -> ShapeConfiguration.Host {
        ShapeConfiguration.Host(
            weightBytesPerSecond: host.peakBandwidth.scaled(by: host.sparseEfficiency)
                .bytesPerSecond,
            keyValueBytesPerSecond: host.peakBandwidth.scaled(by: host.keyValueEfficiency)
                .bytesPerSecond,
            stepPicoseconds: host.blockCost.picoseconds)
    }

    // MARK: Rings

    private var rings: WorkerFleet.Rings {
        let pairs = traits.rebalancing == .none ? [] : request.topology.dimmLinks?.pairs ?? []
        return WorkerFleet.Rings(
            capacity: RingSegment.capacity(
                forMessageByteCount: longestMessageByteCount, messageCount: 2),
            peers: pairs,
            peerCapacity: RingSegment.capacity(
                forMessageByteCount: peerMessageByteCount, messageCount: 2))
    }

    private var peerMessageByteCount: Int {
        MessageHeader.byteCount + Self.neuronsPerMessage
            * max(model.qkvNeuronByteCount, model.feedForwardNeuronByteCount)
    }

    /// The longest of a request, its reply, an attention's, some copies and a configuration.
    private var longestMessageByteCount: Int {
        let element = model.bytesPerActivation
        let set =
            8 * PackedSet.wordCount(elementCount: max(model.hiddenSize, model.feedForwardSize))
        let widest = max(model.qkvWidth, model.hiddenSize) * element
        let contexts = model.queryHeadCount * (model.headSize + 2) * element
        let sparse = request.batchSize * (2 * set + max(widest, contexts))
        let configuration =
            8 * ShapeConfiguration.blockCount * model.layerCount + (1 << 12)
            + request.topology.rendered().utf8.count
        return MessageHeader.byteCount + WorkReport.byteCount
            + max(sparse, configuration, peerMessageByteCount)
    }

    // MARK: The run

    private func time(
        with fleet: WorkerFleet, topology: Topology, host: ShapeConfiguration.Host?,
        activity: EmulationActivity, placement: ShapePlacement
    ) throws -> TimedEmulation {
        let machine = EmulatedMachine(topology, hostTakesPart: traits.usesHost)
        var coordinator = ShapeCoordinator(
            links: fleet.messageLinks,
            options: options(
                activity, placement, machine: machine, host: host, topology: topology),
            activity: activity.source,
            foresight: request.policy.foresees
                ? try activity.ahead(by: request.policy.windowTokenCount, of: request) : nil,
            time: freshTime(machine),
            recovery: request.recovery.restartLimit > 0 ? fleet : nil)
        let ready = try coordinator.configureWorkers()
        try fleet.checkPlacement(ready)
        try coordinator.observePrompt()
        let pacing = try startPacing(
            &coordinator, fleet: fleet, topology: topology, machine: machine)
        try coordinator.runPrefill()
        try decode(&coordinator)
        let elapsed = pacing?.elapsed()
        let memory = fleet.privateDirtyBytes()
        let facts = try coordinator.shutDown()
        try fleet.finish()
        var record = ProcessRecord(
            ledger: coordinator.ledger, migrations: coordinator.migrationRecords,
            time: coordinator.time, facts: facts,
            processIdentifiers: fleet.workers.map(\.processIdentifier), loadedFacts: ready,
            proof: BindingProof(fleet, facts: facts), paced: nil,
            recoveries: coordinator.recoveries, restarts: fleet.restarts,
            coordinatorPrivateDirty: memory, sharedCore: fleet.sharedCore)
        if let pacing, let elapsed {
            record.paced = PacedRecord(
                dilation: pacing.dilation, span: elapsed, overruns: coordinator.overruns,
                movedByteCounts: coordinator.movedByteCounts, workers: facts)
        }
        return outcome(coordinator, record)
    }

    /// Until the last token, or the end of the time that it may take.
    private func decode(_ coordinator: inout ShapeCoordinator) throws {
        if let observer = request.observer { coordinator.watch(observer) }
        let start = ContinuousClock.now
        for _ in 1..<max(1, request.tokenCount) {
            try Interruption.check()
            let seconds =
                coordinator.time?.decodeDuration.seconds ?? start.duration(to: .now).seconds
            if let limit = request.secondsLimit, seconds >= limit { return }
            try coordinator.decode()
        }
    }

    private func freshTime(_ machine: EmulatedMachine) -> Timekeeper? {
        guard request.clock != .native else { return nil }
        return Timekeeper(machine: machine, records: request.recordsTimeline)
    }

    private func options(
        _ activity: EmulationActivity, _ placement: ShapePlacement, machine: EmulatedMachine,
        host: ShapeConfiguration.Host?, topology: Topology
    ) -> ShapeOptions {
        let policy = request.policy
        let layout = NeuronLayout(
            layerCount: model.layerCount, neuronCounts: [model.hiddenSize, model.feedForwardSize])
        return ShapeOptions(
            model: model, batchSize: request.batchSize,
            promptTokenCount: request.promptTokenCount,
            contextCapacity: request.promptTokenCount + request.tokenCount,
            attentionSplit: traits.usesHost ? .heads : request.attentionSplit,
            host: host, placement: placement,
            predictor: traits.isDense
                ? nil
                : policy.predictor.predictor(
                    layout: layout, constants: policy.constants,
                    correlations: activity.correlations, firstLayer: policy.firstLayer),
            feedback: policy.feedback, hotCriterion: traits.hotCriterion,
            correlations: activity.correlations,
            policy: PlacementPolicy(
                rebalancing: traits.rebalancing, adjustsHotSet: traits.hotCriterion != .none,
                machine: machine, peerMessageByteCount: peerMessageByteCount,
                constants: policy.constants, windowTokenCount: policy.windowTokenCount),
            hotShare: traits.isDense ? .one : topology.policy.hotShare,
            neuronMemoryByteCount: traits.isDense
                ? 0
                : EmulationPlacement(request: request, traits: traits).neuronMemoryByteCount,
            arenaByteCount: request.clock == .virtual ? 0 : Self.arenaByteCount,
            topologyText: topology.rendered())
    }

    // MARK: Pacing

    /// In a paced run, starts the clock that all roles wait on.
    private func startPacing(
        _ coordinator: inout ShapeCoordinator, fleet: WorkerFleet, topology: Topology,
        machine: EmulatedMachine
    ) throws -> PacedStart? {
        guard request.clock == .paced else { return nil }
        let dilation: Dilation
        switch request.dilation {
        case .fixed(let chosen): dilation = chosen
        case .automatic:
            guard request.replay == nil else {
                throw Failure(
                    .usage, "--replay is read once, without a rehearsal: give --dilation N")
            }
            let rehearsal = EmulationRehearsal(
                coordinator: coordinator, topology: topology, machine: machine, fleet: fleet,
                overrunLimit: request.overrunLimit, logger: logger)
            dilation = try rehearsal.leastDilation()
        }
        fleet.beginPacing(dilation)
        coordinator.startOver(time: freshTime(machine))
        let start = PacedStart(
            dilation: dilation, topology: topology, pacing: fleet.pacing,
            watch: fleet.pacingWatch)
        try coordinator.startClock(start.setting, clock: start.clock)
        return start
    }

    // MARK: Figures

    private func outcome(
        _ coordinator: ShapeCoordinator, _ record: ProcessRecord
    ) -> TimedEmulation {
        let time = coordinator.time
        let prefill = time?.prefillDuration.seconds ?? 0
        let decode = time?.decodeDuration.seconds ?? 0
        let generated = Double(request.batchSize * request.tokenCount)
        let imbalances = record.ledger.imbalances
        let resident = model.denseByteCount + coordinator.residentNeuronByteCount
        return TimedEmulation(
            prefillSeconds: prefill, decodeSeconds: decode,
            breakdown: time.map { EmulationBreakdown($0.spending) } ?? EmulationBreakdown(),
            tokensPerSecond: prefill + decode > 0 ? generated / (prefill + decode) : 0,
            residentShare: Double(resident) / Double(model.weightByteCount),
            imbalance: traits.usesHost || imbalances.isEmpty
                ? nil
                : (
                    imbalances.reduce(0, +) / Double(imbalances.count), imbalances.max() ?? 0
                ),
            prediction: traits.isDense ? nil : coordinator.score,
            predictorByteCount: coordinator.predictorByteCount,
            hotSwapCount: record.migrations.reduce(0) { $0 + $1.hotSwapCount },
            remapCount: record.migrations.reduce(0) { $0 + $1.remapCount },
            wallSeconds: 0, processes: record)
    }
}

extension EmulationBreakdown {
    /// Parts of the critical path; merging sums belongs to the step that they are of.
    init(_ spending: TimeSpending) {
        // Whole picoseconds are added: sums do not depend on the order of steps.
        func time(_ steps: [String]) -> EmulatedDuration {
            steps.reduce(.zero) { $0 + (spending.work[$1] ?? .zero) }
        }
        let steps = [
            ["prefill"], ["QKV", "merge QKV"], ["attention", "merge attention"], ["projection"],
            ["MLP", "merge MLP"],
        ]
        let others = spending.work.keys.filter { !steps.joined().contains($0) }
        prefill = time(steps[0]).seconds
        qkv = time(steps[1]).seconds
        attention = time(steps[2]).seconds
        projection = time(steps[3]).seconds
        mlp = time(steps[4]).seconds
        communication = spending.communication.seconds
        other = time(Array(others)).seconds
    }
}
