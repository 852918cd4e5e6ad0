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

    package init(_ topology: Topology) {
        let plan = LinkPlan(topology)
        gpu = GPUModel(topology.gpu)
        links = LinkTable(
            plan.links.map { LinkSchedule(bandwidth: $0.bandwidth, latency: $0.latency) })
        linkNames = plan.links.map(\.name)
        paths = plan.paths
    }

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
