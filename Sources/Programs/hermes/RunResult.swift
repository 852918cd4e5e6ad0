import Coordinator
import Messages
import Supervision
import Topology

/// What a run was asked and what it ran on.
struct RunSetting {
    let request: RunRequest
    let topology: Topology
    let topologyPath: String
    let modelPath: String
    let promptTokens: [Int32]
    let threadCount: Int
}

/// Wall time of a run's two phases.
struct RunSpans {
    let prefill: Duration
    let decode: Duration

    var total: Duration { prefill + decode }
}

/// What only a sharded run has.
struct ShardedRecord {
    let ledger: WorkLedger
    /// The workers' last facts, in DIMM order.
    let facts: [WorkerFacts]
    let fleet: WorkerFleet
    /// Private_Dirty of the coordinator at the end, bytes.
    let coordinatorPrivateDirty: Int?
}

/// The outcome of `run`, as JSON and as a summary for people.
struct RunResult {
    let setting: RunSetting
    let generation: Generation
    let spans: RunSpans
    let sharded: ShardedRecord?

    /// Nested objects; what depends on the host or on wall time stands only under `host`.
    func json() throws -> JSONValue {
        let request = setting.request
        return .object([
            "model": ["sha256": .string(try ModelHash.hexadecimal(of: setting.modelPath))],
            "prompt_tokens": .array(setting.promptTokens.map { .integer(Int($0)) }),
            "generated_tokens": .array(generation.tokens.map { .integer(Int($0)) }),
            "logit_margins": .array(generation.margins.map { JSONValue(Double($0)) }),
            "text": .string(generation.text),
            "stop_reason": .string(generation.stopReason.rawValue),
            "mode": .string(request.isReference ? "reference" : "exact"),
            "sparsity": JSONValue(request.sparsity),
            "temperature": JSONValue(Double(request.temperature)),
            "clock": .string(request.clock.rawValue),
            "seed": .unsigned(request.seed),
            // The native clock emulates no time.
            "seconds": ["emulated": .null],
            "tokens_per_second": ["emulated": .null],
            "dimms": .array(dimms),
            "gpu": gpu,
            "imbalance": imbalance,
            "provenance": Provenance.record(
                topology: setting.topology, topologyPath: setting.topologyPath),
            "host": host,
        ])
    }

    private var dimms: [JSONValue] {
        guard let sharded else { return [] }
        return sharded.facts.enumerated().map { index, facts in
            .object([
                "index": .integer(index),
                "requested_node": .string(setting.topology.dimms[index].nodeSet.description),
                "weight_bytes": .unsigned(facts.weightByteCount),
                "key_value_bytes": .unsigned(facts.keyValueByteCount),
                "active_neurons": .integer(sharded.ledger.activeNeurons[index]),
                "multiply_accumulates": .integer(sharded.ledger.multiplyAccumulates[index]),
                "busy_seconds": .null,
                "restarts": 0,
                "host": host(of: index, facts, sharded.fleet),
            ])
        }
    }

    private func host(
        of index: Int, _ facts: WorkerFacts, _ fleet: WorkerFleet
    ) -> JSONValue {
        func known(_ value: UInt64) -> JSONValue {
            value == WorkerFacts.unknown ? .null : .unsigned(value)
        }
        return .object([
            "pid": .integer(Int(fleet.workers[index].processIdentifier)),
            "bound_nodes": .array(fleet.nodes[index].map { .integer($0) }),
            "node": known(facts.node),
            "pages_on_node": known(facts.pagesOnNode),
            "pages_elsewhere": known(facts.pagesElsewhere),
            "pages_untouched": known(facts.pagesUntouched),
            "private_dirty_bytes": known(facts.privateDirtyByteCount),
            "cpu_seconds": facts.processorNanoseconds == WorkerFacts.unknown
                ? .null : JSONValue(Double(facts.processorNanoseconds) * 1e-9),
        ])
    }

    private var gpu: JSONValue {
        guard let sharded else { return .null }
        return ["hot_weight_bytes": .integer(sharded.ledger.hotWeightByteCount)]
    }

