import ArgumentParser
import MappedMemory
import NUMABinding
import NodeMeasurement
import RingTransport
import Supervision
import Topology
import Transformer

/// `hermes numa`: what node placement does to cold-neuron compute, measured.
struct NumaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "numa",
        abstract: "Measures what NUMA placement costs: the machine, the kernel, whole runs.",
        discussion: """
            matrix: reads and latency from every node to every node, rings between all pairs.
            kernel: the workers' own feed-forward kernel on the model's weights, by placement.
            runs:   tokens/s of whole runs, by placement.

            Medians with half the range as spread, over rounds that go through all cases in turn.
            On a machine with one node it measures what there is and says what it cannot show.

            Examples:
              hermes numa
              hermes numa --parts matrix --json matrix.json --figures figures
              hermes numa --parts runs --topology 4-dimm --placements local,remote --rounds 7
            """)

    enum Part: String, CaseIterable, ExpressibleByArgument {
        case matrix, kernel, runs
    }

    @Option(help: "What to measure: matrix, kernel, runs; comma-separated (default: all).")
    var parts = CommaList(Part.allCases)

    @Option(
        help: "Placements to compare, comma-separated: local, remote, interleaved, first-touch.")
    var placements = CommaList(NodePlacement.allCases)

    @Option(help: "How often everything is repeated.")
    var rounds = 5

    @Option(help: "Megabytes that the matrix reads from each node; far above the last cache.")
    var megabytes = 256

    @Option(help: "Workers of the kernel part, comma-separated (default: 1 up to the cores).")
    var workers: CommaList<Int>?

    @Option(help: "Shares of rows to compute in the kernel part, comma-separated.")
    var rows = CommaList([1.0, 0.3])

    @Option(help: "Topology of the whole runs: a file, or the name of a shipped one.")
    var topology = "2-dimm"

    @Option(help: "Tokens of each whole run.")
    var tokens = 32

    @Option(help: "GGUF model file (default: the default model).")
    var model: String?

    @Option(help: "Folder for figures (SVG), drawn with gnuplot.")
    var figures: String?

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard rounds >= 1, megabytes >= 1, tokens >= 2 else {
            throw ValidationError("--rounds and --megabytes are at least 1, --tokens at least 2")
        }
        guard (workers?.elements ?? [1]).allSatisfy({ (1...1024).contains($0) }) else {
            throw ValidationError("--workers must lie between 1 and 1024")
        }
        guard rows.elements.allSatisfy({ $0 > 0 && $0 <= 1 }) else {
            throw ValidationError("--rows are shares above 0, at most 1")
        }
    }

    func run() throws {
        try StopSignals.install()
        try output.prepare()
        let report = try measured()
        if !output.writesJSONToStandardOutput { try Terminal.emit(report.text()) }
        try output.deliver(report.json())
        if let figures {
            for path in try NumaFigures(report: report, folder: figures).draw() {
                Terminal.complain("hermes: drew \(path)")
            }
        }
    }

    /// What the kernel refuses on the way is this machine's lack.
    private func measured() throws -> NumaReport {
        do {
            return try measure(on: try usableNodes())
        } catch let error as NUMABindingError {
            throw Failure(.machineLacks, "NUMA binding: \(error)")
        } catch let error as MappedMemoryError {
            throw Failure(.machineLacks, error.description)
        } catch let error as RingError {
            throw Failure(.machineLacks, "shared memory for the rings: \(error)")
        }
    }

    /// Nodes with CPUs and memory that this process may use.
    private func usableNodes() throws -> [Int] {
        let machine = NUMAMachine.current
        if let reason = machine.unavailableReason {
            throw Failure(.machineLacks, "NUMA is not available: \(reason)")
        }
        let nodes = machine.nodeNumbers.filter { node in
            (try? machine.bindableCPUs(ofNodes: [node])) != nil
                && (try? machine.checkMemory(ofNodes: [node])) != nil
        }
        guard !nodes.isEmpty else {
            throw Failure(.machineLacks, "no node has both CPUs and memory for this process")
        }
        return nodes
    }

    private func measure(on nodes: [Int]) throws -> NumaReport {
        let wanted = Set(parts.elements)
        let shown = placements.elements.filter { $0 != .remote || nodes.count > 1 }
        var limits: [String] = []
        if nodes.count == 1 {
            limits.append(
                "this machine has one node: remote memory is not there; differences between the "
                    + "placements below are noise, since all their pages lie on node \(nodes[0])")
        }
        let matrix = NodeMatrix(
            nodes: nodes, roundCount: rounds, byteCount: megabytes * 1_000_000)
        let cells = wanted.contains(.matrix) ? try matrix.measureReads() : []
        let rings = wanted.contains(.matrix) ? try matrix.measureRings() : []
        let kernels = wanted.contains(.kernel) ? try kernelCells(nodes, shown, &limits) : []
        let runs = wanted.contains(.runs) ? try runCells(nodes, shown) : []
        return NumaReport(
            nodes: nodes, cells: cells, rings: rings, kernels: kernels, runs: runs,
            limits: limits)
    }

    private func kernelCells(
        _ nodes: [Int], _ placements: [NodePlacement], _ limits: inout [String]
    ) throws -> [KernelCell] {
        let cores = CPUAvailability.current().usableCoreCount
        let counts = workers?.elements ?? Array(1...cores)
        if let most = counts.max(), most > cores {
            limits.append("\(most) workers have \(cores) cores: they take turns")
        }
        let opened = try LoadedModel.open(
            model ?? Locations.defaultModel(), isDefault: model == nil)
        return try KernelMeasurement(
            model: opened, nodes: nodes, placements: placements, workerCounts: counts,
            activeShares: rows.elements, roundCount: rounds
        ).measure()
    }

    private func runCells(_ nodes: [Int], _ placements: [NodePlacement]) throws -> [RunCell] {
        let (parsed, path) = try TopologyFile.load(topology, assignments: [])
        return try PlacedRuns(
            topologyPath: path, dimmCount: parsed.dimms.count, modelPath: model, nodes: nodes,
            placements: placements, roundCount: rounds, tokenCount: tokens
        ).measure()
    }
}

/// Several values of one option: "local,remote".
struct CommaList<Element: ExpressibleByArgument>: ExpressibleByArgument {
    let elements: [Element]

    init(_ elements: [Element]) { self.elements = elements }

    init?(argument: String) {
        let parsed = argument.split(separator: ",", omittingEmptySubsequences: false)
            .map { Element(argument: String($0)) }
        let known = parsed.compactMap { $0 }
        guard !known.isEmpty, known.count == parsed.count else { return nil }
        elements = known
    }

    var defaultValueDescription: String {
        elements.map(\.defaultValueDescription).joined(separator: ",")
    }
}
