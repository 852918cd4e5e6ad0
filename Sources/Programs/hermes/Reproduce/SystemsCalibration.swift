import BaselineTiming
import ModelCatalogue
import Reporting
import Topology

/// `reproduce --calibrate`: chooses the calibrated values of the compared systems anew, on the
/// fitted half of the published throughputs and nothing else.
struct SystemsCalibration {
    /// As in force.
    let shipped: ComparedSystems
    let calibrated: ComparedSystems
    /// The file with the new values.
    let text: String
    /// Whether it is the shipped one to the byte.
    let isAsShipped: Bool
    private let calibration: BaselineTiming.Calibration

    /// - Parameters:
    ///   - series: emulates Hermes-host's fitted points, and keeps the answers.
    ///   - rules: prompt, tokens and seed of these runs.
    ///   - standardTokenCount: that published speeds are stated for.
    ///   - helperCount: processes that emulate at the same time as this one.
    init(
        table: PublishedTable, series: EmulationSeries, rules: PointRules, standardTokenCount: Int,
        helperCount: Int
    ) throws {
        let points = try Self.points(of: table)
        let names = Set(points.map(\.model)).sorted()
        let (topology, _) = try TopologyFile.load("rtx4090-8dimm", assignments: [])
        let file = try ComparedSystemsFile.load()
        do {
            calibration = try BaselineTiming.Calibration(
                points: points, models: names.map { try ModelCatalogueFile.load($0).model },
                topology: topology,
                hostRuns: HostRuns(
                    try Self.hostRuns(
                        points,
                        series.run(
                            Self.emulations(table, rules), helperCount: helperCount
                        ).answers, rules, standardTokenCount),
                    with: file.systems.host))
            shipped = file.systems
            calibrated = try calibration.calibrated(from: file.systems)
            text = try calibrated.written(into: file.text, fileName: file.path)
            isAsShipped = text == file.text
        } catch let error as BaselineTimingError {
            throw Failure(.badInput, "\(error)")
        }
    }

    /// What calibration emulates.
    static func emulations(
        _ table: PublishedTable, _ rules: PointRules
    ) throws -> [PlannedEmulation] {
        try emulated(points(of: table)).map { run($0, rules) }
    }

    private static func emulated(_ points: [PublishedPoint]) -> [PublishedPoint] {
        points.filter { $0.system == .hermesHost && $0.isFitted }
    }

    private static func run(_ point: PublishedPoint, _ rules: PointRules) -> PlannedEmulation {
        rules.run(point.system.rawValue, point.model, point.batchSize)
    }

    /// Hermes-host's points of the fitted half, emulated as `reproduce` does it with the values in
    /// force; held-out ones are not run at all.
    private static func hostRuns(
        _ points: [PublishedPoint], _ answers: [PlannedEmulation: EmulationAnswer],
        _ rules: PointRules, _ standardTokenCount: Int
    ) throws -> [HostRun] {
        try emulated(points).map { point in
            let emulation = run(point, rules)
            guard case .timed(let short) = answers[emulation],
                case let figures = short.extrapolated(toTokens: standardTokenCount),
                let bytes = figures.neuronReadBytes
            else {
                throw Failure(.internalFault, "\(emulation.description) was not timed")
            }
            let layerCount = try ModelCatalogueFile.load(point.model).model.layerCount
            return HostRun(
                model: point.model, batchSize: point.batchSize,
                tokenCount: point.batchSize * figures.tokenCount, seconds: figures.totalSeconds,
                neuronReadBytes: bytes, stepCount: 3 * layerCount * figures.decodedTokenCount)
        }
    }

    /// Every run once: repeats state what another figure states.
    private static func points(of table: PublishedTable) throws -> [PublishedPoint] {
        try table.rows.filter { $0.metric == "throughput" && !$0.isRepeat }.map { row in
            guard let system = ComparedSystem(rawValue: row.system.lowercased()),
                let batch = Int(row.batch), let value = row.published.value
            else {
                throw Failure(.internalFault, "no throughput of a compared system: \(row)")
            }
            return PublishedPoint(
                system: system, model: row.model, batchSize: batch, published: value,
                isFitted: row.isFitted)
        }
    }

    // MARK: What came of it

    private var changes: [(path: String, old: String, new: String)] {
        zip(shipped.calibratedValues, calibrated.calibratedValues).map {
            ($0.path, $0.value, $1.value)
        }
    }

    private typealias ErrorRow = (
        system: String, half: String, error: BaselineTiming.Calibration.GeometricError
    )

    /// Of the fitted points, of each of them by values that the others chose, and of those held
    /// out.
    private func errors() throws -> [ErrorRow] {
        do {
            return try ComparedSystem.allCases.flatMap { system in
                [
                    ("fitted", try error(of: system, isFitted: true)),
                    (
                        "left-out",
                        try calibration.errorLeavingOneOut(of: system, systems: calibrated)
                    ),
                    // What is held out of Hermes-host was not emulated.
                    (
                        "held-out",
                        system == .hermesHost ? nil : try error(of: system, isFitted: false)
                    ),
                ].compactMap { name, error in error.map { (system.rawValue, name, $0) } }
            }
        } catch {
            throw Failure(.internalFault, "\(error)")
        }
    }

    private func error(
        of system: ComparedSystem, isFitted: Bool
    ) throws -> BaselineTiming.Calibration.GeometricError? {
        try calibration.error(of: system, isFitted: isFitted, systems: calibrated)
    }

    func json() throws -> JSONValue {
        [
            "values": .array(
                changes.map { path, old, new in
                    ["path": .string(path), "shipped": .string(old), "calibrated": .string(new)]
                }),
            "as_shipped": .bool(isAsShipped),
            "errors": .array(
                try errors().map { system, half, error in
                    [
                        "system": .string(system), "half": .string(half),
                        "points": .integer(error.pointCount),
                        "geometric_mean": JSONValue(error.mean), "worst": JSONValue(error.worst),
                    ]
                }),
            "provenance": ["program": Provenance.program],
        ]
    }

    func report() throws -> String {
        var values = TextTable(["value", "shipped", "calibrated"])
        for (path, old, new) in changes { values.add([path, old, new]) }
        var table = TextTable(["system", "half", "points", "error", "worst"])
        for (system, half, error) in try errors() {
            table.add([
                system, half, "\(error.pointCount)", Text.fixed(error.mean, 3),
                Text.fixed(error.worst, 2),
            ])
        }
        let word = isAsShipped ? "The shipped values are these." : "The shipped values differ."
        let title = "Errors by the closed form, of hermes-host by emulation:"
        return (values.lines + ["", word, "", title] + table.lines).joined(separator: "\n") + "\n"
    }
}