    /// Work of the most loaded DIMM over the mean, per token, in multiply-accumulates.
    private var imbalance: JSONValue {
        guard let values = sharded?.ledger.imbalances, let most = values.max() else {
            return .null
        }
        return [
            "mean": JSONValue(values.reduce(0, +) / Double(values.count)),
            "max": JSONValue(most), "basis": "multiply_accumulates",
        ]
    }

    private var host: JSONValue {
        .object([
            "seconds_wall": JSONValue(spans.total.seconds),
            "seconds_prefill": JSONValue(spans.prefill.seconds),
            "seconds_decode": JSONValue(spans.decode.seconds),
            "tokens_per_second_wall": JSONValue(decodeRate ?? .infinity),
            "prefill_tokens_per_second_wall": JSONValue(
                Double(setting.promptTokens.count) / spans.prefill.seconds),
            "threads": .integer(setting.threadCount),
            "coordinator_private_dirty_bytes": sharded?.coordinatorPrivateDirty
                .map { .integer($0) } ?? .null,
            "provenance": Provenance.hostRecord(topologyPath: setting.topologyPath),
        ])
    }

    /// Forward passes of the decode phase per second of wall time.
    private var decodeRate: Double? {
        guard generation.decodeStepCount > 0 else { return nil }
        return Double(generation.decodeStepCount) / spans.decode.seconds
    }

    // MARK: Summary

    /// A few lines for people: speed, each DIMM's load and node, imbalance.
    func summary() -> String {
        var lines = [speedLine]
        if let sharded {
            lines += table(sharded)
            lines.append(balanceLine(sharded))
        }
        return "\n" + lines.joined(separator: "\n")
    }

    private var speedLine: String {
        let prefill = Text.fixed(
            Double(setting.promptTokens.count) / spans.prefill.seconds, 0)
        let decode = decodeRate.map { Text.fixed($0, 1) } ?? "-"
        let request = setting.request
        let mode = request.isReference ? "reference, one process" : "exact"
        let sparsity = request.sparsity > 0 ? ", sparsity \(request.sparsity)" : ""
        return "\(setting.promptTokens.count) prompt tokens at \(prefill) tokens/s, "
            + "\(generation.tokens.count) generated at \(decode) tokens/s "
            + "(clock \(request.clock.rawValue): wall time; \(mode)\(sparsity))"
    }

    private func table(_ sharded: ShardedRecord) -> [String] {
        let total = max(1, sharded.ledger.multiplyAccumulates.reduce(0, +))
        let steps = max(1, generation.decodeStepCount)
        var lines = ["DIMM  node       pid    weights  cold neurons/token   load  pages on node"]
        for (index, facts) in sharded.facts.enumerated() {
            let load =
                100 * Double(sharded.ledger.multiplyAccumulates[index]) / Double(total)
            let columns = [
                Text.padded("\(index)", 4),
                Text.padded(setting.topology.dimms[index].nodeSet.description, 5),
                Text.padded("\(sharded.fleet.workers[index].processIdentifier)", 9),
                Text.padded(Text.megabytes(Int(clamping: facts.weightByteCount)), 10),
                Text.padded(Text.grouped(sharded.ledger.activeNeurons[index] / steps), 19),
                Text.padded(Text.fixed(load, 1) + " %", 7),
                Text.padded(pages(facts), 14),
            ]
            lines.append(columns.joined(separator: " "))
        }
        return lines
    }

    private func pages(_ facts: WorkerFacts) -> String {
        guard facts.pagesOnNode != WorkerFacts.unknown else { return "unknown" }
        return "\(facts.pagesOnNode)/\(facts.pagesOnNode + facts.pagesElsewhere)"
    }

    private func balanceLine(_ sharded: ShardedRecord) -> String {
        let hot = Text.megabytes(sharded.ledger.hotWeightByteCount)
        let values = sharded.ledger.imbalances
        guard let most = values.max() else { return "GPU role holds \(hot) of hot neurons" }
        let mean = values.reduce(0, +) / Double(values.count)
        return "imbalance \(Text.fixed(mean, 3)) mean, \(Text.fixed(most, 3)) max "
            + "(work of the most loaded DIMM over the mean, per token); "
            + "GPU role holds \(hot) of hot neurons"
    }
}
