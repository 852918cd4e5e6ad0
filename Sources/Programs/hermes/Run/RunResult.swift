import Coordinator
import Kernels
import LinkRecords
import Messages
import Pacing
import Quantities
import Supervision
import Topology

/// What a run was asked and what it ran on.
struct RunSetting {
    let request: RunRequest
    let topology: Topology
    let topologyPath: String
    let loaded: LoadedModel
    let promptTokens: [Int32]
    let sparsity: Double
    /// `nil` where every truly active neuron is computed.
    let predicted: PredictedMode?
    /// Tokens of the text to evaluate, if there is one.
    let evaluatedTokenCount: Int?
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
    /// `nil` where no neuron may move.
    let migration: MigrationRecord?
    let partition: StartingPartition
    /// The workers' last facts, in DIMM order.
    let facts: [WorkerFacts]
    /// The same after loading.
    let loadedFacts: [WorkerFacts]
    /// Requested against actual at the end.
    let proof: BindingProof
    let fleet: WorkerFleet
    /// Failures that were mended, in order.
    let recoveries: [RecoveryRecord]
    /// Keys and values in the coordinator's memory for workers that take another's place, bytes.
    let keptRowByteCount: Int
    /// Private_Dirty of the coordinator at the end, bytes.
    let coordinatorPrivateDirty: Int?
}

/// The outcome of `run`, as JSON and as a summary for people.
struct RunResult {
    let setting: RunSetting
    let generation: Generation
    let spans: RunSpans
    let sharded: ShardedRecord?
    /// `nil` where no emulated time was kept.
    let time: Timekeeper?
    let paced: PacedRecord?
    let prediction: PredictionRecord?
    /// Beside the dense model; `nil` when that was not asked for.
    let quality: LogitComparison?

