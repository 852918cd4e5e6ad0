package import Quantities
package import Topology

/// The links of a topology by index, and which of them a message crosses: what every role of a
/// run has to agree on.
///
/// PCIe comes first and is shared by all DIMMs; then the channels, each shared by its DIMMs; then
/// the interconnects, shared by what crosses between two NUMA nodes; then the DIMM-links, one per
/// pair.
package struct LinkPlan: Sendable {
    package struct Link: Sendable {
        /// As results show it: `pcie`, `channel 0`, `interconnect 0-1`, `dimm-link 0-1`.
        package let name: String
        package let bandwidth: Bandwidth
        package let latency: EmulatedDuration
    }

    /// Index of the link between GPU and host.
    package static let pcie = 0

    package private(set) var links: [Link]
    /// Which links a message between GPU and DIMM crosses, by DIMM.
    package let paths: [[Int]]
    private var dimmLinks: [Topology.DIMMPair: Int] = [:]

    package init(_ topology: Topology) {
        links = [
            Link(
                name: "pcie", bandwidth: topology.pcie.effectiveBandwidth,
                latency: topology.pcie.latency)
        ]
        for channel in topology.channels {
            links.append(
                Link(
                    name: "channel \(channel.index)", bandwidth: channel.peakBandwidth,
                    latency: channel.latency))
        }
        var crossings: [[Int]: Int] = [:]
        for link in topology.interconnect?.links ?? [] {
            crossings[[link.lowerNode, link.upperNode]] = links.count
            links.append(
                Link(
                    name: "interconnect \(link.lowerNode)-\(link.upperNode)",
                    bandwidth: link.bandwidth, latency: link.latency))
        }
        for pair in topology.dimmLinks?.pairs ?? [] {
            guard let link = topology.dimmLinks else { break }
            dimmLinks[pair] = links.count
            links.append(
                Link(
                    name: "dimm-link \(pair.lower)-\(pair.upper)", bandwidth: link.bandwidth,
                    latency: link.latency))
        }
        // The GPU is at home on the node of channel 0.
        let gpuNode = topology.channels.first.flatMap { Self.node($0.nodeSet) }
        paths = topology.dimms.map { dimm in
            var path = [Self.pcie, 1 + dimm.channelIndex]
            if let gpuNode, let node = Self.node(dimm.nodeSet),
                let crossing = crossings[[min(gpuNode, node), max(gpuNode, node)]]
            {
                path.append(crossing)
            }
            return path
        }
    }

    /// The link between two DIMMs, in either direction; `nil` where they have none.
    package func dimmLink(between first: Int, and second: Int) -> Int? {
        first == second ? nil : dimmLinks[Topology.DIMMPair(first, second)]
    }

    /// The node of a set that names exactly one, absolutely.
    private static func node(_ set: NodeSet) -> Int? { Int(set.description) }
}
