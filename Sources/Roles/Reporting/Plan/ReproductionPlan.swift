/// The points that are asked for, and the emulations and facts that they need.
package struct ReproductionPlan: Sendable {
    package struct Entry: Sendable {
        package let row: PublishedTable.Row
        /// `nil` where no emulation can tell, or where it was left out.
        package let formula: Formula?
        package let absence: String
    }

    package struct PlannedCurve: Sendable {
        package let figure: String
        package let title: String
        package let steps: [Step]

        package struct Step: Sendable {
            package let label: String
            package let x: Double
            package let emulation: PlannedEmulation
        }
    }

    package let entries: [Entry]
    package let curves: [PlannedCurve]
    /// What was left out, for the reader.
    package let omissions: [String]
    private let rules: PointRules
    /// Generated tokens that figures are stated for.
    private let standardTokenCount: Int

    /// - Parameters:
    ///   - figures: which figures, `text` included; none means all.
    ///   - systems: keeps the points that need no others; `nil` keeps all.
    ///   - isQuick: batch 1 of the figures that compare systems, and every schedule.
    package init(
        table: PublishedTable, figures: Set<String>, systems: Set<String>? = nil,
        rules: PointRules, standardTokenCount: Int, isQuick: Bool
    ) {
        func isRun(_ emulations: [PlannedEmulation]) -> Bool {
            emulations.allSatisfy { systems?.contains($0.system) ?? true }
        }
        func isAskedFor(_ figure: String) -> Bool {
            figures.isEmpty || figures.contains(figure.replacing("*", with: ""))
        }
        let rows = table.rows.filter { row in
            guard isAskedFor(row.figure) else { return false }
            guard systems != nil else { return true }
            let emulations = rules.formula(for: row)?.emulations ?? []
            return !emulations.isEmpty && isRun(emulations)
        }
        self.rules = rules
        self.standardTokenCount = standardTokenCount
        entries = rows.map { row in
            guard let formula = rules.formula(for: row) else {
                return Entry(row: row, formula: nil, absence: rules.absence(for: row))
            }
            let isLeftOut = isQuick && !QuickChoice.keeps(formula)
            return Entry(
                row: row, formula: isLeftOut ? nil : formula,
                absence: isLeftOut ? "left out of a quick run" : "")
        }
        curves =
            isQuick
            ? []
            : PlannedCurve.all(rules).filter {
                isAskedFor($0.figure) && isRun($0.steps.map(\.emulation))
            }
        omissions =
            (isQuick ? QuickChoice.omissions : [])
            + (figures.isEmpty
                ? [] : ["all figures but \(figures.sorted().joined(separator: ", "))"])
            + (systems.map {
                ["points that need other systems than \($0.sorted().joined(separator: ", "))"]
            } ?? [])
    }

    /// Every distinct emulation, in the order in which the points first need it.
    package var emulations: [PlannedEmulation] {
        var seen: Set<PlannedEmulation> = []
        let needed =
            entries.flatMap { $0.formula?.emulations ?? [] }
            + curves.flatMap { $0.steps.map(\.emulation) }
        return needed.filter { seen.insert($0).inserted }
    }

    package var facts: Set<Formula.Fact> {
        entries.reduce(into: []) { $0.formUnion($1.formula?.facts ?? []) }
    }

    /// An empty store of results for this plan.
    package var noResults: EmulationResults { EmulationResults(tokenCount: standardTokenCount) }

    package func points(_ results: EmulationResults) -> [ReproducedPoint] {
        entries.map { entry in
            let row = entry.row
            var ours: Double?
            var absence = entry.absence
            if let formula = entry.formula {
                do throws(Formula.Absence) {
                    ours = try formula.value(results)
                } catch {
                    absence = error.description
                }
            }
            return ReproducedPoint(
                figure: row.figure, system: row.system, model: row.model, batch: row.batch,
                gpu: row.gpu, dimms: row.dimms, metric: row.metric, unit: row.unit,
                published: row.published, ours: ours, absence: absence,
                origin: rules.origin(of: row), isFitted: row.isFitted, isRepeat: row.isRepeat,
                note: [rules.remark(on: row), row.note].filter { !$0.isEmpty }
                    .joined(separator: "; "),
                contradiction: row.contradiction)
        }
    }

    /// Figure 13 workload by workload.
    ///
    /// - Returns: those that all of the order's systems ran.
    package func ablationCases(
        _ order: AblationOrder, _ results: EmulationResults
    ) -> [AblationOrder.Case] {
        PointRules.ablationWorkloads.compactMap { workload in
            let speeds = order.steps.compactMap { step in
                try? rules.mlpSpeedup(of: step.system, over: order.steps[0].system, workload)
                    .value(results)
            }
            guard speeds.count == order.steps.count else { return nil }
            return AblationOrder.Case(
                model: workload.model, batchSize: workload.batchSize, speeds: speeds)
        }
    }

    /// Where the time goes of each run that stands behind figure 12.
    ///
    /// - Returns: those that ran and tell their parts, in the plan's order.
    package func timeShares(_ results: EmulationResults) -> [TimeShares] {
        let runs = entries.filter { $0.row.figure == "12" }.flatMap { entry in
            entry.formula?.emulations.map { (system: entry.row.system, emulation: $0) } ?? []
        }
        var seen: Set<PlannedEmulation> = []
        return runs.filter { seen.insert($0.emulation).inserted }.compactMap { run in
            guard case .timed(let short) = results.answers[run.emulation] else { return nil }
            return TimeShares(
                system: run.system, model: run.emulation.model,
                batchSize: run.emulation.batchSize,
                figures: short.extrapolated(toTokens: standardTokenCount))
        }
    }

    /// - Returns: curves with at least one value.
    package func measuredCurves(_ results: EmulationResults) -> [FigureCurve] {
        curves.map { curve in
            FigureCurve(
                figure: curve.figure, title: curve.title,
                points: curve.steps.map { step in
                    FigureCurve.Point(
                        label: step.label, x: step.x,
                        y: try? Formula.measure(.tokensPerSecond, step.emulation).value(results))
                })
        }.filter { $0.points.contains { $0.y != nil } }
    }
}

