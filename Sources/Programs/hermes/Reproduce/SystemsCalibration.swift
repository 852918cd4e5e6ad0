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

    init(table: PublishedTable) throws {
        let points = try Self.points(of: table)
        let names = Set(points.map(\.model)).sorted()
        let (topology, _) = try TopologyFile.load("rtx4090-8dimm", assignments: [])
        let file = try ComparedSystemsFile.load()
        do {
            calibration = try BaselineTiming.Calibration(
                points: points, models: names.map { try ModelCatalogueFile.load($0).model },
                topology: topology)
            shipped = file.systems
            calibrated = try calibration.calibrated(from: file.systems)
            text = try calibrated.written(into: file.text, fileName: file.path)
            isAsShipped = text == file.text
        } catch let error as BaselineTimingError {
            throw Failure(.badInput, "\(error)")
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

    private func errors() throws -> [(
        system: String, half: String, error: BaselineTiming.Calibration.GeometricError
    )] {
        do {
            return try ComparedSystem.allCases.flatMap { system in
                try [true, false].compactMap { isFitted in
                    try calibration.error(of: system, isFitted: isFitted, systems: calibrated)
                        .map { (system.rawValue, isFitted ? "fitted" : "held-out", $0) }
                }
            }
        } catch {
            throw Failure(.internalFault, "\(error)")
        }
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
        return (values.lines + ["", word, "", "Errors by the closed form:"] + table.lines)
            .joined(separator: "\n") + "\n"
    }
}
