import HardwareModel
import Pacing
import Quantities
package import Topology

/// The parts of the topology whose time the coordinator keeps: the GPU and the shared links.
package struct EmulatedMachine: Sendable {
    let gpu: GPUModel
    private(set) var links: LinkTable
    /// Names of the links, as results show them.
    let linkNames: [String]
    /// Which links a message between GPU and DIMM crosses, by DIMM.
    let paths: [[Int]]

    /// PCIe is shared by all DIMMs, a channel by its DIMMs, an interconnect by what crosses
    /// between the GPU's node (that of channel 0) and the DIMM's.
    package init(_ topology: Topology) {
        gpu = GPUModel(topology.gpu)
        var schedules = [
            LinkSchedule(
                bandwidth: topology.pcie.effectiveBandwidth, latency: topology.pcie.latency)
        ]
        var names = ["pcie"]
        for channel in topology.channels {
            schedules.append(
                LinkSchedule(bandwidth: channel.peakBandwidth, latency: channel.latency))
            names.append("channel \(channel.index)")
        }
        var crossings: [[Int]: Int] = [:]
        for link in topology.interconnect?.links ?? [] {
            crossings[[link.lowerNode, link.upperNode]] = schedules.count
            schedules.append(LinkSchedule(bandwidth: link.bandwidth, latency: link.latency))
            names.append("interconnect \(link.lowerNode)-\(link.upperNode)")
        }
        for pair in topology.dimmLinks?.pairs ?? [] {
            guard let link = topology.dimmLinks else { break }
            schedules.append(LinkSchedule(bandwidth: link.bandwidth, latency: link.latency))
            names.append("dimm-link \(pair.lower)-\(pair.upper)")
        }
        let gpuNode = topology.channels.first.flatMap { Self.node($0.nodeSet) }
        paths = topology.dimms.map { dimm in
            var path = [0, 1 + dimm.channelIndex]
            if let gpuNode, let node = Self.node(dimm.nodeSet),
                let crossing = crossings[[min(gpuNode, node), max(gpuNode, node)]]
            {
                path.append(crossing)
            }
            return path
        }
        links = LinkTable(schedules)
        linkNames = names
    }

    /// The node of a set that names exactly one, absolutely.
    private static func node(_ set: NodeSet) -> Int? { Int(set.description) }

    /// Books a transfer over the links between GPU and a DIMM.
    mutating func transfer(
        _ byteCount: Int, dimm: Int, readyAt: EmulatedTime, record: (Int, Booking) -> Void
    ) throws(CoordinatorError) -> PathBooking {
        do {
            return try links.transfer(
                ByteCount(UInt64(byteCount)), over: paths[dimm], readyAt: readyAt, record: record)
        } catch {
            throw .time("\(error)")
        }
    }
}
