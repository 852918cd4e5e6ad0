import Coordinator
import Foundation
import Pacing
import Reporting
import SyntheticActivity
import Telemetry

/// A matrix as table, CSV, JSON and figures.
struct StressReport {
    let command: StressCommand
    let cells: [StressCell]
    let outcome: StressSeries.Outcome

    /// Names of measures and their values, as the CSV has them and JSON points.
    private static let measures: [(name: String, value: @Sendable (StressFigures) -> Double?)] = [
        ("tokens", { Double($0.tokenCount) }),
        ("imbalance_mean", { $0.meter.imbalance }),
        ("imbalance_p50", { $0.meter.imbalance(percentile: 50) }),
        ("imbalance_p99", { $0.meter.imbalance(percentile: 99) }),
        ("imbalance_max", { $0.meter.greatestImbalance }),
        ("over_perfect_division", { $0.meter.overPerfect }),
        ("neuron_imbalance_mean", { $0.countImbalance }),
        ("neuron_imbalance_unmoved_mean", { $0.countImbalanceUnmoved }),
        ("waiting_share", { $0.meter.waitingShare }), ("idle_share", { $0.meter.idleShare }),
        ("remaps", { Double($0.remapCount) }),
        ("remaps_refused", { Double($0.refusedRemapCount) }),
        ("remaps_aborted", { Double($0.abortedRemapCount) }),
        ("remap_bytes", { Double($0.remapByteCount) }),
        ("remap_link_seconds", { $0.isTimed ? $0.remapLinkSeconds : nil }),
        ("restarts", { Double($0.restartCount) }),
    ]

    /// Times by name, of which percentiles are given.
    private static let times:
        [(name: String, times: @Sendable (StressFigures) -> (TimeHistogram, scale: Double))] = [
            ("layer", { ($0.meter.layerTimes, $0.layerScale) }),
            ("layer_bound", { ($0.meter.layerBounds, $0.layerScale) }),
            ("round_trip", { ($0.meter.roundTrips, $0.roundTripScale) }),
        ]

