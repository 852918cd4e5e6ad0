import ArgumentParser
import HardwareModel
import Topology

/// `hermes topology dram`: what the DRAM model says of given workloads, row by row.
struct TopologyDRAM: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dram",
        abstract: "Sustained DRAM bandwidth of given rows, from DDR timing.",
        discussion: """
            Reads the columns mode (host_channel, ndp_center_buffer), ranks, pattern (seq,
            rand_block), block_bytes, mapping, refresh (on, off) and write_fraction; others are
            passed through. Timing comes from DIMM 0 of the topology.

            Examples:
              hermes topology dram --rows rows.csv
              hermes topology dram --rows rows.csv --topology rtx4090-8dimm --json -
            """)

    @Option(help: "CSV file with a header line.")
    var rows: String

    @OptionGroup var arguments: TopologyArguments
    @OptionGroup var output: OutputOptions

    func run() throws {
        let (topology, _) = try arguments.load()
        let base = try configuration(of: topology)
        let table = try CSVTable(
            text: try text(), name: rows,
            required: [
                "mode", "ranks", "pattern", "block_bytes", "mapping", "refresh",
                "write_fraction",
            ])
        var results: [DRAMEfficiency] = []
        for row in table.rows.indices {
            results.append(try efficiency(table, row, basedOn: base))
        }
        if !output.writesJSONToStandardOutput { try Terminal.emit(render(table, results)) }
        try output.deliver(
            .object(["rows": .array(table.rows.indices.map { json(table, $0, results[$0]) })]))
    }

    private func configuration(of topology: Topology) throws -> DRAMConfiguration {
        guard let dimm = topology.dimms.first else {
            throw Failure(.badInput, "the topology has no DIMM")
        }
        return DRAMConfiguration(dimm)
    }

    private func text() throws -> String {
        let bytes = try WholeFile.read(rows, what: "rows file")
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.badInput, "rows file '\(rows)' is not valid UTF-8")
        }
        return text
    }

    private func efficiency(
        _ table: CSVTable, _ row: Int, basedOn base: DRAMConfiguration
    ) throws -> DRAMEfficiency {
        do {
            let query = try DRAMQuery(
                mode: table.value("mode", row), ranks: table.value("ranks", row),
                pattern: table.value("pattern", row),
                blockBytes: table.value("block_bytes", row),
                mapping: table.value("mapping", row), refresh: table.value("refresh", row),
                writeFraction: table.value("write_fraction", row))
            return try query.model(basedOn: base).efficiency(of: query.workload)
        } catch {
            throw Failure(.badInput, "\(rows):\(table.lineNumbers[row]): \(error)")
        }
    }

    private func render(_ table: CSVTable, _ results: [DRAMEfficiency]) -> String {
        var lines = [
            (table.columns + ["predicted_gbps", "predicted_efficiency"]).joined(separator: ",")
        ]
        for (row, result) in results.enumerated() {
            let added = [Text.fixed(result.gigabytesPerSecond, 4), Text.fixed(result.share, 4)]
            lines.append((table.rows[row] + added).joined(separator: ","))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func json(_ table: CSVTable, _ row: Int, _ result: DRAMEfficiency) -> JSONValue {
        var members = Dictionary(
            zip(table.columns, table.rows[row].map { JSONValue.string($0) }),
            uniquingKeysWith: { first, _ in first })
        members["predicted_gbps"] = JSONValue(result.gigabytesPerSecond)
        members["predicted_efficiency"] = JSONValue(result.share)
        return .object(members)
    }
}

/// A plain CSV file of numbers and words: a header, then rows; no quoting.
struct CSVTable {
    let columns: [String]
    let rows: [[String]]
    /// Where each row stands in the file, from 1.
    let lineNumbers: [Int]
    private let name: String

    /// Throws exit 65 for missing columns and rows of another length.
    init(text: String, name: String, required: [String]) throws {
        self.name = name
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.last == "\r" ? $0.dropLast() : $0 }
        guard let header = lines.first, !header.isEmpty else {
            throw Failure(.badInput, "'\(name)' is empty; it needs a header line")
        }
        let columns = Self.fields(header)
        self.columns = columns
        if let missing = required.first(where: { !columns.contains($0) }) {
            throw Failure(.badInput, "\(name):1: column '\(missing)' is missing")
        }
        var rows: [[String]] = []
        var numbers: [Int] = []
        for (index, line) in lines.enumerated().dropFirst() where !line.isEmpty {
            let fields = Self.fields(line)
            guard fields.count == columns.count else {
                throw Failure(
                    .badInput,
                    "\(name):\(index + 1): \(fields.count) fields, the header has "
                        + "\(columns.count)")
            }
            rows.append(fields)
            numbers.append(index + 1)
        }
        self.rows = rows
        lineNumbers = numbers
    }

    private static func fields(_ line: Substring) -> [String] {
        line.split(separator: ",", omittingEmptySubsequences: false).map { field in
            String(field.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }

    func value(_ column: String, _ row: Int) -> String {
        columns.firstIndex(of: column).map { rows[row][$0] } ?? ""
    }
}
