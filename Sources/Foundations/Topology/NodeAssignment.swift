/// Which of a machine's nodes each DIMM's worker is bound to.
package struct NodeAssignment: Equatable, Sendable {
    /// In DIMM order; each ascending, at least one node.
    package let nodes: [[Int]]
    /// The machine's node that stands in for each of the topology's, when the machine lacks some;
    /// empty when the topology's nodes are the machine's own.
    package let standIns: [Int: Int]

    /// Whether what crosses between nodes is modelled only.
    package var isModelled: Bool { !standIns.isEmpty }

    /// What a reader must know of stand-ins; `nil` without any.
    package var remark: String? {
        guard isModelled else { return nil }
        let pairs = standIns.sorted { $0.key < $1.key }
        return "the topology's nodes are modelled, in turn on those of this machine: "
            + pairs.map { "\($0.key) on \($0.value)" }.joined(separator: ", ")
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
            guard let modelled = modelledAssignment(on: allowed ?? existing, existing: existing)
            else { throw error }
            return modelled
        }
        return NodeAssignment(
            nodes: dimms.map { resolve($0, existing: existing, allowed: allowed) ?? [] },
            standIns: [:])
    }

    /// `nil` unless the interconnect knows every node that the DIMMs name, and one that the
    /// machine lacks is among them.
    private func modelledAssignment(on machineNodes: [Int], existing: [Int]) -> NodeAssignment? {
        guard let interconnect, !machineNodes.isEmpty else { return nil }
        let modelled = Set(interconnect.links.flatMap { [$0.lowerNode, $0.upperNode] }).sorted()
        guard !modelled.allSatisfy(existing.contains) else { return nil }
        let hosts = machineNodes.sorted()
        let standIns = Dictionary(
            uniqueKeysWithValues: modelled.enumerated().map {
                ($0.element, hosts[$0.offset % hosts.count])
            })
        var nodes: [[Int]] = []
        for dimm in dimms {
            guard let named = resolve(dimm, existing: modelled, allowed: nil) else { return nil }
            nodes.append(Set(named.compactMap { standIns[$0] }).sorted())
        }
        return NodeAssignment(nodes: nodes, standIns: standIns)
    }

    private func resolve(_ dimm: DIMM, existing: [Int], allowed: [Int]?) -> [Int]? {
        try? dimm.nodeSet.resolved(existing: existing, allowed: allowed)
    }
}