/// What fits a minute: one sequence of each model and every system; no sweeps over machines.
enum QuickChoice {
    /// Schedules cost nothing, so all their batch sizes stay.
    private static let schedules: Set = ["accelerate", "flexgen", "dejavu", "tensorrt-llm"]
    private static let compared: Set = ["hermes", "hermes-host", "hermes-base"]

    static func keeps(_ formula: Formula) -> Bool {
        // Solving the integer program takes longer than all the rest.
        if formula.facts.contains(.partitionSolverSeconds) { return false }
        return formula.emulations.allSatisfy { run in
            schedules.contains(run.system)
                || (compared.contains(run.system) && run.batchSize == 1
                    && run.topology == PointRules.machine && run.settings.isEmpty)
        }
    }

    static let omissions = [
        "batches above 1 of the Hermes family (their points of figures 11 and 17)",
        "figure 13 (ablations), figures 14, 15 and 16 (other machines)",
        "text: averages over batches, imbalance without windows, the solver's time",
        "most generated tokens: few are run, and their mean stands for the rest",
    ]
}

extension ReproductionPlan.PlannedCurve {
    /// The curves of figures 14, 15 and 16.
    static func all(_ rules: PointRules) -> [Self] {
        let byDIMMs = (PointRules.optModels + PointRules.otherModels).map { model in
            Self(
                figure: "14", title: model,
                steps: PointRules.machinesByDIMMCount.map { count, machine in
                    Step(
                        label: "\(count)", x: Double(count),
                        emulation: rules.run("Hermes", model, on: machine))
                })
        }
        let gpus = [
            ("RTX 4090", PointRules.machine), ("RTX 3090", "rtx3090-8dimm"), ("T4", "t4-8dimm"),
        ]
        let cases = ["OPT-13B", "OPT-30B"].flatMap { model in [1, 4, 16].map { (model, $0) } }
        let byGPU = gpus.map { name, machine in
            Self(
                figure: "15", title: name,
                steps: cases.enumerated().map { index, workload in
                    Step(
                        label: "\(workload.0), b=\(workload.1)", x: Double(index),
                        emulation: rules.run("Hermes", workload.0, workload.1, on: machine))
                })
        }
        let byMultipliers = [1, 4, 16].map { batch in
            Self(
                figure: "16", title: "batch \(batch)",
                steps: PointRules.multiplierCounts.map { count in
                    Step(
                        label: "\(count)", x: Double(count),
                        emulation: rules.multiplierRun(count, batch))
                })
        }
        return byDIMMs + byGPU + byMultipliers
    }
}
