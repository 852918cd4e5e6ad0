import ArgumentParser
import NUMABinding

/// Where weights lie as seen from the threads that read them.
enum NodePlacement: String, CaseIterable, ExpressibleByArgument, Sendable {
    /// On the node of the worker.
    case local
    /// On the next node.
    case remote
    /// On all nodes in turn, page by page.
    case interleaved
    /// Where one loading thread on the first node touched them first, as without any binding.
    case firstTouch = "first-touch"

    /// Whether nodes can tell it from `local`.
    func isDistinct(nodeCount: Int) -> Bool { nodeCount > 1 || self == .local }

    /// The node of worker `index`.
    static func home(ofWorker index: Int, nodes: [Int]) -> Int { nodes[index % nodes.count] }

    /// What the loading thread of a worker asks the kernel for.
    func policy(ofWorker index: Int, nodes: [Int]) -> MemoryPolicy {
        switch self {
        case .local: .bind([Self.home(ofWorker: index, nodes: nodes)])
        case .remote: .bind([nodes[(index + 1) % nodes.count]])
        case .interleaved: .interleave(nodes)
        case .firstTouch: .local
        }
    }

    /// The node whose CPUs load a worker's weights.
    func loadingNode(ofWorker index: Int, nodes: [Int]) -> Int {
        self == .firstTouch ? nodes[0] : Self.home(ofWorker: index, nodes: nodes)
    }

    /// The same for a whole run, as overrides of a topology.
    ///
    /// - Parameter dimmCount: how many DIMMs the topology has.
    func overrides(dimmCount: Int, nodes: [Int]) -> [String] {
        (0..<dimmCount).flatMap { dimm in
            let path = "dimm_overrides.\(dimm)"
            let home = Self.home(ofWorker: dimm, nodes: nodes)
            let node = ["\(path).node=\(home)"]
            switch self {
            case .local: return node
            case .remote:
                return node + ["\(path).binding.memory=\(nodes[(dimm + 1) % nodes.count])"]
            case .interleaved:
                let all = nodes.map { String($0) }.joined(separator: ",")
                return node + [
                    "\(path).binding.policy=interleave", "\(path).binding.memory=\(all)",
                ]
            case .firstTouch: return ["\(path).binding.policy=first-touch"]
            }
        }
    }
}
