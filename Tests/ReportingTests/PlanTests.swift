import Reporting
import Testing

struct PlanTests {
    @Test func `Every distinct emulation is planned once`() throws {
        let plan = try PaperTable.plan()
        let needed = plan.entries.flatMap { $0.formula?.emulations ?? [] }
        let planned = plan.emulations
        #expect(planned.count == Set(planned).count)
        #expect(Set(needed).isSubset(of: Set(planned)))
        #expect(planned.count < needed.count)
        // Hermes with LLaMA2-70B at batch 1 stands in figures 10 to 14, 17 and the text.
        let shared = PaperTable.rules.run("Hermes", "LLaMA2-70B")
        #expect(needed.count { $0 == shared } >= 6)
        #expect(planned.count { $0 == shared } == 1)
    }

    @Test func `Every point has a rule, or a reason why it has none`() throws {
        for entry in try PaperTable.plan().entries where entry.formula == nil {
            #expect(!entry.absence.isEmpty)
            #expect(entry.absence != "no rule for this point", "\(entry.row)")
        }
    }

    /// A share of 0 that no emulation could make anything else, and shares that a schedule was
    /// given, would otherwise hold or agree by themselves.
    @Test func `What was put in has no verdict, and says that it was`() throws {
        let plan = try PaperTable.plan()
        var results = plan.noResults
        for run in plan.emulations {
            results.answers[run] = .timed(
                EmulationFigures(
                    batchSize: run.batchSize, tokenCount: 128, prefillSeconds: 1, decodeSeconds: 1,
                    parts: ["prefill": 1, "mlp": 1, "communication": 0, "predictor": 0]))
        }
        let points = plan.points(results)
        let given =
            points.filter { $0.figure == "12" && !$0.metric.hasPrefix("share_") }
            + points.filter { $0.metric == "share_communication" }
        #expect(given.count == 3)
        #expect(given.allSatisfy { $0.ours == 0 })
        for point in given + points.filter({ $0.system == "hot set drift" && $0.ours != nil }) {
            #expect(point.verdict == .input, "\(point.metric)")
            #expect(!point.note.isEmpty, "\(point.metric)")
        }
        let emulated = points.filter { $0.figure == "12" && $0.origin == .emulated }
        #expect(emulated.map(\.metric) == ["share_token_generation", "share_prefill"])
        #expect(emulated.allSatisfy { $0.verdict != .input })
    }

    @Test(arguments: [
        ("migration_share_with_DIMM-link", "an upper bound"),
        ("compute_on_DIMM", "in place of computing"),
        ("speedup", "no rate of a copy through the host"),
        ("migration_share_without_DIMM-link", "no rate of a copy through the host"),
    ])
    func `A number that stands for another says so`(metric: String, words: String) throws {
        let plan = try PaperTable.plan(figures: ["text"])
        let points = plan.points(plan.noResults).filter { $0.metric == metric }
        #expect(points.contains { $0.note.contains(words) || $0.absence.contains(words) })
    }

    /// The paper computed its text from its labels, so the same rules on the labels must give the
    /// same numbers, but for the rounding of labels such as 0.04 and what is marked.
    @Test func `On the paper's own labels the rules give the paper's own ratios`() throws {
        let results = try PaperTable.labels()
        var checkedCount = 0
        for point in try PaperTable.plan().points(results) {
            let isDerived =
                point.metric == "ratio" && point.figure == "text"
                || point.metric == "pct_below_TensorRT"
            guard isDerived, point.contradiction.isEmpty else { continue }
            let ratio = try #require(point.ratio, "\(point.system): \(point.absence)")
            #expect((0.95...1.05).contains(ratio), "\(point.system) \(point.model): \(ratio)")
            checkedCount += 1
        }
        #expect(checkedCount >= 13)
    }

    @Test func `On the paper's own labels no throughput differs`() throws {
        let points = try PaperTable.plan().points(try PaperTable.labels())
        for error in SystemError.all(of: points) {
            // 5.58 and 5.37, 4.24 and 4.25 are one run under two labels.
            #expect(error.geometricMean < 1.01, "\(error)")
        }
        let correlation = try #require(ReproductionSummary(points: points).rankCorrelation)
        #expect(correlation > 0.999)
    }

