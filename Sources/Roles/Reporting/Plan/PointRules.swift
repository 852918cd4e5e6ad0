/// Which emulations stand behind each published point.
package struct PointRules: Sendable {
    /// Prompt and generated tokens of each run.
    package let promptTokenCount: Int
    package let tokenCount: Int
    package let seed: UInt64

    package init(promptTokenCount: Int, tokenCount: Int, seed: UInt64) {
        self.promptTokenCount = promptTokenCount
        self.tokenCount = tokenCount
        self.seed = seed
    }

    static let optModels = ["OPT-13B", "OPT-30B", "OPT-66B"]
    static let otherModels = ["LLaMA2-13B", "LLaMA2-70B", "Falcon-40B"]
    static let batchSizes = [1, 2, 4, 8, 16]
    /// The paper's machine, and those that differ from it in one part.
    static let machine = "rtx4090-8dimm"
    static let machinesByDIMMCount = [
        (1, "1-dimm"), (2, "2-dimm"), (4, "4-dimm"), (8, machine), (16, "16-dimm"),
    ]
    static let multiplierCounts = [32, 64, 128, 256, 512]
    /// A curve that has reached this much of its best is called flat.
    static let saturationShare = 0.95

    // MARK: Parts

    package func run(
        _ system: String, _ model: String, _ batchSize: Int = 1, on topology: String = machine,
        _ settings: [String] = []
    ) -> PlannedEmulation {
        PlannedEmulation(
            system: system.lowercased(), model: model, batchSize: batchSize,
            promptTokenCount: promptTokenCount, tokenCount: tokenCount, topology: topology,
            settings: settings, seed: seed)
    }

    func speed(
        _ system: String, _ model: String, _ batchSize: Int = 1, on topology: String = machine,
        _ settings: [String] = []
    ) -> Formula {
        .measure(.tokensPerSecond, run(system, model, batchSize, on: topology, settings))
    }

    private func ratios(
        _ first: String, _ second: String, _ models: [String], _ batchSizes: [Int] = [1]
    ) -> [Formula] {
        models.flatMap { model in
            batchSizes.map {
                .quotient(speed(first, model, $0), speed(second, model, $0))
            }
        }
    }

    private func means(_ measure: Formula.Measure, _ runs: [PlannedEmulation]) -> Formula {
        .mean(runs.map { .measure(measure, $0) })
    }

    // MARK: Rules

    /// - Returns: `nil` where no emulation can tell; ``absence(for:)`` says why.
    package func formula(for row: PublishedTable.Row) -> Formula? {
        switch (row.figure, row.metric) {
        case (_, "throughput"):
            return Int(row.batch).map { speed(row.system, row.model, $0) }
        case ("17", "pct_below_TensorRT"):
            return Int(row.batch).map {
                .percentBelow(speed("Hermes", row.model, $0), speed("TensorRT-LLM", row.model, $0))
            }
        case ("13", "mlp_speedup"): return mlpSpeedup(row)
        case ("14", _): return dimmCounts(row)
        case ("15", "ratio"): return gpuRatio(row)
        case ("16", _): return multipliers(row)
        case ("12", _): return share(row)
        case ("text", "ratio"): return textRatio(row)
        case ("text", _): return textFigure(row)
        default: return nil
        }
    }

    private func mlpSpeedup(_ row: PublishedTable.Row) -> Formula? {
        let names = row.system.split(separator: "/").map(String.init)
        guard names.count == 2 else { return nil }
        return .mean(
            Self.ablationWorkloads.map { mlpSpeedup(of: names[0], over: names[1], $0) })
    }

    /// Of figure 13.
    static let ablationWorkloads = ["LLaMA2-13B", "LLaMA2-70B"].flatMap { model in
        [1, 4, 16].map { (model: model, batchSize: $0) }
    }

    func mlpSpeedup(
        of system: String, over base: String, _ workload: (model: String, batchSize: Int)
    ) -> Formula {
        .quotient(
            .measure(.mlpSeconds, run(base, workload.model, workload.batchSize)),
            .measure(.mlpSeconds, run(system, workload.model, workload.batchSize)))
    }

    private func dimmCounts(_ row: PublishedTable.Row) -> Formula? {
        switch row.metric {
        case "min_dimms":
            .leastSupported(
                Self.machinesByDIMMCount.map { count, machine in
                    .init(Double(count), run("Hermes", row.model, on: machine))
                })
        case "ratio":
            .quotient(speed("Hermes", row.model, on: "16-dimm"), speed("Hermes", row.model))
        default: nil
        }
    }

    private func gpuRatio(_ row: PublishedTable.Row) -> Formula? {
        let others = ["Hermes 4090/T4": "t4-8dimm", "Hermes 4090/3090": "rtx3090-8dimm"]
        guard let other = others[row.system] else { return nil }
        return .mean(
            ["OPT-13B", "OPT-30B"].flatMap { model in
                [1, 4, 16].map {
                    .quotient(speed("Hermes", model, $0), speed("Hermes", model, $0, on: other))
                }
            })
    }

    func multiplierRun(_ count: Int, _ batchSize: Int) -> PlannedEmulation {
        run("Hermes", "OPT-13B", batchSize, on: Self.machine, ["dimm.ndp.multipliers=\(count)"])
    }

    private func multipliers(_ row: PublishedTable.Row) -> Formula? {
        guard let batch = Int(row.batch) else { return nil }
        switch row.metric {
        case "ratio":
            return .quotient(
                .measure(.tokensPerSecond, multiplierRun(512, batch)),
                .measure(.tokensPerSecond, multiplierRun(32, batch)))
        case "multipliers":
            return .saturation(
                Self.multiplierCounts.map { .init(Double($0), multiplierRun($0, batch)) },
                share: Self.saturationShare)
        default: return nil
        }
    }

    private func share(_ row: PublishedTable.Row) -> Formula? {
        let hermes = (Self.optModels + Self.otherModels).map { run("Hermes", $0) }
        let dejaVu = Self.optModels.flatMap { model in
            Self.batchSizes.map { run("DejaVu", model, $0) }
        }
        return switch (row.system, row.metric) {
        case ("Hermes", "share_token_generation"): means(.tokenGenerationShare, hermes)
        case ("Hermes", "share_prefill"): means(.prefillShare, hermes)
        case ("Hermes", "predictor_share"): means(.predictorShare, hermes)
        case ("DejaVu", "share_communication"): means(.communicationShare, dejaVu)
        case ("DejaVu", "predictor_share_of_compute"): means(.predictorShareOfCompute, dejaVu)
        default: nil
        }
    }

    private func textRatio(_ row: PublishedTable.Row) -> Formula? {
        let opt = Self.optModels
        let all = Self.optModels + Self.otherModels
        let large = ["OPT-66B", "LLaMA2-70B", "Falcon-40B"]
        return switch (row.system, row.model) {
        case ("Hermes/Accelerate", _): .mean(ratios("Hermes", "Accelerate", opt))
        case ("Hermes/FlexGen", "OPT avg"): .mean(ratios("Hermes", "FlexGen", opt))
        case ("DejaVu/FlexGen", _): .mean(ratios("DejaVu", "FlexGen", opt))
        case ("Hermes/FlexGen", "OPT-66B"):
            .mean(ratios("Hermes", "FlexGen", ["OPT-66B"], Self.batchSizes))
        case ("Hermes/DejaVu", _):
            .mean(ratios("Hermes", "DejaVu", ["OPT-66B"], Self.batchSizes))
        case ("Hermes/Hermes-host", _):
            .mean(ratios("Hermes", "Hermes-host", large, Self.batchSizes))
        case ("Hermes-base/Accelerate", _):
            .mean(ratios("Hermes-base", "Accelerate", Self.otherModels))
        case ("Hermes/Hermes-base", _): .mean(ratios("Hermes", "Hermes-base", Self.otherModels))
        // The labels' arithmetic mean is 76, their geometric mean the 62 of the text.
        case ("Hermes-host/Accelerate", _):
            .geometricMean(ratios("Hermes-host", "Accelerate", all))
        case ("Hermes-host/FlexGen", _): .mean(ratios("Hermes-host", "FlexGen", opt))
        case ("Hermes/Hermes-host min", _): .least(ratios("Hermes", "Hermes-host", all))
        case ("Hermes/Hermes-host max", _): .greatest(ratios("Hermes", "Hermes-host", all))
        default: nil
        }
    }

    private func textFigure(_ row: PublishedTable.Row) -> Formula? {
        switch (row.system, row.metric) {
        case ("Hermes", "migration_share_with_DIMM-link"):
            .measure(.remapShare, run("Hermes", row.model))
        case (_, "dimm_imbalance_max"):
            .measure(.imbalanceMax, run("Hermes-adjustment", "LLaMA2-13B"))
        case (_, "dimm_imbalance_in_window"):
            .scaled(.less(.measure(.imbalanceMean, run("Hermes", "LLaMA2-13B")), 1), 100)
        case ("GPU residency", _): .measure(.residentShare, run("Hermes", row.model))
        case ("Hermes-base", "compute_on_DIMM"):
            .scaled(.less(.measure(.residentShare, run("Hermes-base", row.model)), 100), -1)
        case ("ILP solver", _): .fact(.partitionSolverSeconds)
        case ("predictor", _):
            means(
                .predictorAccuracy, (Self.optModels + Self.otherModels).map { run("Hermes", $0) })
        case ("state table", _): .fact(.stateTableKilobytes)
        case ("hot set drift", _): .fact(.hotSetDrift)
        default: nil
        }
    }
}
