import Foundation
import Reporting

/// A sweep as table, CSV, JSON and figures.
struct SweepReport {
    let grid: SweepGrid
    let records: [SweepRecord]
    let cost: SweepCommand.Cost
    /// `nil` where nobody asked for joules.
    let energies: EnergyModel?
    let outcome: EmulationSeries.Outcome
    let seed: UInt64

    private static let measures: [(name: String, value: @Sendable (EmulationFigures) -> Double?)] =
        [
            ("tokens_per_second", { $0.tokensPerSecond }),
            ("prefill_seconds", { $0.prefillSeconds }),
            ("decode_seconds", { $0.decodeSeconds }), ("resident_share", { $0.residentShare }),
            ("imbalance_mean", { $0.imbalanceMean }),
            ("predictor_accuracy", { $0.predictorAccuracy }),
        ]

    /// Writes sweep.csv, sweep.json and, if asked to, figures/.
    ///
    /// Nothing in the first depends on the machine or on how often the sweep was interrupted.
    func write(to folder: String, withFigures: Bool) throws {
        try WholeFile.write(Array(csv.utf8), to: folder + "/sweep.csv")
        try WholeFile.write(Array(json().rendered().utf8), to: folder + "/sweep.json")
        guard withFigures else { return }
        let charts = SweepCharts(axes: grid.axes, records: records, costLabel: cost.label).all
        _ = try FigureFiles.draw(charts, in: folder + "/figures")
    }

    private var isOnFront: [Bool] { ParetoFront.members(records) }

    private func joules(_ record: SweepRecord) -> Double? {
        record.figures.flatMap { energies?.joulesPerToken(of: $0) }
    }

    private static func reason(_ record: SweepRecord) -> String {
        if case .unsupported(let reason) = record.answer { return reason }
        return ""
    }

    private var csv: String {
        var titles = grid.axes.map(\.name) + Self.measures.map(\.name)
        titles += ["joules_per_token", "cost_\(cost.rawValue)", "pareto", "unsupported"]
        let lines = zip(records, isOnFront).map { CSVText.line(cells($0, isOnFront: $1)) }
        return CSVText.line(titles) + lines.joined()
    }

    private func cells(_ record: SweepRecord, isOnFront: Bool) -> [String] {
        func text(_ value: Double?) -> String {
            value.map { Digits.significant($0, 8) } ?? ""
        }
        var cells = record.values
        for measure in Self.measures { cells.append(text(record.figures.flatMap(measure.value))) }
        cells += [text(joules(record)), text(record.cost), "\(isOnFront)", Self.reason(record)]
        return cells
    }

    func json() -> JSONValue {
        let base = grid.base
        return [
            "axes": .array(
                grid.axes.map { axis in
                    [
                        "name": .string(axis.name),
                        "values": .array(axis.values.map { .string($0) }),
                    ]
                }),
            "points": .array(zip(records, isOnFront).map { member($0, isOnFront: $1) }),
            "cost": .string(cost.rawValue), "seed": .unsigned(seed),
            "base": [
                "system": .string(base.system), "model": .string(base.model),
                "batch": .integer(base.batchSize),
                "prompt_tokens": .integer(base.promptTokenCount),
                "tokens": .integer(base.tokenCount), "topology": .string(base.topology),
                "settings": .array(base.settings.map { .string($0) }),
            ],
            "provenance": [
                "program": Provenance.program, "topologies": .object(outcome.topologies),
            ],
            "host": [
                "emulations_run": .integer(outcome.runCount),
                "emulations_kept": .integer(outcome.keptCount),
                "machine": Provenance.hostRecord(topologyPath: base.topology),
            ],
        ]
    }

    private func member(_ record: SweepRecord, isOnFront: Bool) -> JSONValue {
        let values = zip(grid.axes, record.values).map { ($0.name, JSONValue.string($1)) }
        var members: [String: JSONValue] = [
            "values": .object(Dictionary(uniqueKeysWithValues: values)),
            "cost": record.cost.map { JSONValue($0) } ?? .null, "pareto": .bool(isOnFront),
            "unsupported": record.figures == nil ? .string(Self.reason(record)) : .null,
        ]
        for (name, value) in Self.measures {
            members[name] = record.figures.flatMap(value).map { JSONValue($0) } ?? .null
        }
        members["joules_per_token"] = joules(record).map { JSONValue($0) } ?? .null
        if let figures = record.figures {
            members["breakdown"] = .object(figures.parts.mapValues { JSONValue($0) })
        }
        return .object(members)
    }

    func text() -> String {
        var table = TextTable(
            grid.axes.map(\.name) + ["tokens/s", cost.label, "Pareto front"])
        for (record, isOnFront) in zip(records, isOnFront) {
            table.add(
                record.values + [
                    record.tokensPerSecond.map { Digits.significant($0, 4) } ?? "not supported",
                    record.cost.map { Digits.significant($0, 4) } ?? "-", isOnFront ? "yes" : "",
                ])
        }
        return table.lines.joined(separator: "\n") + "\n"
    }
}
