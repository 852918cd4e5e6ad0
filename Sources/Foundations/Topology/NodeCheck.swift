import CheckedYAML

extension Topology {
    /// Checks that every DIMM's node set means something on a machine.
    ///
    /// - Parameters:
    ///   - existing: numbers of the nodes that the machine has.
    ///   - allowed: those this process may use; `nil` means all that exist.
    /// - Throws: one problem for each node set that names what does not exist, with its line.
    package func checkNodes(
        against existing: [Int], allowed: [Int]? = nil
    ) throws(TopologyError) {
        let problems = ProblemList()
        for dimm in dimms {
            do throws(NodeSetError) {
                _ = try dimm.nodeSet.resolved(existing: existing, allowed: allowed)
            } catch {
                let path = nodePath(of: dimm)
                problems.add(source.place(of: path), path, error.description)
            }
            do throws(NodeSetError) {
                _ = try dimm.binding.memoryNodeSet?.resolved(existing: existing, allowed: allowed)
            } catch {
                let path = "dimm.binding.memory"
                problems.add(source.place(of: path), path, error.description)
            }
        }
        for (key, set) in [
            ("node", coordinator.nodeSet), ("memory", coordinator.memoryNodeSet),
        ] {
            do throws(NodeSetError) {
                _ = try set?.resolved(existing: existing, allowed: allowed)
            } catch {
                let path = "coordinator.binding.\(key)"
                problems.add(source.place(of: path), path, error.description)
            }
        }
        guard problems.isEmpty else { throw TopologyError(problems: problems.sorted) }
    }

    /// How many nodes, numbered from 0, a machine needs at least for every node set and link here
    /// to mean something; `nil` when no machine has enough.
    package var neededNodeCount: Int? {
        let linked = interconnect?.links.map(\.upperNode).max() ?? 0
        guard linked <= NodeSet.maximumNode else { return nil }
        return (linked + 1...NodeSet.maximumNode + 1).first { count in
            (try? checkNodes(against: Array(0..<count))) != nil
        }
    }

    /// The key that decides a DIMM's node set: its own override, or else its channel's.
    private func nodePath(of dimm: DIMM) -> String {
        let own = "dimm_overrides.\(dimm.index).node"
        return source.places[own] == nil ? "channels.\(dimm.channelIndex).node" : own
    }
}