    @Test func `A quick plan is a part of the whole, and says what it lacks`() throws {
        let whole = Set(try PaperTable.plan().emulations)
        let quick = try PaperTable.plan(isQuick: true)
        #expect(Set(quick.emulations).isStrictSubset(of: whole))
        #expect(!quick.omissions.isEmpty)
        #expect(quick.curves.isEmpty)
        #expect(quick.entries.count == (try PaperTable.plan()).entries.count)
        for run in quick.emulations where run.system.hasPrefix("hermes") {
            #expect(run.batchSize == 1)
            #expect(run.settings.isEmpty)
        }
    }

    @Test func `Figures and systems narrow a plan`() throws {
        let ten = try PaperTable.plan(figures: ["10"])
        #expect(Set(ten.entries.map(\.row.figure)) == ["10", "10*"])
        let schedules = try PaperTable.plan(systems: ["flexgen", "dejavu"])
        #expect(Set(schedules.emulations.map(\.system)) == ["flexgen", "dejavu"])
        #expect(schedules.entries.contains { $0.row.system == "DejaVu/FlexGen" })
        #expect(!schedules.entries.contains { $0.row.system.contains("Hermes") })
        #expect(schedules.curves.isEmpty)
    }

    @Test func `What an emulation refuses is not supported, and its reason is told`() throws {
        let plan = try PaperTable.plan(figures: ["9"])
        var results = plan.noResults
        for run in plan.emulations { results.answers[run] = .unsupported(reason: "too small") }
        for point in plan.points(results) {
            #expect(point.ours == nil)
            #expect(point.absence == "not supported: too small")
        }
    }

    @Test func `The least number of DIMMs is the first that is supported`() throws {
        let plan = try PaperTable.plan(figures: ["14"])
        var results = plan.noResults
        let figures = EmulationFigures(
            batchSize: 1, tokenCount: 128, prefillSeconds: 1, decodeSeconds: 1)
        for run in plan.emulations {
            let isSmall = ["1-dimm", "2-dimm"].contains(run.topology)
            results.answers[run] = isSmall ? .unsupported(reason: "memory") : .timed(figures)
        }
        let points = plan.points(results).filter { $0.metric == "min_dimms" }
        #expect(points.count == 4)
        #expect(points.allSatisfy { $0.ours == 4 })
    }

    @Test func `A curve is flat where it reaches 95 percent of its best`() throws {
        let runs = [32, 64, 128, 256].map { count in
            Formula.Candidate(
                Double(count),
                PaperTable.rules.run("Hermes", "OPT-13B", 1, on: "m", ["multipliers=\(count)"]))
        }
        var results = EmulationResults(tokenCount: 128)
        for (candidate, speed) in zip(runs, [50.0, 94, 96, 100]) {
            results.answers[candidate.emulation] = .timed(
                EmulationFigures(
                    batchSize: 1, tokenCount: 128, prefillSeconds: 0, decodeSeconds: 128 / speed))
        }
        #expect(try Formula.saturation(runs, share: 0.95).value(results) == 128)
        #expect(try Formula.saturation(runs, share: 0.5).value(results) == 32)
    }

    @Test func `A short run stands for a long one by its mean token`() {
        let short = EmulationFigures(
            batchSize: 2, tokenCount: 16, prefillSeconds: 3, decodeSeconds: 4,
            parts: ["prefill": 3, "mlp": 2])
        let long = short.extrapolated(toTokens: 128)
        #expect(long.decodeSeconds == 32)
        #expect(long.parts == ["prefill": 3, "mlp": 16])
        #expect(long.tokensPerSecond == 2 * 128 / 35.0)
        #expect(short.extrapolated(toTokens: 16) == short)
        var withoutFirst = short
        withoutFirst.decodedTokenCount = 15
        // 127 steps of 4/15 s.
        let longer = withoutFirst.extrapolated(toTokens: 128)
        #expect(abs(longer.decodeSeconds - 127 * 4 / 15.0) < 1e-12)
        #expect(longer.decodedTokenCount == 127)
    }
}
