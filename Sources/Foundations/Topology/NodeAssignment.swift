/// Which of a machine's nodes hold each DIMM's worker and its memory.
package struct NodeAssignment: Equatable, Sendable {
    /// One DIMM's nodes, as the machine numbers them.
    package struct Nodes: Equatable, Sendable {
        /// Whose CPUs the worker runs on; ascending, at least one.
        package let processors: [Int]
        /// What its memory policy speaks of; ascending, at least one.
        package let memory: [Int]

        package init(processors: [Int], memory: [Int]) {
            self.processors = processors
            self.memory = memory
        }
    }

    /// In DIMM order.
    package let dimms: [Nodes]
    /// Where the GPU role is at home: the nodes of channel 0, unless `coordinator.binding` names
    /// others.
    package let coordinator: [Int]
    /// What the coordinator's memory policy speaks of.
    package let coordinatorMemory: [Int]
    /// The machine's node that stands in for each of the topology's, when the machine lacks some;
    /// empty when the topology's nodes are the machine's own.
    package let standIns: [Int: Int]
    /// Whether some DIMM takes one node of a set in turn.
    let takesTurns: Bool

    /// Whether what crosses between nodes is modelled only.
    package var isModelled: Bool { !standIns.isEmpty }

    /// What a reader must know of nodes that are not simply as written; empty most often.
    package var remarks: [String] {
        var remarks: [String] = []
        if isModelled {
            let pairs = standIns.sorted { $0.key < $1.key }.map { "\($0.key) on \($0.value)" }
            remarks.append(
                "the topology's nodes are modelled, in turn on those of this machine: "
                    + pairs.joined(separator: ", "))
        }
        if takesTurns {
            let counts = Dictionary(grouping: dimms.flatMap(\.processors)) { $0 }
            let list = counts.sorted { $0.key < $1.key }
                .map { "\($0.value.count) on node \($0.key)" }
            remarks.append(
                "\(dimms.count) DIMMs take nodes in turn: " + list.joined(separator: ", "))
        }
        return remarks
    }
}

extension Topology {
    /// Finds nodes for every DIMM on a machine.
    ///
    /// A topology that states an interconnect may have more nodes than the machine: its links hold
    /// what crosses, in emulated time, and the machine's allowed nodes take the topology's in turn.
    ///
    /// - Parameters:
    ///   - existing: numbers of the nodes that the machine has.
    ///   - allowed: those this process may use; `nil` means all that exist.
    /// - Throws: one problem for each node set that means nothing here, with its line.
    package func nodeAssignment(
        existing: [Int], allowed: [Int]? = nil
    ) throws(TopologyError) -> NodeAssignment {
        do throws(TopologyError) {
            try checkNodes(against: existing, allowed: allowed)
        } catch {
            guard let hosts = standIns(on: allowed ?? existing, existing: existing),
                let modelled = assignment(
                    existing: hosts.keys.sorted(), allowed: nil, machineNode: { hosts[$0] })
            else { throw error }
            return modelled
        }
        guard let real = assignment(existing: existing, allowed: allowed, machineNode: { $0 })
        else { preconditionFailure("every node set was checked") }
        return real
    }

    /// The machine's node for each node that the interconnect knows; `nil` unless the machine lacks
    /// one of these.
    private func standIns(on machineNodes: [Int], existing: [Int]) -> [Int: Int]? {
        guard let interconnect, !machineNodes.isEmpty else { return nil }
        let modelled = Set(interconnect.links.flatMap { [$0.lowerNode, $0.upperNode] }).sorted()
        guard !modelled.allSatisfy(existing.contains) else { return nil }
        let hosts = machineNodes.sorted()
        return Dictionary(
            uniqueKeysWithValues: modelled.enumerated().map {
                ($0.element, hosts[$0.offset % hosts.count])
            })
    }

    /// - Parameter machineNode: the machine's node for one that a set resolved to.
    /// - Returns: `nil` when a set names a node beyond `existing`.
    private func assignment(
        existing: [Int], allowed: [Int]?, machineNode: (Int) -> Int?
    ) -> NodeAssignment? {
        func resolve(_ set: NodeSet) -> [Int]? {
            try? set.resolved(existing: existing, allowed: allowed)
        }
        func onMachine(_ nodes: [Int]) -> [Int] { Set(nodes.compactMap(machineNode)).sorted() }
        var entries: [NodeAssignment.Nodes] = []
        for dimm in dimms {
            guard var own = resolve(dimm.nodeSet) else { return nil }
            if dimm.binding.spread == .inTurn { own = [own[dimm.index % own.count]] }
            guard let memory = dimm.binding.memoryNodeSet.map(resolve) ?? own else { return nil }
            entries.append(
                NodeAssignment.Nodes(processors: onMachine(own), memory: onMachine(memory)))
        }
        // A channel's node may mean nothing here when all of its DIMMs have nodes of their own.
        let home =
            coordinator.nodeSet.map(resolve)
            ?? channels.first.flatMap { resolve($0.nodeSet) } ?? entries.first?.processors
        guard let home,
            let homeMemory = coordinator.memoryNodeSet.map(resolve) ?? home
        else { return nil }
        let isReal = existing.allSatisfy { machineNode($0) == $0 }
        return NodeAssignment(
            dimms: entries,
            coordinator: onMachine(home), coordinatorMemory: onMachine(homeMemory),
            standIns: isReal
                ? [:]
                : Dictionary(
                    uniqueKeysWithValues: existing.compactMap { node in
                        machineNode(node).map { (node, $0) }
                    }),
            takesTurns: dimms.contains { $0.binding.spread == .inTurn })
    }
}
