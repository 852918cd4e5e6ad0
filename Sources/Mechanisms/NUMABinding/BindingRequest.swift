/// What was asked for one worker, to hold the kernel's answers against.
package struct BindingRequest: Equatable, Sendable {
    /// The nodes on whose CPUs its threads may run, ascending.
    package let processors: [Int]
    /// Where its memory is to come from; `nil` when nothing at all is bound.
    package let memory: MemoryPolicy?

    package init(processors: [Int], memory: MemoryPolicy?) {
        self.processors = processors
        self.memory = memory
    }

    /// Whether the kernel has to keep to the nodes: a preference may be left when a node is full.
    package var isPromise: Bool {
        switch memory {
        case .bind, .interleave: true
        case .standard, .preferred, .local, nil: false
        }
    }

    /// The nodes where pages are to lie; `nil` when they may lie anywhere.
    package var memoryNodes: [Int]? {
        switch memory {
        case .bind(let nodes), .interleave(let nodes): nodes
        case .preferred(let node): [node]
        case .local: processors
        case .standard, nil: nil
        }
    }

    /// Applies it to the calling thread, CPUs first.
    package func apply() throws(NUMABindingError) {
        guard let memory else { return }
        try NUMABinding.bindThreadCPUs(toNodes: processors)
        try NUMABinding.setThreadPolicy(memory)
    }

    /// Pages of a region that lie elsewhere than asked.
    package func pageCountElsewhere(_ pageCountByNode: [Int: Int]) -> Int {
        guard let memoryNodes else { return 0 }
        return pageCountByNode.reduce(0) { sum, entry in
            memoryNodes.contains(entry.key) ? sum : sum + entry.value
        }
    }

    /// Threads that ran elsewhere than asked.
    package func threadCountElsewhere(_ threadCountByNode: [Int: Int]) -> Int {
        guard memory != nil else { return 0 }
        return threadCountByNode.reduce(0) { sum, entry in
            processors.contains(entry.key) ? sum : sum + entry.value
        }
    }

    /// What differs from what was asked: "16 of 64 pages of weights are on node 1, not 0".
    ///
    /// - Parameter pages: of each region by name, by node.
    package func mismatches(
        pages: [(region: String, countByNode: [Int: Int])], threads: [Int: Int]
    ) -> [String] {
        var mismatches: [String] = []
        for (region, counts) in pages {
            let elsewhere = pageCountElsewhere(counts)
            guard elsewhere > 0 else { continue }
            let total = counts.values.reduce(0, +)
            let asked = (memoryNodes ?? []).map { String($0) }.joined(separator: ",")
            let found = counts.filter { !(memoryNodes ?? []).contains($0.key) }.keys.sorted()
                .map { String($0) }.joined(separator: ",")
            mismatches.append(
                "\(elsewhere) of \(total) pages of \(region) are on node \(found), not \(asked)")
        }
        if threadCountElsewhere(threads) > 0 {
            let found = threads.keys.sorted().map { String($0) }.joined(separator: ",")
            let asked = processors.map { String($0) }.joined(separator: ",")
            mismatches.append("threads ran on node \(found), not \(asked)")
        }
        return mismatches
    }
}
