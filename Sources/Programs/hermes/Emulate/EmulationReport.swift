import ActivationPredictor
import Coordinator
import Messages
import ModelCatalogue
import Pacing
import Quantities
import Scheduling
import Topology

/// The outcome of `emulate`, as JSON and as a summary for people.
struct EmulationReport {
    let request: EmulationRequest
    let outcome: EmulationOutcome

    private var timed: TimedEmulation? {
        guard case .timed(let timed) = outcome else { return nil }
        return timed
    }

    private var processes: ProcessRecord? { timed?.processes }

    /// Whether emulated seconds exist at all.
    private var isTimed: Bool { request.clock != .native }

    // MARK: JSON

    /// Nested objects; what depends on the host or on wall time stands only under `host`.
    func json() -> JSONValue {
        var members: [String: JSONValue] = [
            "system": .string(request.system.rawValue),
            "model": model,
            "batch": .integer(request.batchSize),
            "prompt_token_count": .integer(request.promptTokenCount),
            "generated_token_count": .integer(request.tokenCount),
            "clock": .string(request.clock.rawValue),
            "seed": .unsigned(request.seed),
            "attention_split": .string(
                FamilyTraits(request)?.usesHost == true
                    ? "none" : "\(request.attentionSplit)"), "policy": policy,
            "provenance": Provenance.record(
                topology: request.topology, topologyPath: request.topologyPath),
        ]
        switch outcome {
        case .unsupported(let reason):
            members["unsupported"] = .string(reason)
        case .timed(let timed):
            members["unsupported"] = .null
            members.merge(figures(timed)) { $1 }
        }
        return .object(members)
    }

    /// What the system does, or was told to do; `null` for a timing schedule, which has no policy.
    private var policy: JSONValue {
        guard let traits = FamilyTraits(request) else { return .null }
        let policy = request.policy
        return [
            "partition": .string(traits.isDense ? "whole-blocks" : traits.partition.rawValue),
            "adjustment": .string(traits.hotCriterion.rawValue),
            "rebalance": .string(traits.rebalancing.rawValue),
            "window": .integer(policy.windowTokenCount),
            "predictor": .string(traits.isDense ? "none" : policy.predictor.rawValue),
            "lambda": .integer(policy.constants.correlationWeight),
            "threshold": .integer(policy.constants.activeThreshold),
            "hot_threshold": .integer(policy.constants.hotThreshold),
            "unobserved": .string(policy.constants.unobserved.rawValue),
            "first_layer": .string(policy.firstLayer.rawValue),
            "gain": .integer(policy.constants.gain), "decay": .integer(policy.constants.decay),
        ]
    }

    private var model: JSONValue {
        let model = request.model
        return [
            "name": .string(model.name), "layers": .integer(model.layerCount),
            "weight_bytes": .integer(model.weightByteCount),
            "weights": .integer(model.weightCount),
            "key_value_bytes_per_position": .integer(model.keyValueByteCountPerPosition),
            "activity": .string(
                request.replay.map { "replayed from \($0)" }
                    ?? "synthetic \(FamilyFile.title(of: model))"),
            "activity_statistics": activityStatistics,
        ]
    }

    /// What the activity was drawn by; `null` where it was replayed or made for a stress test, and
    /// where a system asks nobody who is active.
    private var activityStatistics: JSONValue {
        guard request.replay == nil, request.workload == nil,
            FamilyTraits(request)?.isDense == false, let drawn = request.model.activity
        else { return .null }
        return [
            "density": JSONValue(drawn.density.doubleValue),
            "frequent_share": JSONValue(drawn.frequentShare.doubleValue),
            "context_share": JSONValue(drawn.contextShare.doubleValue),
            "longest_spell": .integer(drawn.longestSpell),
            "longest_context": .integer(drawn.longestContext),
            "upsets_per_256": .integer(drawn.upsetsPer256),
        ]
    }

    private func figures(_ timed: TimedEmulation) -> [String: JSONValue] {
        [
            "seconds": isTimed
                ? [
                    "emulated": JSONValue(timed.emulatedSeconds),
                    "prefill": JSONValue(timed.prefillSeconds),
                    "decode": JSONValue(timed.decodeSeconds),
                ] : ["emulated": .null],
            "tokens_per_second": [
                "emulated": isTimed ? JSONValue(timed.tokensPerSecond) : .null
            ],
            "breakdown": isTimed
                ? .object(
                    Dictionary(
                        uniqueKeysWithValues: timed.breakdown.parts.map {
                            ($0.name, JSONValue($0.seconds))
                        })) : .null,
            "gpu": [
                "resident_share": JSONValue(timed.residentShare),
                "hot_weight_bytes": processes.map { .integer($0.ledger.hotWeightByteCount) }
                    ?? .null,
            ],
            "imbalance": timed.imbalance.map {
                ["mean": JSONValue($0.mean), "max": JSONValue($0.max)]
            } ?? .null,
            "predictor": predictor(timed),
            "migrations": migrations,
            "links": .array(links), "dimms": .array(dimms),
            "recoveries": .array(recoveries),
            "host": host(timed),
        ]
    }

