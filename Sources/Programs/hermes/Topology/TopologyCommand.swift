import ArgumentParser
import NUMABinding
import Topology

/// `hermes topology`: look at topology files.
struct TopologyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topology",
        abstract: "Shows, checks or examines a topology.",
        discussion: """
            Examples:
              hermes topology show --topology rtx4090-8dimm
              hermes topology check my-machine.yaml
              hermes topology synthesize > this-machine.yaml
            """,
        subcommands: [
            TopologyShow.self, TopologyCheck.self, TopologySynthesize.self, TopologyDRAM.self,
        ])
}

/// Which topology, for both subcommands.
struct TopologyArguments: ParsableArguments {
    @Argument(help: "A topology file, or the name of a shipped one.")
    var file: String?

    @Option(help: "The same, as an option.")
    var topology: String?

    @Option(name: .customLong("set"), help: "Override a topology value: path=value.")
    var assignments: [String] = []

    func validate() throws {
        guard file == nil || topology == nil else {
            throw ValidationError("give the topology once, as an argument or with --topology")
        }
    }

    func load() throws -> (Topology, String) {
        try TopologyFile.load(
            file ?? topology ?? TopologyFile.standard, assignments: assignments)
    }
}

/// `hermes topology show`: the topology as resolved, with every default filled in.
struct TopologyShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Prints the topology with every default filled in.")

    @OptionGroup var arguments: TopologyArguments
    @OptionGroup var output: OutputOptions

    func run() throws {
        let (topology, path) = try arguments.load()
        Terminal.complain(topology.summaryTable())
        if !output.writesJSONToStandardOutput { try Terminal.emit(topology.rendered()) }
        try output.deliver(
            .object([
                "file": .string(path), "nodes": topology.nodesJSON,
                "topology": topology.resolvedJSON,
            ]))
    }
}

/// `hermes topology check`: every problem of a file, or "ok".
struct TopologyCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Reports every problem of a topology file.")

    @OptionGroup var arguments: TopologyArguments
    @OptionGroup var output: OutputOptions

    func run() throws {
        let (topology, path) = try arguments.load()
        let assignment = try WorkerFleet.nodeAssignment(of: topology)
        for remark in assignment.remarks { Terminal.complain("hermes: \(remark)") }
        if !output.writesJSONToStandardOutput {
            try Terminal.emit(
                "ok: \(path): \(topology.channels.count) channels, "
                    + "\(topology.dimms.count) DIMMs\n")
        }
        try output.deliver(.object(["file": .string(path), "ok": true]))
    }
}

extension Topology {
    /// The NUMA nodes that a machine needs for this topology, and their distances where stated.
    fileprivate var nodesJSON: JSONValue {
        .object([
            "count": neededNodeCount.map { .integer($0) } ?? .null,
            "distances": .array(
                (interconnect?.distances?.rows ?? []).map { .array($0.map { .integer($0) }) }),
        ])
    }

    /// The resolved values by path, for results.
    var resolvedJSON: JSONValue {
        .object(
            Dictionary(
                resolved.map { ($0.path, JSONValue.string($0.value)) },
                uniquingKeysWith: { first, _ in first }))
    }
}