    /// Nested objects; what depends on the host or on wall time stands only under `host`.
    func json() throws -> JSONValue {
        let request = setting.request
        return .object([
            "model": ["sha256": .string(try ModelHash.hexadecimal(of: setting.loaded))],
            "prompt_tokens": .array(setting.promptTokens.map { .integer(Int($0)) }),
            "generated_tokens": .array(generation.tokens.map { .integer(Int($0)) }),
            "logit_margins": .array(generation.margins.map { JSONValue(Double($0)) }),
            "text": .string(generation.text),
            "stop_reason": .string(generation.stopReason.rawValue),
            "mode": .string(mode),
            "sparsity": JSONValue(setting.sparsity),
            "temperature": JSONValue(Double(request.temperature)),
            "clock": .string(request.clock.rawValue),
            "seed": .unsigned(request.seed),
            "seconds": ["emulated": time.map { JSONValue($0.now.sinceStart.seconds) } ?? .null],
            "tokens_per_second": ["emulated": emulatedRate.map { JSONValue($0) } ?? .null],
            "links": .array(links),
            "dimms": .array(dimms),
            "gpu": gpu,
            "imbalance": imbalance,
            "predictor": predictor,
            "quality": qualityFigures,
            "migrations": (sharded?.migration ?? MigrationRecord()).json(request.placement),
            "recoveries": .array(
                (sharded?.recoveries ?? []).map { $0.json(promptCount: setting.promptTokens.count) }
            ),
            "policy": ["partition": sharded?.partition.json ?? .null],
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
                "busy_seconds": time == nil
                    ? .null : JSONValue(Double(facts.busyPicoseconds) * 1e-12),
                "restarts": .integer(sharded.fleet.restartCount(ofDIMM: index)),
                "host": host(of: index, facts, sharded),
            ])
        }
    }

    private func host(
        of index: Int, _ facts: WorkerFacts, _ sharded: ShardedRecord
    ) -> JSONValue {
        func known(_ value: UInt64) -> JSONValue {
            value == WorkerFacts.unknown ? .null : .unsigned(value)
        }
        return .object([
            "pid": .integer(Int(sharded.fleet.workers[index].processIdentifier)),
            "transport": .string(sharded.fleet.links[index].transportName),
            "host_name": .string(sharded.fleet.hostName(ofDIMM: index)),
            "bound_nodes": .array(
                sharded.proof.binding.processors(ofDIMM: index).map { .integer($0) }),
            "binding": sharded.proof.figures(
                ofDIMM: index, loaded: sharded.loadedFacts[index]),
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

    /// The most loaded DIMM over the mean, per token.
    private var imbalance: JSONValue {
        guard let values = sharded?.ledger.imbalances, let most = values.max() else {
            return .null
        }
        return [
            "mean": JSONValue(values.reduce(0, +) / Double(values.count)),
            "max": JSONValue(most),
            "basis": time == nil ? "multiply_accumulates" : "emulated_time",
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
            "dilation": paced.map {
                JSONValue(Double($0.dilation.thousandths) / 1000)
            } ?? .null,
            "seconds_paced": paced.map { JSONValue($0.seconds) } ?? .null,
            "overrun_share": paced.map { JSONValue($0.overruns.share) } ?? .null,
            "overruns": overruns,
            "threads": .integer(setting.threadCount),
            "kept_key_value_bytes": .integer(sharded?.keptRowByteCount ?? 0),
            "restarts": .array((sharded?.fleet.restarts ?? []).map(\.json)),
            "launcher": .string(setting.request.launch.launcher.rawValue),
            "numa": sharded?.proof.machineFigures ?? .null,
            "coordinator": sharded?.proof.coordinatorFigures ?? .null,
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

    private var links: [JSONValue] {
        guard let time else { return [] }
        return time.links.enumerated().compactMap { index, entry in
            let counters = entry.link.counters
            // Links that nothing used yet (between DIMMs, most often) are left out.
            guard counters.messages > 0 else { return nil }
            return .object([
                "name": .string(entry.name),
                "cap_bytes_per_second": .unsigned(entry.link.bandwidth.bytesPerSecond),
                "bytes": .unsigned(counters.bytes.bytes),
                "messages": .unsigned(counters.messages),
                "busy_seconds": JSONValue(counters.busy.seconds),
                "queueing_seconds": JSONValue(counters.queueing.seconds),
                "busy_share": JSONValue(counters.busy.seconds / time.now.sinceStart.seconds),
                "host": .object(["achieved_bytes_per_second": achieved(link: index, time)]),
            ])
        }
    }

    /// What really moved over a link of a paced run, per second behind the prefill, on the
    /// emulated scale: never above the cap but for what the limiter lets catch up.
    private func achieved(link: Int, _ time: Timekeeper) -> JSONValue {
        guard let paced else { return .null }
        let seconds = paced.seconds - time.prefillDuration.seconds
        guard seconds > 0 else { return .null }
        return JSONValue(Double(paced.movedByteCounts[link]) / seconds)
    }

    private var overruns: JSONValue {
        guard let paced else { return .null }
        return .array(
            paced.byRole.map {
                .object([
                    "role": .string($0.role), "deadlines": .unsigned($0.deadlines),
                    "missed": .unsigned($0.missed),
                ])
            })
    }

    /// Decode steps per emulated second of decoding.
    private var emulatedRate: Double? {
        guard let time, generation.decodeStepCount > 0 else { return nil }
        return Double(generation.decodeStepCount) / time.decodeDuration.seconds
    }

    /// Throws exit 76 when a paced run missed more deadlines than it may.
    func checkFaithful() throws {
        guard let paced, paced.overruns.share > setting.request.overrunLimit else { return }
        throw Failure(
            .notFaithful,
            "not faithful: \(paced.overruns.missed) of \(paced.overruns.deadlines) deadlines "
                + "were missed (\(Text.fixed(100 * paced.overruns.share, 2)) %, limit "
                + "\(Text.fixed(100 * setting.request.overrunLimit, 2)) %); use a larger --dilation"
        )
    }

    // MARK: Summary

    /// A few lines for people: speed, each DIMM's load and node, imbalance.
    func summary() -> String {
        var lines = [speedLine]
        if let time { lines.append(timeLine(time)) }
        if let sharded {
            lines += table(sharded)
            lines += sharded.proof.lines
            lines.append(balanceLine(sharded))
            lines += sharded.recoveries.map(\.summaryLine)
            if let line = sharded.partition.summaryLine { lines.append(line) }
            if let migration = sharded.migration { lines.append(migration.summaryLine) }
        }
        lines += predictionLines
        return "\n" + lines.joined(separator: "\n")
    }

    private var speedLine: String {
        let prefill = Text.fixed(
            Double(setting.promptTokens.count) / spans.prefill.seconds, 0)
        let decode = decodeRate.map { Text.fixed($0, 1) } ?? "-"
        let request = setting.request
        let mode = request.isReference ? "reference, one process" : mode
        let sparsity = setting.sparsity > 0 ? ", sparsity \(setting.sparsity)" : ""
        let done =
            setting.evaluatedTokenCount == nil
            ? "\(generation.tokens.count) generated" : "\(generation.decodeStepCount) evaluated"
        return "\(setting.promptTokens.count) prompt tokens at \(prefill) tokens/s, "
            + "\(done) at \(decode) tokens/s "
            + "of wall time (clock \(request.clock.rawValue); \(mode)\(sparsity))"
    }

    private func timeLine(_ time: Timekeeper) -> String {
        let rate = emulatedRate.map { "\(Text.fixed($0, 1)) tokens/s" } ?? "-"
        var line =
            "emulated: \(time.prefillDuration) prefill, \(time.decodeDuration) decode "
            + "(\(rate)) on \(setting.topology.name)"
        if let paced {
            line +=
                "; paced \(Text.fixed(paced.seconds * 1e3, 3)) ms at dilation "
                + "\(paced.dilation), \(Text.fixed(100 * paced.overruns.share, 2)) % overruns"
        }
        return line
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
            + "(the most loaded DIMM over the mean, per token); "
            + "GPU role holds \(hot) of hot neurons"
    }
}
