import Foundation
import Reporting

/// A reproduction as table, JSON, CSV and page.
struct ReproductionReport {
    let plan: ReproductionPlan
    let points: [ReproducedPoint]
    let curves: [FigureCurve]
    let summary: ReproductionSummary
    let ablations: AblationOrder?
    let ablationCases: [AblationOrder.Case]
    let timeShares: [TimeShares]
    let inputs: [ReproductionPage.Fact]
    let outcome: EmulationSeries.Outcome
    let seed: UInt64
    let promptTokenCount: Int
    let tokenCount: Int
    /// Wall time of all of it.
    let seconds: Double

    init(
        plan: ReproductionPlan, results: EmulationResults, inputs: [ReproductionPage.Fact],
        outcome: EmulationSeries.Outcome, seed: UInt64, promptTokenCount: Int, tokenCount: Int,
        seconds: Double
    ) {
        self.plan = plan
        points = plan.points(results)
        curves = plan.measuredCurves(results)
        summary = ReproductionSummary(points: points)
        ablations = AblationOrder(points: points)
        ablationCases = ablations.map { plan.ablationCases($0, results) } ?? []
        timeShares = plan.timeShares(results)
        self.inputs = inputs
        self.outcome = outcome
        self.seed = seed
        self.promptTokenCount = promptTokenCount
        self.tokenCount = tokenCount
        self.seconds = seconds
    }

    // MARK: Files

    /// Writes points.csv, reproduction.json, index.html and, if asked to, figures/.
    func write(to folder: String, withFigures: Bool) throws {
        try WholeFile.write(Array(csv.utf8), to: folder + "/points.csv")
        try WholeFile.write(Array(json().rendered().utf8), to: folder + "/reproduction.json")
        let charts = PaperFigures(points: points, curves: curves, timeShares: timeShares).charts
        let drawings = withFigures ? try FigureFiles.draw(charts, in: folder + "/figures") : [:]
        let page = ReproductionPage(
            points: points, ablationCases: ablationCases, charts: charts, drawings: drawings,
            inputs: inputs, caveats: Self.caveats, provenance: facts, omissions: plan.omissions,
            contradictions: Self.contradictions)
        try WholeFile.write(Array(page.text.utf8), to: folder + "/index.html")
    }

    static var contradictions: [String] { lines(PackageResources.contradictions_txt) }

    /// How far errors can be trusted.
    static var caveats: [String] { lines(PackageResources.caveats_txt) }

