/// One NUMA node as the kernel describes it.
package struct NUMANode: Equatable, Sendable {
    /// The kernel's number; numbers may have gaps.
    package let number: Int
    /// 0 on a node that has CPUs only.
    package let memoryByteCount: Int
    /// The kernel's CPU numbers, ascending; none on a memory-only node.
    package let cpus: [Int]

    package init(number: Int, memoryByteCount: Int, cpus: [Int]) {
        self.number = number
        self.memoryByteCount = memoryByteCount
        self.cpus = cpus
    }
}

/// The machine's NUMA nodes and what of them this process may use.
package struct NUMAMachine: Equatable, Sendable {
    /// Why there is nothing to bind to; nil where NUMA calls work.
    package let unavailableReason: String?
    /// Ascending by number; empty when unavailable.
    package let nodes: [NUMANode]
    /// Numbers of the nodes whose memory the cpuset allows, ascending.
    package let allowedNodes: [Int]
    /// CPUs of the affinity mask that this process inherited (cpuset, taskset, Slurm), ascending.
    package let allowedCPUs: [Int]
    /// Row and column in the order of ``nodes``; 10 is local, 20 twice as far (ACPI SLIT), and 0
    /// means that the firmware does not tell.
    package let distances: [[Int]]

    package init(
        unavailableReason: String? = nil, nodes: [NUMANode], allowedNodes: [Int],
        allowedCPUs: [Int], distances: [[Int]]
    ) {
        precondition(distances.count == nodes.count)
        precondition(distances.allSatisfy { $0.count == nodes.count })
        self.unavailableReason = unavailableReason
        self.nodes = nodes
        self.allowedNodes = allowedNodes
        self.allowedCPUs = allowedCPUs
        self.distances = distances
    }

    /// This machine, looked at once, before the first binding of this process narrows its view.
    package static let current = inspectMachine()

    package var isAvailable: Bool { unavailableReason == nil }

    /// Numbers of the nodes that exist, ascending.
    package var nodeNumbers: [Int] { nodes.map(\.number) }

    /// The CPUs to which threads of these nodes may be bound, ascending.
    ///
    /// - Parameter numbers: at least one node.
    /// - Throws: a node does not exist, or none of their CPUs is allowed.
    package func bindableCPUs(ofNodes numbers: [Int]) throws(NUMABindingError) -> [Int] {
        let allowed = Set(allowedCPUs)
        let cpus = try existingNodes(numbers).flatMap(\.cpus).filter(allowed.contains)
        guard !cpus.isEmpty else { throw .noAllowedCPU(nodes: numbers, allowed: allowedCPUs) }
        return Set(cpus).sorted()
    }

    /// Checks that memory can be asked of every one of these nodes.
    ///
    /// The kernel takes a set of which only some nodes are usable, and silently uses those.
    ///
    /// - Parameter numbers: at least one node.
    package func checkMemory(ofNodes numbers: [Int]) throws(NUMABindingError) {
        for node in try existingNodes(numbers) {
            guard node.memoryByteCount > 0 else { throw .nodeWithoutMemory(node.number) }
            guard allowedNodes.contains(node.number) else {
                throw .nodeNotAllowed(node.number, allowed: allowedNodes)
            }
        }
    }

    private func existingNodes(_ numbers: [Int]) throws(NUMABindingError) -> [NUMANode] {
        precondition(!numbers.isEmpty)
        if let unavailableReason { throw .unavailable(reason: unavailableReason) }
        var found: [NUMANode] = []
        for number in numbers {
            guard let node = nodes.first(where: { $0.number == number }) else {
                throw .noSuchNode(number, existing: nodeNumbers)
            }
            found.append(node)
        }
        return found
    }
}
