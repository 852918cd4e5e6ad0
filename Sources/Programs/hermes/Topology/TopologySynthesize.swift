import ArgumentParser
import Foundation
import NUMABinding
import NodeMeasurement
import Supervision
import Topology

/// `hermes topology synthesize`: a topology file from a machine.
struct TopologySynthesize: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "synthesize",
        abstract: "Derives a topology from this machine, or from an hwloc synthetic string.",
        discussion: """
            Of this machine, nodes come from the kernel, and links between them are measured. Of \
            an hwloc string the NUMA nodes are taken, and links follow from --remote-distance; \
            sizes that it states say nothing of NDP-DIMMs. hwloc's own lstopo-no-graphics reads it.

            Examples:
              hermes topology synthesize > this-machine.yaml
              hermes topology synthesize --hwloc "Package:2 [NUMANode(memory=64GB)] Core:8 PU:1"
            """)

    @Option(help: "hwloc synthetic description of a machine, as lstopo --of synthetic writes it.")
    var hwloc: String?

    @Option(help: "DIMMs on each node, one channel each.")
    var dimmsPerNode = 1

    @Option(help: "Distance between different nodes of an hwloc string; 10 is local.")
    var remoteDistance = 20

    @Option(help: "What the topology calls itself.")
    var name = "synthesized"

    func validate() throws {
        guard (1...64).contains(dimmsPerNode) else {
            throw ValidationError("--dimms-per-node must lie between 1 and 64")
        }
        guard (11...255).contains(remoteDistance) else {
            throw ValidationError("--remote-distance must lie between 11 and 255")
        }
    }

    func run() throws {
        try StopSignals.install()
        let synthesis =
            try hwloc.map(synthesis(ofDescription:)) ?? synthesisOfThisMachine()
        let text = synthesis.text()
        // What is printed must be what the other commands read.
        do {
            _ = try Topology.parse(text, fileName: "the synthesized topology")
        } catch {
            throw Failure(.badInput, "\(error)")
        }
        try Terminal.emit(text)
    }

    // MARK: This machine

    private func synthesisOfThisMachine() throws -> Synthesis {
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
        let cells =
            nodes.count < 2
            ? []
            : try NodeMatrix(nodes: nodes, roundCount: 3, byteCount: 128_000_000).measureReads()
        return Synthesis(
            name: name, origin: "this machine", nodes: nodes, dimmsPerNode: dimmsPerNode,
            links: Self.measuredLinks(cells, nodes: nodes))
    }

    /// Of a pair, the slower direction; what remote loads take longer than local ones.
    private static func measuredLinks(_ cells: [MatrixCell], nodes: [Int]) -> [Synthesis.Link] {
        func cell(_ from: Int, _ to: Int) -> MatrixCell? {
            cells.first { $0.processorNode == from && $0.memoryNode == to }
        }
        return Synthesis.pairs(of: nodes).compactMap { first, second in
            guard let there = cell(first, second), let back = cell(second, first),
                let own = cell(first, first), let other = cell(second, second)
            else { return nil }
            let remote = max(there.latency.median, back.latency.median)
            let local = min(own.latency.median, other.latency.median)
            return Synthesis.Link(
                first: first, second: second,
                bandwidth: min(there.bandwidth.median, back.bandwidth.median),
                latency: max(0, remote - local),
                source: "measured by hermes topology synthesize, median of 3")
        }
    }

    // MARK: hwloc

    private func synthesis(ofDescription text: String) throws -> Synthesis {
        let nodes = try HwlocMachine.nodes(ofDescription: text)
        // As much as the node's channels together; the latency is that of the shipped topology.
        let local = Double(dimmsPerNode) * Synthesis.channelBandwidth
        let distance = Double(remoteDistance)
        return Synthesis(
            name: name, origin: "hwloc's \(text)", nodes: nodes, dimmsPerNode: dimmsPerNode,
            links: Synthesis.pairs(of: nodes).map { first, second in
                Synthesis.Link(
                    first: first, second: second, bandwidth: local * 10 / distance,
                    latency: Synthesis.localLatency * (distance - 10) / 10,
                    source: "assumption: distance \(remoteDistance), so 10/\(remoteDistance) of "
                        + "the node's channels")
            })
    }
}

/// A topology file about to be written.
struct Synthesis {
    struct Link {
        let first: Int
        let second: Int
        /// Bytes per second.
        let bandwidth: Double
        /// Seconds.
        let latency: Double
        let source: String
    }

    /// 3200 MT/s x 8 B, JESD79-4: the channel of every shipped topology.
    static let channelBandwidth = 25.6e9
    /// As in topology/two-socket-8dimm.yaml, an assumption.
    static let localLatency = 90e-9

    let name: String
    let origin: String
    let nodes: [Int]
    let dimmsPerNode: Int
    let links: [Link]

    static func pairs(of nodes: [Int]) -> [(Int, Int)] {
        nodes.flatMap { first in nodes.filter { $0 > first }.map { (first, $0) } }
    }

    func text() -> String {
        var lines = [
            "# Written by hermes topology synthesize from \(Self.oneLine(origin)).",
            "# Keys left out take the values of rtx4090-8dimm.yaml.",
            "format: 1", "name: \"\(Self.escaped(name))\"", "",
            "channels:  # rate: assumption, DDR4-3200, 3200 MT/s x 8 B. JESD79-4; what is really",
            "  # plugged in, firmware tells the administrator: dmidecode -t memory",
        ]
        for (position, node) in nodes.enumerated() {
            for dimm in 0..<dimmsPerNode {
                let index = position * dimmsPerNode + dimm
                lines.append(
                    "  - { node: \(node), rate: 25.6 GB/s, latency: 30 ns, dimms: [\(index)] }")
            }
        }
        if !links.isEmpty {
            lines += ["", "interconnect:", "  links:"]
            lines += links.flatMap { link in
                [
                    "    # \(link.source)",
                    "    - { nodes: [\(link.first), \(link.second)], bandwidth: "
                        + "\(Text.fixed(link.bandwidth / 1e9, 2)) GB/s, latency: "
                        + "\(Text.fixed(link.latency * 1e9, 1)) ns }",
                ]
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func oneLine(_ text: String) -> String {
        String(text.map { $0.isNewline ? " " : $0 })
    }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "\\", with: "\\\\")
            .replacingOccurrences(of: "\"", with: "\\\"")
    }
}