    private static func lines(_ text: [UInt8]) -> [String] {
        String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private var facts: [ReproductionPage.Fact] {
        var facts = [
            ReproductionPage.Fact("program", "hermes " + Provenance.versionLine),
            .init("seed", "\(seed)"),
            .init(
                "tokens",
                "\(promptTokenCount) in each prompt, \(tokenCount) generated"
                    + (tokenCount == plan.noResults.tokenCount
                        ? "" : "; their mean stands for \(plan.noResults.tokenCount)")),
            .init("emulations", "\(outcome.runCount) run, \(outcome.keptCount) kept from before"),
            .init("wall time", Text.fixed(seconds, 1) + " s"),
            .init("topologies", outcome.topologies.keys.sorted().joined(separator: ", ")),
        ]
        if case .object(let host) = Provenance.hostRecord(topologyPath: "") {
            for key in ["processor", "usable_cores", "kernel", "date"] {
                switch host[key] {
                case .string(let text): facts.append(.init(Self.words(key), text))
                case .integer(let number): facts.append(.init(Self.words(key), "\(number)"))
                default: break
                }
            }
        }
        return facts
    }

    private static func words(_ key: String) -> String { key.replacing("_", with: " ") }

    private var csv: String {
        CSVText.line([
            "figure", "system", "model", "batch", "gpu", "dimms", "metric", "unit", "published",
            "ours", "ratio", "verdict", "origin", "fitted", "repeat", "note", "contradiction",
        ])
            + points.map { point in
                CSVText.line([
                    point.figure, point.system, point.model, point.batch, point.gpu, point.dimms,
                    point.metric, point.unit, point.published.text,
                    point.ours.map { Digits.significant($0, 6) } ?? "",
                    point.ratio.map { Digits.significant($0, 4) } ?? "", point.verdict.rawValue,
                    point.origin.rawValue, "\(point.isFitted)", "\(point.isRepeat)",
                    Self.note(point), point.contradiction,
                ])
            }.joined()
    }

    /// The table's note, or why there is no number.
    private static func note(_ point: ReproducedPoint) -> String {
        [point.absence, point.note].filter { !$0.isEmpty }.joined(separator: "; ")
    }

    // MARK: JSON

    func json() -> JSONValue {
        var document: [String: JSONValue] = [
            "points": .array(points.map(Self.member)),
            "errors": .array(summary.errors.map(Self.member)),
            "rank_correlation": summary.rankCorrelation.map { JSONValue($0) } ?? .null,
            "scored_points": .integer(summary.scoredCount),
            "curves": .array(curves.map(Self.member)),
            "emulations": .array(plan.emulations.compactMap(emulation)),
            "notes": .array(Self.caveats.map { .string($0) }),
            "inputs": .array(
                inputs.map { ["name": .string($0.name), "value": .string($0.value)] }),
            "omissions": .array(plan.omissions.map { .string($0) }),
            "contradictions": .array(Self.contradictions.map { .string($0) }),
            "prompt_tokens": .integer(promptTokenCount),
            "generated_tokens": .integer(tokenCount),
            "seed": .unsigned(seed),
            "provenance": [
                "program": Provenance.program, "topologies": .object(outcome.topologies),
            ],
            "host": [
                "seconds_wall": JSONValue(seconds),
                "emulations_run": .integer(outcome.runCount),
                "emulations_kept": .integer(outcome.keptCount),
                "machine": Provenance.hostRecord(topologyPath: ""),
            ],
        ]
        if let ablations {
            document["ablations"] = [
                "as_published": .bool(ablations.isAsPublished),
                "steps": .array(
                    ablations.steps.map { step in
                        [
                            "system": .string(step.system),
                            "published": JSONValue(step.published), "ours": JSONValue(step.ours),
                        ]
                    }),
                "workloads": .array(
                    ablationCases.map { workload in
                        [
                            "model": .string(workload.model),
                            "batch": .integer(workload.batchSize),
                            "ours": .array(workload.speeds.map { JSONValue($0) }),
                            "as_published": .bool(ablations.isAsPublished(workload)),
                        ]
                    }),
            ]
        }
        return .object(document)
    }

    private static func member(_ point: ReproducedPoint) -> JSONValue {
        func number(_ text: String) -> JSONValue {
            text.isEmpty ? .null : Int(text).map { .integer($0) } ?? .string(text)
        }
        return [
            "figure": .string(point.figure), "system": .string(point.system),
            "model": .string(point.model), "batch": number(point.batch),
            "gpu": .string(point.gpu), "dimms": number(point.dimms),
            "metric": .string(point.metric), "unit": .string(point.unit),
            "published": point.published.value.map { JSONValue($0) } ?? .null,
            "published_text": .string(point.published.text),
            "ours": point.ours.map { JSONValue($0) } ?? .null,
            "ratio": point.ratio.map { JSONValue($0) } ?? .null,
            "verdict": .string(point.verdict.rawValue), "origin": .string(point.origin.rawValue),
            "fitted": .bool(point.isFitted), "repeat": .bool(point.isRepeat),
            "note": .string(note(point)), "contradiction": .string(point.contradiction),
        ]
    }

    /// As it ran; seconds by part are those of the run.
    private func emulation(_ planned: PlannedEmulation) -> JSONValue? {
        guard let answer = outcome.answers[planned] else { return nil }
        var members: [String: JSONValue] = [
            "system": .string(planned.system), "model": .string(planned.model),
            "batch": .integer(planned.batchSize), "topology": .string(planned.topology),
            "settings": .array(planned.settings.map { .string($0) }),
        ]
        switch answer {
        case .unsupported(let reason): members["unsupported"] = .string(reason)
        case .timed(let figures):
            members["seconds"] = JSONValue(figures.totalSeconds)
            members["breakdown"] = .object(figures.parts.mapValues { JSONValue($0) })
        }
        return .object(members)
    }

    private static func member(_ error: SystemError) -> JSONValue {
        [
            "system": .string(error.system), "half": .string(error.half.rawValue),
            "points": .integer(error.pointCount),
            "geometric_mean": JSONValue(error.geometricMean), "worst": JSONValue(error.worst),
        ]
    }

    private static func member(_ curve: FigureCurve) -> JSONValue {
        [
            "figure": .string(curve.figure), "title": .string(curve.title),
            "points": .array(
                curve.points.map { point in
                    [
                        "label": .string(point.label), "x": JSONValue(point.x),
                        "y": point.y.map { JSONValue($0) } ?? .null,
                    ]
                }),
        ]
    }

    // MARK: Text

    func text() -> String {
        var table = TextTable([
            "figure and system", "model", "batch", "metric", "published", "ours", "ratio",
            "verdict",
        ])
        for point in points {
            table.add([
                "\(point.figure)  \(point.system)", point.model, point.batch, point.metric,
                point.published.text, point.ours.map { Digits.significant($0, 4) } ?? "-",
                point.ratio.map { Digits.significant($0, 3) } ?? "-",
                point.verdict.rawValue + Self.marks(point),
            ])
        }
        return
            (table.lines + [
                "",
                "* chosen by in calibration   = repeats another figure's   ! known contradiction",
                "",
            ] + errorLines + ablationLines + omissionLines).joined(separator: "\n") + "\n"
    }

    private static func marks(_ point: ReproducedPoint) -> String {
        (point.isFitted ? "*" : " ") + (point.isRepeat ? "=" : " ")
            + (point.contradiction.isEmpty ? " " : "!")
    }

    private var errorLines: [String] {
        guard !summary.errors.isEmpty else { return [] }
        var table = TextTable(["system", "half", "points", "error", "worst"])
        for error in summary.errors {
            table.add([
                error.system, error.half.rawValue, "\(error.pointCount)",
                Text.fixed(error.geometricMean, 3), Text.fixed(error.worst, 2),
            ])
        }
        let correlation = summary.rankCorrelation.map { Text.fixed($0, 4) } ?? "-"
        return ["Error: exp(mean |ln(ours / published)|)"] + table.lines
            + ["Spearman over \(summary.scoredCount) throughputs: \(correlation)", ""]
    }

    private var ablationLines: [String] {
        guard let ablations else { return [] }
        var table = TextTable(["MLP over Hermes-random", "published", "ours", "ratio"])
        for step in ablations.steps {
            table.add([
                step.system, Text.fixed(step.published, 2), Text.fixed(step.ours, 2),
                Text.fixed(step.ours / step.published, 2),
            ])
        }
        func word(_ isAsPublished: Bool) -> String {
            isAsPublished ? "as published" : "not as published"
        }
        let cases = ablationCases.map { workload in
            let speeds = workload.speeds.map { Text.fixed($0, 2) }.joined(separator: ", ")
            let order = word(ablations.isAsPublished(workload))
            return "  \(workload.model), batch \(workload.batchSize): \(speeds): \(order)"
        }
        let title = "Order of the ablations: \(word(ablations.isAsPublished))"
        return table.lines + [title] + cases + [""]
    }

    private var omissionLines: [String] {
        plan.omissions.isEmpty ? [] : ["Left out:"] + plan.omissions.map { "  " + $0 }
    }
}
