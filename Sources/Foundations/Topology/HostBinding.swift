import CheckedYAML

extension Topology {
    /// How the emulating machine is to hold a DIMM: a choice of the user, no property of the DIMM.
    package struct HostBinding: Equatable, Sendable {
        /// Where the worker's new pages come from.
        package let policy: MemoryChoice
        /// The nodes that ``policy`` speaks of; `nil` means those of the worker's CPUs.
        package let memoryNodeSet: NodeSet?
        /// What a node set of several nodes means.
        package let spread: NodeSpread
        /// On whose node a ring's memory lies.
        package let rings: RingSide
        package let hugePages: HugePageChoice
        /// Whether weights and KV cache are locked against being moved out (mlock).
        package let locksMemory: Bool

        /// As a file that says nothing.
        package static let standard = HostBinding(
            policy: .bind, memoryNodeSet: nil, spread: .together, rings: .consumer,
            hugePages: .off, locksMemory: false)
    }

    package enum MemoryChoice: String, CaseIterable, Sendable {
        /// From the nodes only.
        case bind
        /// From the first of the nodes while it has room.
        case preferred
        /// From the nodes in turn, page by page.
        case interleave
        /// From the node where the thread runs, which is bound to its nodes' CPUs.
        case local
        /// Nothing is bound: pages lie where the first thread to touch them happened to run.
        case firstTouch = "first-touch"
    }

    package enum NodeSpread: String, CaseIterable, Sendable {
        /// The worker may use all nodes of its set.
        case together
        /// Each DIMM takes one node of its set, by its index in turn.
        case inTurn = "in-turn"
    }

    package enum RingSide: String, CaseIterable, Sendable {
        case producer
        case consumer
    }

    package enum HugePageChoice: String, CaseIterable, Sendable {
        case off
        /// Transparent ones, asked for by madvise.
        case madvise
        /// Of the kernel's pool, which the administrator makes (MAP_HUGETLB).
        case hugetlbfs
    }
}

extension DIMMParts {
    /// Reads how the emulating machine is to hold a DIMM.
    func makeBinding(from section: Section) -> Topology.HostBinding {
        var section = section
        let policy = section.choice("policy", what: "memory policy", or: Topology.MemoryChoice.bind)
        let memory = section.nodeSet("memory", unless: "own")
        let binding = Topology.HostBinding(
            policy: policy, memoryNodeSet: memory,
            spread: section.choice("spread", what: "spread", or: .together),
            rings: section.choice("rings", what: "side of a ring", or: .consumer),
            hugePages: section.choice("huge_pages", what: "kind of huge pages", or: .off),
            locksMemory: section.flag("lock"))
        if section.isSound, memory != nil, [.local, .firstTouch].contains(policy) {
            section.report(
                ["memory", "policy"], "policy \(policy.rawValue) takes no nodes: memory must be own"
            )
        }
        section.finish()
        return binding
    }
}

extension Topology.HostBinding {
    var rendered: RenderedValue {
        .group([
            ("policy", .plain(policy.rawValue)),
            ("memory", memoryNodeSet.map { .quoted($0.description) } ?? .plain("own")),
            ("spread", .plain(spread.rawValue)), ("rings", .plain(rings.rawValue)),
            ("huge_pages", .plain(hugePages.rawValue)),
            ("lock", .plain(locksMemory ? "on" : "off")),
        ])
    }
}