    private func predictor(_ timed: TimedEmulation) -> JSONValue {
        guard let score = timed.prediction else { return .null }
        return [
            "name": .string(request.policy.predictor.rawValue),
            "feedback": .string(request.policy.feedback.rawValue),
            "accuracy": JSONValue(score.accuracy), "precision": JSONValue(score.precision),
            "recall": JSONValue(score.recall), "f1": JSONValue(score.f1),
            "density": JSONValue(score.density),
            "computed_share": JSONValue(score.predictedShare),
            "table_bytes": .integer(timed.predictorByteCount),
        ]
    }

    private var migrations: JSONValue {
        guard let records = processes?.migrations else { return .null }
        func sum(_ value: (MigrationRecord) -> Int) -> JSONValue {
            .integer(records.reduce(0) { $0 + value($1) })
        }
        return .object([
            "hot_swaps": sum(\.hotSwapCount), "remaps": sum(\.remapCount),
            "refused_remaps": sum(\.refusedRemapCount),
            "aborted_remaps": sum(\.abortedRemapCount),
            "dimm_link_bytes": sum(\.remapByteCount), "gpu_bytes": sum(\.hotSwapByteCount),
            "imbalance": .array(
                zip(["qkv", "mlp"], records).map { name, record in
                    [
                        "block": .string(name),
                        "before": JSONValue(record.imbalanceUnmoved.weighted),
                        "after": JSONValue(record.imbalance.weighted),
                    ]
                }),
        ])
    }

    private var links: [JSONValue] {
        guard let time = processes?.time else { return [] }
        return time.links.map { name, link in
            .object([
                "name": .string(name),
                "cap_bytes_per_second": .unsigned(link.bandwidth.bytesPerSecond),
                "bytes": .unsigned(link.counters.bytes.bytes),
                "busy_seconds": JSONValue(link.counters.busy.seconds),
            ])
        }
    }

    private var recoveries: [JSONValue] {
        guard case .timed(let timed) = outcome else { return [] }
        return (timed.processes?.recoveries ?? []).map {
            $0.json(promptCount: request.promptTokenCount)
        }
    }

    private var dimms: [JSONValue] {
        guard let processes, FamilyTraits(request)?.usesHost == false else { return [] }
        // Only units that keep time know what they would have read.
        func known(_ byteCount: Int) -> JSONValue { isTimed ? .integer(byteCount) : .null }
        return processes.facts.enumerated().map { index, facts in
            .object([
                "index": .integer(index),
                "requested_node": .string(request.topology.dimms[index].nodeSet.description),
                "weight_bytes": .unsigned(facts.weightByteCount),
                "key_value_bytes": .unsigned(facts.keyValueByteCount),
                "active_neurons": .integer(processes.ledger.activeNeurons[index]),
                "multiply_accumulates": .integer(processes.ledger.multiplyAccumulates[index]),
                "neuron_read_bytes": known(processes.ledger.neuronReadByteCounts[index]),
                "key_value_read_bytes": known(processes.ledger.keyValueReadByteCounts[index]),
                "busy_seconds": isTimed
                    ? JSONValue(Double(facts.busyPicoseconds) * 1e-12) : .null,
                "restarts": .integer(
                    processes.restarts.count { $0.dimm == index }),
                "host": host(ofUnit: index, processes),
            ])
        }
    }

    private func host(ofUnit index: Int, _ processes: ProcessRecord) -> JSONValue {
        let facts = processes.facts[index]
        func known(_ value: UInt64) -> JSONValue {
            value == WorkerFacts.unknown ? .null : .unsigned(value)
        }
        return .object([
            "pid": .integer(Int(processes.processIdentifiers[index])),
            "bound_nodes": .array(
                processes.proof.binding.processors(ofDIMM: index).map { .integer($0) }),
            "binding": processes.proof.figures(
                ofDIMM: index, loaded: processes.loadedFacts[index]),
            "node": known(facts.node),
            "pages_on_node": known(facts.pagesOnNode),
            "pages_elsewhere": known(facts.pagesElsewhere),
            "pages_untouched": known(facts.pagesUntouched),
            "private_dirty_bytes": known(facts.privateDirtyByteCount),
        ])
    }

