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
    private let plan: LinkPlan

    /// - Parameter hostTakesPart: whether the host CPU stands in for the DIMMs: one unit, which
    ///   nothing but PCIe parts from the GPU.
    package init(_ topology: Topology, hostTakesPart: Bool = false) {
        plan = LinkPlan(topology)
        gpu = GPUModel(topology.gpu)
        links = LinkTable(
            plan.links.map { LinkSchedule(bandwidth: $0.bandwidth, latency: $0.latency) })
        linkNames = plan.links.map(\.name)
        paths = hostTakesPart ? [[LinkPlan.pcie]] : plan.paths
    }

    /// Books a transfer over some of the links.
    mutating func transfer(
        _ byteCount: Int, over path: [Int], readyAt: EmulatedTime, record: (Int, Booking) -> Void
    ) throws(CoordinatorError) -> PathBooking {
        do {
            return try links.transfer(
                ByteCount(UInt64(byteCount)), over: path, readyAt: readyAt, record: record)
        } catch {
            throw .time("\(error)")
        }
    }

    /// Which links a DIMM's weights cross when they are loaded from the host's memory: all of its
    /// path but PCIe.
    func hostPath(toDIMM dimm: Int) -> [Int] {
        let path = paths[dimm].filter { $0 != LinkPlan.pcie }
        // A host CPU that computes itself has no channel of its own in the topology.
        return path.isEmpty ? paths[dimm] : path
    }

    /// The link between two DIMMs; `nil` where they have none.
    func dimmLink(between first: Int, and second: Int) -> Int? {
        plan.dimmLink(between: first, and: second)
    }

    /// How long the GPU takes for a kernel between two synchronisations.
    func kernelDuration(byteCount: Int, macCount: Int) -> EmulatedDuration {
        gpu.synchronisedDuration(
            of: gpu.kernel(
                byteCount: ByteCount(UInt64(byteCount)), operationCount: 2 * UInt64(macCount)))
    }

    /// Weights of neurons that reach the GPU while a kernel runs: what the slowest link on the
    /// way carries in the kernel's time, its latency taken off.
    func byteCountInShadow(of kernel: EmulatedDuration) -> Int {
        let crossed = Set(paths.joined())
        return crossed.map { link in
            let latency = links[link].latency
            guard kernel > latency else { return 0 }
            return Int(
                clamping: links[link].bandwidth.byteCount(in: kernel - latency).bytes)
        }.min() ?? 0
    }
}
