import CheckedYAML

extension Topology {
    /// How the emulating machine is to hold the coordinator, which plays GPU and host: a choice of
    /// the user, no property of the GPU.
    package struct CoordinatorBinding: Equatable, Sendable {
        /// Where its new pages come from; ``MemoryChoice/firstTouch`` binds nothing, CPUs neither.
        package let policy: MemoryChoice
        /// The nodes whose CPUs its threads run on; `nil` means those of channel 0, where the GPU
        /// is at home.
        package let nodeSet: NodeSet?
        /// Which of these nodes' CPUs, as numactl writes them; relative to the allowed ones.
        package let cpuSet: NodeSet
        /// The nodes that ``policy`` speaks of; `nil` means those of its CPUs.
        package let memoryNodeSet: NodeSet?

        /// As a file that says nothing.
        package static let standard = CoordinatorBinding(
            policy: .firstTouch, nodeSet: nil, cpuSet: .all, memoryNodeSet: nil)

        /// The CPUs that are meant, ascending, at least one.
        ///
        /// - Parameter available: CPUs of the nodes that this process may use.
        package func cpus(among available: [Int]) throws(CPUSetError) -> [Int] {
            do throws(NodeSetError) {
                return try cpuSet.resolved(existing: available)
            } catch {
                throw CPUSetError(text: cpuSet.description, available: available)
            }
        }
    }
}

/// A set that names CPUs which the coordinator's nodes do not offer this process.
package struct CPUSetError: Error, Equatable, CustomStringConvertible {
    package let text: String
    package let available: [Int]

    package var description: String {
        "coordinator.binding.cpus '\(text)' is not among the CPUs of its nodes that this process "
            + "may use: " + available.map { String($0) }.joined(separator: ",")
    }
}

extension TopologyReader {
    /// Reads how the emulating machine is to hold the coordinator.
    func makeCoordinatorBinding(from section: Section) -> Topology.CoordinatorBinding {
        var outer = section
        var section = outer.section("binding")
        let policy = section.choice(
            "policy", what: "memory policy", or: Topology.MemoryChoice.firstTouch)
        let binding = Topology.CoordinatorBinding(
            policy: policy, nodeSet: section.nodeSet("node", unless: "own"),
            cpuSet: section.nodeSet("cpus") ?? .all,
            memoryNodeSet: section.nodeSet("memory", unless: "own"))
        if section.isSound {
            if binding.memoryNodeSet != nil, [.local, .firstTouch].contains(policy) {
                section.report(
                    ["memory", "policy"],
                    "policy \(policy.rawValue) takes no nodes: memory must be own")
            }
            if policy == .firstTouch, binding.nodeSet != nil || binding.cpuSet != .all {
                section.report(
                    ["node", "cpus", "policy"],
                    "policy first-touch binds nothing: node must be own and cpus all")
            }
        }
        section.finish()
        outer.finish()
        return binding
    }
}

extension Topology.CoordinatorBinding {
    var rendered: RenderedValue {
        func set(_ nodes: NodeSet?) -> RenderedValue {
            nodes.map { .quoted($0.description) } ?? .plain("own")
        }
        return .group([
            (
                "binding",
                .group([
                    ("policy", .plain(policy.rawValue)), ("node", set(nodeSet)),
                    ("cpus", .quoted(cpuSet.description)), ("memory", set(memoryNodeSet)),
                ])
            )
        ])
    }
}