    private static let percentiles: [(name: String, percent: Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p99_9", 99.9), ("max", 100),
    ]

    private func answer(_ cell: StressCell) -> StressAnswer? { outcome.answers[cell] }

    private func figures(_ cell: StressCell) -> StressFigures? {
        if case .measured(let figures) = answer(cell) { return figures }
        return nil
    }

    private func reason(_ cell: StressCell) -> String {
        if case .unsupported(let reason) = answer(cell) { return reason }
        return ""
    }

    private func dimmCount(_ cell: StressCell) -> Int { outcome.dimmCounts[cell.topology] ?? 0 }

    private var hasWindows: Bool { Set(cells.compactMap(\.windowTokenCount)).count > 1 }

    /// Writes stress.csv, stress.json and, if asked to, figures/.
    ///
    /// - Parameter document: of ``json()``, which looks at the clock.
    func write(_ document: JSONValue, to folder: String, withFigures: Bool) throws {
        try WholeFile.write(Array(csv.utf8), to: folder + "/stress.csv")
        try WholeFile.write(Array(document.rendered().utf8), to: folder + "/stress.json")
        guard withFigures else { return }
        _ = try FigureFiles.draw(charts, in: folder + "/figures")
    }

    /// Throws exit 76 when a paced cell missed more deadlines than it may.
    func checkFaithful(limit: Double) throws {
        for cell in cells {
            guard let missed = figures(cell)?.missedShare, missed > limit else { continue }
            throw Failure(
                .notFaithful,
                "not faithful: \(cell.description) missed "
                    + "\(Text.fixed(100 * missed, 1)) % of its deadlines; use a larger --dilation")
        }
    }

    // MARK: CSV

    private var csv: String {
        var titles = ["workload", "topology", "dimms", "policy", "window"]
        titles += Self.measures.map(\.name)
        for time in Self.times {
            titles += Self.percentiles.map { "\(time.name)_\($0.name)_seconds" }
            titles.append("\(time.name)_mean_seconds")
        }
        titles += ["most_often_last", "last_share", "unsupported"]
        return CSVText.line(titles) + cells.map { CSVText.line(csvCells($0)) }.joined()
    }

    private func csvCells(_ cell: StressCell) -> [String] {
        func text(_ value: Double?) -> String {
            value.map { Digits.significant($0, 8) } ?? ""
        }
        let figures = figures(cell)
        var texts = [
            "\(cell.workload)", cell.topology, "\(dimmCount(cell))", cell.policy.rawValue,
            cell.windowTokenCount.map { "\($0)" } ?? "",
        ]
        texts += Self.measures.map { text(figures.flatMap($0.value)) }
        for time in Self.times {
            let (times, scale) = figures.map(time.times) ?? (TimeHistogram(), 1)
            texts += Self.percentiles.map { text(times.seconds($0.percent, scale: scale)) }
            texts.append(text(times.mean.map { $0 * scale }))
        }
        let straggler = figures?.meter.mostOften
        texts += [
            straggler.map { "\($0.unit)" } ?? "", text(straggler?.share), reason(cell),
        ]
        return texts
    }

    // MARK: JSON

    func json() -> JSONValue {
        [
            "cells": .array(cells.map(member)), "seed": .unsigned(command.seed),
            "clock": .string("\(command.time.clock)"), "model": .string(command.model),
            "layers": .integer(command.layers), "batch": .integer(command.batch),
            "prompt_tokens": .integer(command.promptTokens), "tokens": .integer(command.tokens),
            "duration_seconds": command.duration.map { JSONValue($0) } ?? .null,
            "sessions": .integer(command.sessions), "neighbours": .integer(command.neighbours),
            "placement": .string(command.placement.rawValue),
            "adjustment": .string(command.hotCriterion.rawValue),
            "predictor": .string(command.predictor.rawValue),
            "slow_dimms": .object(
                Dictionary(
                    uniqueKeysWithValues: command.slowDimm.map {
                        ("\($0.dimm)", JSONValue($0.factor))
                    })),
            "provenance": [
                "program": Provenance.program, "topologies": .object(outcome.topologies),
            ],
            "host": [
                "cells_run": .integer(outcome.runCount),
                "cells_kept": .integer(outcome.keptCount),
                "machine": Provenance.hostRecord(topologyPath: command.topology),
            ],
        ]
    }

    private func member(_ cell: StressCell) -> JSONValue {
        var members: [String: JSONValue] = [
            "workload": .string("\(cell.workload)"), "topology": .string(cell.topology),
            "dimms": .integer(dimmCount(cell)), "policy": .string(cell.policy.rawValue),
            "window": cell.windowTokenCount.map { .integer($0) } ?? .null,
            "unsupported": reason(cell).isEmpty ? .null : .string(reason(cell)),
        ]
        guard let figures = figures(cell) else { return .object(members) }
        for (name, value) in Self.measures {
            members[name] = value(figures).map { JSONValue($0) } ?? .null
        }
        var host: [String: JSONValue] = ["seconds_wall": JSONValue(figures.wallSeconds)]
        for (name, times) in Self.times {
            let (histogram, scale) = times(figures)
            let isWall = name == "round_trip" ? figures.hasWallRoundTrips : !figures.isTimed
            let value = Self.member(histogram, scale: scale)
            if isWall {
                host[name + "_seconds"] = value
            } else {
                members[name + "_seconds"] = value
            }
        }
        if let dilation = figures.dilation {
            host["dilation"] = .string(dilation)
            host["missed_share"] = JSONValue(figures.missedShare ?? 0)
        }
        members["imbalance_of_tokens"] = .array(figures.meter.imbalances.map { JSONValue($0) })
        members["stragglers"] = .array(stragglers(figures))
        members["seconds_emulated"] =
            figures.isTimed ? JSONValue(figures.emulatedSeconds) : .null
        members["host"] = .object(host)
        return .object(members)
    }

    private func stragglers(_ figures: StressFigures) -> [JSONValue] {
        let meter = figures.meter
        let scale = figures.isTimed ? figures.layerScale : 1
        return (0..<meter.unitCount).map { unit in
            let count = meter.stragglerCounts[unit]
            let excess = count > 0 ? meter.stragglerExcess[unit] * scale / Double(count) : 0
            return [
                "dimm": .integer(unit), "last_count": .integer(count),
                "last_share": JSONValue(Double(count) / Double(max(1, meter.stepCount))),
                (figures.isTimed ? "excess_mean_seconds" : "excess_mean_neurons"):
                    JSONValue(excess),
                "busy_share": figures.isTimed && meter.elapsed > 0
                    ? JSONValue(Double(meter.busy[unit]) / Double(meter.elapsed)) : .null,
            ]
        }
    }

    private static func member(_ times: TimeHistogram, scale: Double) -> JSONValue {
        guard let mean = times.mean else { return .null }
        var members: [String: JSONValue] = [
            "count": .unsigned(times.count), "mean": JSONValue(mean * scale),
        ]
        for (name, percent) in percentiles {
            members[name] = times.seconds(percent, scale: scale).map { JSONValue($0) } ?? .null
        }
        return .object(members)
    }

    // MARK: Text

    func text() -> String {
        var table = TextTable([
            "workload", "DIMMs", "policy", "imbalance", "p99", "waiting", "layer us p50", "p99",
            "p99.9", "bound us", "trip us p50", "p99", "remaps", "MB", "last",
        ])
        for cell in cells { table.add(row(cell)) }
        return table.lines.joined(separator: "\n") + "\n"
    }

    private func row(_ cell: StressCell) -> [String] {
        let start = [
            cell.workload.label, "\(dimmCount(cell))", cell.policyName(withWindow: hasWindows),
        ]
        guard let figures = figures(cell) else { return start + ["not supported"] }
        func text(_ value: Double?, _ decimals: Int) -> String {
            value.map { Text.fixed($0, decimals) } ?? "-"
        }
        let meter = figures.meter
        func layer(_ percent: Double) -> String {
            text(meter.layerTimes.seconds(percent, scale: figures.layerScale * 1e6), 1)
        }
        func trip(_ percent: Double) -> String {
            text(meter.roundTrips.seconds(percent, scale: figures.roundTripScale * 1e6), 1)
        }
        let straggler = meter.mostOften.map { "\($0.unit): \(Text.fixed(100 * $0.share, 0)) %" }
        return start + [
            text(meter.imbalance, 3), text(meter.imbalance(percentile: 99), 3),
            meter.waitingShare.map { Text.fixed(100 * $0, 1) + " %" } ?? "-", layer(50), layer(99),
            layer(99.9),
            text(meter.layerBounds.seconds(50, scale: figures.layerScale * 1e6), 1), trip(50),
            trip(99), "\(figures.remapCount)", Text.fixed(Double(figures.remapByteCount) / 1e6, 1),
            straggler ?? "-",
        ]
    }

    // MARK: Figures

    private var charts: [Chart] {
        StressCharts(
            points: cells.map { cell in
                let figures = figures(cell)
                return StressPoint(
                    workload: cell.workload.label, topology: cell.topology,
                    dimmCount: dimmCount(cell), policy: cell.policyName(withWindow: hasWindows),
                    overPerfect: figures?.meter.overPerfect,
                    layerMicroseconds: figures.flatMap { figures in
                        figures.meter.layerTimes.mean.map { $0 * figures.layerScale * 1e6 }
                    },
                    boundMicroseconds: figures.flatMap { figures in
                        figures.meter.layerBounds.mean.map { $0 * figures.layerScale * 1e6 }
                    },
                    imbalances: figures?.meter.imbalances ?? [])
            }, isEmulated: command.time.clock != .native, sessionCount: command.sessions
        ).all
    }
}

extension StressFigures {
    /// Seconds of a layer time's unit.
    var layerScale: Double { isTimed ? 1e-12 : 1e-9 }
    var roundTripScale: Double { hasWallRoundTrips ? 1e-9 : 1e-12 }
}

extension TimeHistogram {
    fileprivate func seconds(_ percent: Double, scale: Double) -> Double? {
        percentile(percent).map { Double($0) * scale }
    }
}

extension BalanceMeter {
    /// The unit that was last in most steps, the lowest of equals, and in what share of them.
    fileprivate var mostOften: (unit: Int, share: Double)? {
        guard stepCount > 0, let most = stragglerCounts.max(),
            let unit = stragglerCounts.firstIndex(of: most)
        else { return nil }
        return (unit, Double(most) / Double(stepCount))
    }
}
