internal import SystemPackage

/// Where the kernel takes new pages from.
package enum MemoryPolicy: Equatable, Sendable {
    /// As the thread (for a region) or the system (for a thread) does by default.
    case standard
    /// From these nodes only; an allocation that they cannot serve fails.
    case bind([Int])
    /// From this node while it has room.
    case preferred(Int)
    /// From these nodes in turn, page by page.
    case interleave([Int])
    /// From the node on which the allocating thread runs.
    case local

    /// The nodes named; none for ``standard`` and ``local``.
    package var nodes: [Int] {
        switch self {
        case .standard, .local: []
        case .preferred(let node): [node]
        case .bind(let nodes), .interleave(let nodes): nodes
        }
    }
}

/// Binds threads and memory to NUMA nodes, and tells where they really are.
///
/// Every refusal of the kernel is thrown with the call's name; what to do about it is the caller's
/// choice. On a machine with one node all of this is trivially satisfied, and still executed.
package enum NUMABinding {
    /// Binds the calling thread: its CPUs to those of the nodes, its new pages to their memory.
    ///
    /// Threads started later by this one inherit both. If memory is refused, the CPUs stay bound:
    /// see ``bindThreadCPUs(toNodes:)`` and ``setThreadPolicy(_:)`` to do one without the other.
    ///
    /// - Parameter nodes: at least one. Empty intersections and unusable nodes throw before
    ///   anything is changed.
    package static func bindThread(toNodes nodes: [Int]) throws(NUMABindingError) {
        try NUMAMachine.current.checkMemory(ofNodes: nodes)
        try bindThreadCPUs(toNodes: nodes)
        try setThreadPolicy(.bind(nodes))
    }

    /// Binds the calling thread to the nodes' CPUs, as far as the inherited mask allows them.
    ///
    /// libnuma's own `numa_run_on_node_mask` would widen a mask set by taskset or Slurm.
    package static func bindThreadCPUs(toNodes nodes: [Int]) throws(NUMABindingError) {
        try setAffinity(to: try NUMAMachine.current.bindableCPUs(ofNodes: nodes))
    }

    /// Binds the calling thread to CPUs, ascending; at least one.
    package static func bindThread(toCPUs cpus: [Int]) throws(NUMABindingError) {
        precondition(!cpus.isEmpty)
        try setAffinity(to: cpus)
    }

    /// Binds every thread that this process has now to CPUs; later ones inherit them.
    ///
    /// A thread that ends meanwhile is no refusal.
    package static func bindProcess(toCPUs cpus: [Int]) throws(NUMABindingError) {
        precondition(!cpus.isEmpty)
        try setAffinity(to: cpus)
        for thread in ownThreads() {
            do throws(NUMABindingError) {
                try setAffinity(ofThread: thread, to: cpus)
            } catch NUMABindingError.refused(_, cause: .noSuchProcess) {
                continue
            }
        }
    }

    /// Sets from where the calling thread's new pages come.
    package static func setThreadPolicy(_ policy: MemoryPolicy) throws(NUMABindingError) {
        try check(policy)
        try applyThreadPolicy(policy)
    }

    /// From where the calling thread's new pages come, as the kernel says.
    package static func threadPolicy() throws(NUMABindingError) -> MemoryPolicy {
        try checkAvailable()
        return try queryThreadPolicy()
    }

    /// Binds a region to the nodes' memory: present pages of ours are moved, later ones come from
    /// there.
    ///
    /// - Parameter region: starts on a page boundary; the last page is bound as a whole.
    /// - Throws: ``NUMABindingError/refused(call:cause:)`` with EIO when a page lies elsewhere and
    ///   cannot be moved, such as one that other processes map too.
    package static func bindMemory(
        _ region: RawSpan, toNodes nodes: [Int]
    ) throws(NUMABindingError) {
        try setMemoryPolicy(.bind(nodes), of: region)
    }

    /// As ``bindMemory(_:toNodes:)``, for any policy.
    package static func setMemoryPolicy(
        _ policy: MemoryPolicy, of region: RawSpan
    ) throws(NUMABindingError) {
        try check(policy)
        try applyPolicy(policy, to: addresses(of: region))
    }

    /// As ``setMemoryPolicy(_:of:)``, for memory that other processes write, of which no span may
    /// exist.
    ///
    /// - Parameter addresses: of this process; starts on a page boundary.
    package static func setMemoryPolicy(
        _ policy: MemoryPolicy, ofAddresses addresses: Range<UInt>
    ) throws(NUMABindingError) {
        try check(policy)
        try applyPolicy(policy, to: addresses)
    }

    /// As ``pagePlacement(of:)``, for memory that other processes write.
    package static func pagePlacement(
        ofAddresses addresses: Range<UInt>
    ) throws(NUMABindingError) -> PagePlacement {
        try checkAvailable()
        return try queryPlacement(of: addresses)
    }

    /// Where the pages of a region are, asked of the kernel page by page.
    ///
    /// - Complexity: one system call per 4096 pages.
    package static func pagePlacement(of region: RawSpan) throws(NUMABindingError) -> PagePlacement
    {
        try checkAvailable()
        return try queryPlacement(of: addresses(of: region))
    }

    /// The node on whose CPU the calling thread runs at this moment.
    package static func currentNode() throws(NUMABindingError) -> Int {
        try queryCurrentPlace().node
    }

    /// The CPU on which the calling thread runs at this moment.
    package static func currentCPU() throws(NUMABindingError) -> Int {
        try queryCurrentPlace().cpu
    }

    /// The CPUs on which any thread of this process may run, ascending.
    package static func processCPUs() throws(NUMABindingError) -> [Int] {
        var cpus: Set<Int> = []
        for thread in ownThreads() {
            do throws(NUMABindingError) {
                cpus.formUnion(try queryAffinity(ofThread: thread))
            } catch NUMABindingError.refused(_, cause: .noSuchProcess) {
                continue
            }
        }
        return cpus.sorted()
    }

    /// The CPUs on which the calling thread may run, ascending.
    package static func threadCPUs() throws(NUMABindingError) -> [Int] {
        try queryAffinity(ofThread: 0)
    }

    private static func check(_ policy: MemoryPolicy) throws(NUMABindingError) {
        switch policy {
        case .standard, .local: try checkAvailable()
        case .bind, .preferred, .interleave:
            try NUMAMachine.current.checkMemory(ofNodes: policy.nodes)
        }
    }

    private static func checkAvailable() throws(NUMABindingError) {
        if let reason = NUMAMachine.current.unavailableReason {
            throw .unavailable(reason: reason)
        }
    }
}

/// Where the pages of a region are.
package struct PagePlacement: Equatable, Sendable {
    /// Number of base pages present on each node.
    package var pageCountByNode: [Int: Int] = [:]
    /// Not present for this process: never touched, swapped out, or of a file and not yet mapped.
    package var untouchedPageCount = 0
    /// The shared page of zeros (read, never written), and what is mapped from no memory.
    package var unplacedPageCount = 0

    package init() {}

    /// All pages of the region.
    package var pageCount: Int {
        pageCountByNode.values.reduce(untouchedPageCount + unplacedPageCount, +)
    }

    /// Pages that are present on other nodes than these.
    package func pageCount(elsewhereThan nodes: [Int]) -> Int {
        pageCountByNode.reduce(0) { sum, entry in
            nodes.contains(entry.key) ? sum : sum + entry.value
        }
    }

    /// Adds another region's pages.
    package static func += (total: inout PagePlacement, other: PagePlacement) {
        total.pageCountByNode.merge(other.pageCountByNode, uniquingKeysWith: +)
        total.untouchedPageCount += other.untouchedPageCount
        total.unplacedPageCount += other.unplacedPageCount
    }
}
