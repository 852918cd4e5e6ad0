import NUMABinding
import NodeMeasurement

/// What `numa` found: as tables, as JSON.
struct NumaReport {
    let nodes: [Int]
    let cells: [MatrixCell]
    let rings: [RingCell]
    let kernels: [KernelCell]
    let runs: [RunCell]
    /// What this machine cannot show, each with the reason.
    let limits: [String]

    // MARK: Tables

    func text() -> String {
        var lines: [String] = []
        if !cells.isEmpty { lines += matrixLines + ringLines }
        if !kernels.isEmpty { lines += kernelLines }
        if !runs.isEmpty { lines += runLines }
        lines += limits.map { "not shown: \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    private var matrixLines: [String] {
        var table = TextTable(["CPUs of node", "memory of node", "GB/s", "±", "ns a load", "±"])
        for cell in cells {
            table.add([
                "\(cell.processorNode)", "\(cell.memoryNode)",
                Text.fixed(cell.bandwidth.median / 1e9, 2), Self.spread(cell.bandwidth),
                Text.fixed(cell.latency.median * 1e9, 1), Self.spread(cell.latency),
            ])
        }
        let elsewhere = cells.reduce(0) { $0 + $1.pagesElsewhere }
        return ["Reads, all CPUs of a node together; latency of one thread (measured)"]
            + table.lines
            + ["pages elsewhere: \(elsewhere)", ""]
    }

    private var ringLines: [String] {
        var table = TextTable(["nodes", "round trip us", "±", "GB/s one way", "±"])
        for cell in rings {
            table.add([
                "\(cell.first)-\(cell.second)", Text.fixed(cell.roundTrip.median * 1e6, 2),
                Self.spread(cell.roundTrip), Text.fixed(cell.throughput.median / 1e9, 2),
                Self.spread(cell.throughput),
            ])
        }
        return ["Rings between two threads (measured)"] + table.lines + [""]
    }

    private var kernelLines: [String] {
        var table = TextTable([
            "placement", "workers", "rows", "ms a pass", "±", "GB/s", "slowdown",
        ])
        for cell in kernels {
            table.add([
                cell.placement.rawValue, "\(cell.workerCount)",
                "\(Text.fixed(100 * cell.activeShare, 0)) %",
                Text.fixed(cell.seconds.median * 1e3, 3), Self.spread(cell.seconds),
                Text.fixed(Double(cell.byteCount) / cell.seconds.median / 1e9, 2),
                slowdown(of: cell).map { Text.fixed($0, 3) } ?? "-",
            ])
        }
        return ["Feed-forward neurons of all layers, the workers' kernel (measured)"] + table.lines
            + [""]
    }

    private var runLines: [String] {
        var table = TextTable(["placement", "tokens/s", "±", "slowdown", "pages elsewhere"])
        for cell in runs {
            table.add([
                cell.placement.rawValue, Text.fixed(cell.tokensPerSecond.median, 2),
                Self.spread(cell.tokensPerSecond),
                slowdown(of: cell).map { Text.fixed($0, 3) } ?? "-", "\(cell.pagesElsewhere)",
            ])
        }
        return ["Whole runs, native clock (measured)"] + table.lines + [""]
    }

    private static func spread(_ samples: Samples) -> String {
        "\(Text.fixed(100 * samples.relativeSpread, 1)) %"
    }

    /// Time over that of local placement, all else equal.
    func slowdown(of cell: KernelCell) -> Double? {
        let local = kernels.first {
            $0.placement == .local && $0.workerCount == cell.workerCount
                && $0.activeShare == cell.activeShare
        }
        return local.map { cell.seconds.median / $0.seconds.median }
    }

    func slowdown(of cell: RunCell) -> Double? {
        runs.first { $0.placement == .local }
            .map { $0.tokensPerSecond.median / cell.tokensPerSecond.median }
    }

    // MARK: JSON

    func json() -> JSONValue {
        .object([
            "provenance": Provenance.program,
            "host": .object([
                "basis": "measured",
                "nodes": .array(nodes.map { .integer($0) }),
                "matrix": .array(cells.map(Self.json)),
                "rings": .array(rings.map(Self.json)),
                "kernel": .array(kernels.map(json)),
                "runs": .array(runs.map(json)),
                "not_shown": .array(limits.map { .string($0) }),
                "provenance": Provenance.hostRecord(topologyPath: ""),
            ]),
        ])
    }

    private static func json(_ samples: Samples) -> JSONValue {
        .object([
            "median": JSONValue(samples.median), "min": JSONValue(samples.lowest),
            "max": JSONValue(samples.highest), "count": .integer(samples.count),
        ])
    }

    private static func json(_ cell: MatrixCell) -> JSONValue {
        .object([
            "cpu_node": .integer(cell.processorNode), "memory_node": .integer(cell.memoryNode),
            "bytes_per_second": json(cell.bandwidth), "latency_seconds": json(cell.latency),
            "pages_elsewhere": .integer(cell.pagesElsewhere),
        ])
    }

    private static func json(_ cell: RingCell) -> JSONValue {
        .object([
            "nodes": [.integer(cell.first), .integer(cell.second)],
            "round_trip_seconds": json(cell.roundTrip),
            "bytes_per_second": json(cell.throughput),
        ])
    }

    private func json(_ cell: KernelCell) -> JSONValue {
        .object([
            "placement": .string(cell.placement.rawValue),
            "workers": .integer(cell.workerCount), "active_share": JSONValue(cell.activeShare),
            "seconds": Self.json(cell.seconds), "bytes": .integer(cell.byteCount),
            "slowdown": slowdown(of: cell).map { JSONValue($0) } ?? .null,
        ])
    }

    private func json(_ cell: RunCell) -> JSONValue {
        .object([
            "placement": .string(cell.placement.rawValue),
            "tokens_per_second": Self.json(cell.tokensPerSecond),
            "slowdown": slowdown(of: cell).map { JSONValue($0) } ?? .null,
            "pages_elsewhere": .integer(cell.pagesElsewhere),
        ])
    }
}
