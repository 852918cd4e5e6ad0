import ActivationPredictor
import Coordinator
import Logging
import ModelCatalogue
import Pacing
import Quantities
import Reporting
import Topology

/// Turns planned emulations into answers: finds model and topology by name and has them emulated.
struct EmulationBackend {
    /// Runs one emulation.
    let emulate: (EmulationRequest) throws -> EmulationOutcome

    /// The program's own.
    ///
    /// - Parameter sharesCores: whether others emulate at the same time.
    static func processes(logger: Logger, sharesCores: Bool = false) -> EmulationBackend {
        EmulationBackend { request in
            var request = request
            request.sharesCores = sharesCores
            return try Emulation.run(request, logger: logger)
        }
    }

    func request(_ planned: PlannedEmulation) throws -> EmulationRequest {
        guard let system = EmulatedSystem(rawValue: planned.system) else {
            throw Failure(.internalFault, "there is no system '\(planned.system)'")
        }
        let changes = try PolicyChanges(planned.settings)
        let (topology, path) = try TopologyFile.load(
            planned.topology, assignments: changes.ofTopology)
        var request = EmulationRequest(
            model: try ModelCatalogueFile.load(planned.model).model, topology: topology,
            topologyPath: path)
        request.system = system
        request.batchSize = planned.batchSize
        request.promptTokenCount = planned.promptTokenCount
        request.tokenCount = planned.tokenCount
        request.seed = planned.seed
        request.policy = changes.policy
        request.attentionSplit = changes.attentionSplit.wire
        _ = try SequenceLength.remark(request)
        return request
    }

    func answer(_ request: EmulationRequest) throws -> EmulationAnswer {
        switch try emulate(request) {
        case .unsupported(let reason): .unsupported(reason: reason)
        case .timed(let timed): .timed(EmulationFigures(timed, request))
        }
    }
}

extension EmulationFigures {
    /// What figures need of an emulation.
    init(_ timed: TimedEmulation, _ request: EmulationRequest) {
        let parts = timed.breakdown
        self.init(
            batchSize: request.batchSize, tokenCount: request.tokenCount,
            decodedTokenCount: request.tokenCount - (request.system.runsAsProcesses ? 1 : 0),
            prefillSeconds: timed.prefillSeconds, decodeSeconds: timed.decodeSeconds,
            parts: [
                "prefill": parts.prefill, "qkv": parts.qkv, "attention": parts.attention,
                "projection": parts.projection, "mlp": parts.mlp,
                "communication": parts.communication, "predictor": parts.predictor,
                "other": parts.other,
            ],
            residentShare: timed.residentShare, imbalanceMean: timed.imbalance?.mean,
            imbalanceMax: timed.imbalance?.max, predictorAccuracy: timed.prediction?.accuracy,
            hotSwapCount: timed.hotSwapCount, remapCount: timed.remapCount,
            remapLinkSeconds: Self.remapLinkSeconds(timed, request),
            neuronReadBytes: timed.processes.map { Double($0.ledger.neuronReadByteCount) },
            traffic: Self.traffic(timed))
    }

    /// By the ledger and the links of the processes.
    private static func traffic(_ timed: TimedEmulation) -> Traffic? {
        guard let processes = timed.processes, let time = processes.time else { return nil }
        let ledger = processes.ledger
        func bytes(_ isWanted: (String) -> Bool) -> Double {
            time.links.reduce(0) { sum, entry in
                isWanted(entry.name) ? sum + Double(entry.link.counters.bytes.bytes) : sum
            }
        }
        return Traffic(
            dimmReadBytes: Double(ledger.neuronReadByteCount + ledger.keyValueReadByteCount),
            pcieBytes: bytes { $0 == "pcie" },
            dimmLinkBytes: bytes { $0.hasPrefix("dimm-link") })
    }

    /// All remapped neurons over one link, one after another: MLP neurons are what moves.
    private static func remapLinkSeconds(
        _ timed: TimedEmulation, _ request: EmulationRequest
    ) -> Double? {
        guard request.system.runsAsProcesses, let links = request.topology.dimmLinks else {
            return nil
        }
        let byteCount = Double(timed.remapCount * request.model.feedForwardNeuronByteCount)
        return byteCount / Double(links.bandwidth.bytesPerSecond)
    }
}