    private func host(_ timed: TimedEmulation) -> JSONValue {
        let paced = processes?.paced
        return .object([
            "seconds_wall": JSONValue(timed.wallSeconds),
            "private_dirty_bytes": processes.map { .integer(privateDirty($0)) } ?? .null,
            "numa": processes?.proof.machineFigures ?? .null,
            "coordinator": processes?.proof.coordinatorFigures ?? .null,
            "host_cpu": hostProcessor,
            "shared_core": processes?.sharedCore.map { .integer($0) } ?? .null,
            "dilation": paced.map { JSONValue(Double($0.dilation.thousandths) / 1000) } ?? .null,
            "seconds_paced": paced.map { JSONValue($0.seconds) } ?? .null,
            "overrun_share": paced.map { JSONValue($0.overruns.share) } ?? .null,
            "provenance": Provenance.hostRecord(topologyPath: request.topologyPath),
        ])
    }

    /// The one worker of a system in which the host's CPU computes in place of the DIMMs.
    private var hostProcessor: JSONValue {
        guard let processes, FamilyTraits(request)?.usesHost == true else { return .null }
        return host(ofUnit: 0, processes)
    }

    /// Throws exit 73 when memory or threads were elsewhere at the end, best effort aside.
    func checkBinding() throws {
        try processes?.proof.enforce(when: "at the end", tellsRefusals: false)
    }

    /// Memory of all processes, bytes.
    private func privateDirty(_ record: ProcessRecord) -> Int {
        record.facts.reduce(record.coordinatorPrivateDirty ?? 0) {
            $0
                + ($1.privateDirtyByteCount == WorkerFacts.unknown
                    ? 0 : Int(clamping: $1.privateDirtyByteCount))
        }
    }

    // MARK: Text

    func text() -> String {
        let title =
            "\(request.system.rawValue), \(request.model.name), batch \(request.batchSize), "
            + "\(request.promptTokenCount) + \(request.tokenCount) tokens, on "
            + request.topology.name
        guard let timed else {
            guard case .unsupported(let reason) = outcome else { return title }
            return "\(title)\nnot supported: \(reason)"
        }
        var lines = [title]
        if isTimed {
            lines.append(
                "\(Text.fixed(timed.tokensPerSecond, 2)) tokens/s emulated: prefill "
                    + "\(Text.fixed(timed.prefillSeconds, 3)) s, decode "
                    + "\(Text.fixed(timed.decodeSeconds, 3)) s")
            lines.append(breakdownLine(timed))
        }
        lines += policyLines(timed)
        lines += processes?.proof.lines ?? []
        lines.append("wall time \(Text.fixed(timed.wallSeconds, 2)) s" + memoryText)
        return lines.joined(separator: "\n")
    }

    private func breakdownLine(_ timed: TimedEmulation) -> String {
        let total = max(timed.emulatedSeconds, .leastNormalMagnitude)
        return "of it "
            + timed.breakdown.parts.filter { $0.seconds > 0 }.map {
                "\($0.name) \(Text.fixed(100 * $0.seconds / total, 1)) %"
            }.joined(separator: ", ")
    }

    private func policyLines(_ timed: TimedEmulation) -> [String] {
        var lines = [
            "GPU holds \(Text.fixed(100 * timed.residentShare, 1)) % of the weights"
        ]
        if let imbalance = timed.imbalance {
            lines.append(
                "imbalance \(Text.fixed(imbalance.mean, 3)) mean, "
                    + "\(Text.fixed(imbalance.max, 3)) max (slowest DIMM over the mean, per "
                    + "token)")
        }
        if let score = timed.prediction {
            lines.append(
                "predictor \(request.policy.predictor.rawValue): accuracy "
                    + "\(Text.fixed(score.accuracy, 3)), precision "
                    + "\(Text.fixed(score.precision, 3)), recall \(Text.fixed(score.recall, 3)); "
                    + "\(Text.fixed(100 * score.density, 1)) % active, "
                    + "\(Text.fixed(100 * score.predictedShare, 1)) % computed")
            lines.append(
                "moved \(Text.grouped(timed.remapCount)) neurons between DIMMs and "
                    + "\(Text.grouped(timed.hotSwapCount)) to the GPU")
        }
        return lines
    }

    private var memoryText: String {
        guard let processes else { return "" }
        return ", \(Text.megabytes(privateDirty(processes))) of memory in "
            + "\(processes.facts.count + 1) processes"
            + (processes.sharedCore.map { ", all on CPU \($0)" } ?? "")
    }

    /// Throws exit 76 when a paced run missed more deadlines than it may.
    func checkFaithful() throws {
        guard let paced = processes?.paced, paced.overruns.share > request.overrunLimit else {
            return
        }
        throw Failure(
            .notFaithful,
            "not faithful: \(paced.overruns.missed) of \(paced.overruns.deadlines) deadlines "
                + "were missed; use a larger --dilation")
    }
}
