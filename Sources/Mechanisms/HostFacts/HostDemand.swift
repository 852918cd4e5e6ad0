/// What a topology, and if known a model, asks of the machine.
package struct HostDemand: Equatable, Sendable {
    /// One worker: where it is bound, and how much memory it fills.
    package struct Worker: Equatable, Sendable {
        /// Whose CPUs it runs on.
        package let nodes: [Int]
        /// Where its memory is to come from.
        package let memoryNodes: [Int]
        /// `nil` without a model, and on another host.
        package let byteCount: Int?
        /// Whether its memory is to come from the kernel's pool of huge pages.
        package let takesPooledPages: Bool

        package init(
            nodes: [Int], memoryNodes: [Int]? = nil, byteCount: Int?,
            takesPooledPages: Bool = false
        ) {
            self.takesPooledPages = takesPooledPages
            self.nodes = nodes
            self.memoryNodes = memoryNodes ?? nodes
            self.byteCount = byteCount
        }
    }

    package let topologyName: String
    package let dimmCount: Int
    /// How many of them have their workers on other hosts.
    package let farDIMMCount: Int
    /// In DIMM order; empty when ``nodeProblem`` is set.
    package let workers: [Worker]
    /// Why the topology's nodes cannot be had here.
    package let nodeProblem: String?
    /// What is only modelled here, if anything.
    package let nodeRemark: String?
    /// All rings together; `nil` without a model.
    package let ringByteCount: Int?
    /// Weights, caches, rings and processes; `nil` without a model.
    package let byteCount: Int?

    package init(
        topologyName: String, dimmCount: Int, farDIMMCount: Int = 0, workers: [Worker],
        nodeProblem: String?,
        nodeRemark: String? = nil, ringByteCount: Int? = nil, byteCount: Int? = nil
    ) {
        self.topologyName = topologyName
        self.dimmCount = dimmCount
        self.farDIMMCount = farDIMMCount
        self.workers = workers
        self.nodeProblem = nodeProblem
        self.nodeRemark = nodeRemark
        self.ringByteCount = ringByteCount
        self.byteCount = byteCount
    }

    /// The coordinator and one worker for each DIMM of this machine.
    package var processCount: Int { 1 + dimmCount - farDIMMCount }
}
