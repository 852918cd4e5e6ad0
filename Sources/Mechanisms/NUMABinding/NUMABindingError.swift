package import SystemPackage

/// Why a binding or a query was not obtained.
package enum NUMABindingError: Error, Equatable, CustomStringConvertible {
    /// The kernel offers no memory policies to this process (not built in, or filtered).
    case unavailable(reason: String)
    /// The machine has no such node.
    case noSuchNode(Int, existing: [Int])
    /// The node exists, but the cpuset of this process forbids its memory.
    case nodeNotAllowed(Int, allowed: [Int])
    /// The node has CPUs only.
    case nodeWithoutMemory(Int)
    /// None of the nodes' CPUs is in the inherited affinity mask; a memory-only node has none.
    case noAllowedCPU(nodes: [Int], allowed: [Int])
    /// The kernel refused a call: EPERM from a container's filter, EIO for pages that stay put.
    case refused(call: String, cause: Errno)

    package var description: String {
        switch self {
        case .unavailable(let reason):
            "NUMA is not available: \(reason)"
        case .noSuchNode(let node, let existing):
            "NUMA node \(node) does not exist; this machine has \(existing)"
        case .nodeNotAllowed(let node, let allowed):
            "memory of NUMA node \(node) is not allowed by the cpuset; allowed are \(allowed)"
        case .nodeWithoutMemory(let node):
            "NUMA node \(node) has no memory"
        case .noAllowedCPU(let nodes, let allowed):
            "no CPU of NUMA nodes \(nodes) is among those allowed, \(allowed)"
        case .refused(let call, let cause):
            "\(call) refused: \(cause) (errno \(cause.rawValue))"
        }
    }
}
