import HostFacts
import Messages
import NUMABinding
import RingTransport
import Topology

/// Requested against actual binding, as results of `run` and `emulate` show it.
extension BindingProof {
    /// What was asked for a DIMM, and where its pages and threads were, after loading and at the
    /// end.
    ///
    /// - Parameter loaded: what the worker told after loading.
    func figures(ofDIMM dimm: Int, loaded: WorkerFacts) -> JSONValue {
        let request = binding.request(ofDIMM: dimm)
        let choice = binding.choice(ofDIMM: dimm)
        let last = facts[dimm].whereabouts
        return .object([
            "requested": .object([
                "cpu_nodes": Self.list(request.processors),
                "memory_policy": .string(choice.policy.rawValue),
                "memory_nodes": request.memoryNodes.map(Self.list) ?? .null,
                "huge_pages": .string(choice.hugePages.rawValue),
                "locks_memory": .bool(choice.locksMemory),
                "ring_to_worker_nodes": binding.ringNodes(ofDIMM: dimm, .toWorker)
                    .map(Self.list) ?? .null,
                "ring_to_coordinator_nodes": binding.ringNodes(ofDIMM: dimm, .toCoordinator)
                    .map(Self.list) ?? .null,
            ]),
            "after_loading": Self.places(loaded.whereabouts),
            "at_end": Self.places(last),
            "ring_pages": .object([
                "to_worker": Self.byNode(rings[dimm].toWorker),
                "to_coordinator": Self.byNode(rings[dimm].toCoordinator),
            ]),
            "peer_rings": .array(
                peerRings.filter { $0.taker == dimm }.map { ring in
                    .object([
                        "from": .integer(ring.giver),
                        "requested_nodes": binding.peerRingNodes(from: ring.giver, to: dimm)
                            .map(Self.list) ?? .null,
                        "pages": Self.byNode(ring.pages),
                    ])
                }),
            "huge_page_bytes": .unsigned(last.hugePageByteCount),
            "locked_bytes": .unsigned(last.lockedByteCount),
            "refusals": .array(refusals(ofDIMM: dimm).map { .string($0) }),
            "mismatches": .array(mismatches(ofDIMM: dimm).map { .string($0) }),
        ])
    }

    /// What was asked for the coordinator, and where its threads and pages were at the end.
    var coordinatorFigures: JSONValue {
        let asked = binding.coordinator
        return .object([
            "requested": .object([
                "memory_policy": .string(asked.choice.policy.rawValue),
                "cpu_nodes": asked.cpus == nil ? .null : Self.list(asked.nodes),
                "cpus": asked.cpus.map(Self.list) ?? .null,
                "memory_nodes": asked.memory.map { Self.list($0.nodes) } ?? .null,
            ]),
            "at_end": .object([
                "cpus": coordinator.cpus.map(Self.list) ?? .null,
                "threads": Self.byNode(coordinator.threads),
                "anonymous_pages": Self.byNode(coordinator.pages),
            ]),
            "refusals": .array(asked.refusals.map { .string($0) }),
            "mismatches": .array(asked.mismatches(coordinator).map { .string($0) }),
        ])
    }

    /// What may move pages later; looked at once.
    private static let machineFacts = HostFacts.current()

    /// Whether the nodes are this machine's own, and what may move pages later.
    var machineFigures: JSONValue {
        let facts = Self.machineFacts
        let assignment = binding.assignment
        return .object([
            "basis": .string(assignment.isModelled ? "modelled" : "measured"),
            "nodes": .integer(NUMAMachine.current.nodes.count),
            "stand_ins": assignment.isModelled ? Self.byNode(assignment.standIns) : .null,
            "numa_balancing": facts.automaticBalancing.map { .integer($0) } ?? .null,
            "zone_reclaim_mode": facts.zoneReclaimMode.map { .integer($0) } ?? .null,
            "swap_bytes": facts.swapByteCount.map { .integer($0) } ?? .null,
        ])
    }

    private static func places(_ places: Whereabouts) -> JSONValue {
        .object([
            "weight_pages": byNode(places.counts(of: .weights)),
            "key_value_pages": byNode(places.counts(of: .keysAndValues)),
            "threads": byNode(places.counts(of: .threads)),
        ])
    }

    /// Counts under the node's number.
    private static func byNode(_ counts: [Int: Int]?) -> JSONValue {
        guard let counts else { return .null }
        return .object(
            Dictionary(uniqueKeysWithValues: counts.map { ("\($0.key)", .integer($0.value)) }))
    }

    private static func list(_ nodes: [Int]) -> JSONValue { .array(nodes.map { .integer($0) }) }

    // MARK: Text

    /// One line when all is as asked, and one on a bound coordinator; else one for each
    /// difference.
    var lines: [String] {
        let assignment = binding.assignment
        let count = NUMAMachine.current.nodes.count
        let basis =
            assignment.isModelled
            ? "modelled: this machine has \(count == 1 ? "one node" : "\(count) nodes")"
            : count == 1 ? "one node" : "\(count) nodes"
        let asked = binding.coordinator
        let troubles =
            facts.indices.flatMap { dimm in
                (mismatches(ofDIMM: dimm) + refusals(ofDIMM: dimm))
                    .map { "binding: DIMM \(dimm): \($0)" }
            }
            + (asked.mismatches(coordinator) + asked.refusals)
            .map { "binding: coordinator: \($0)" }
        guard troubles.isEmpty else { return troubles + movers }
        let coordinator = asked.cpus.map {
            "binding: coordinator on CPU \(NodeList($0).description), as asked"
        }
        return [
            "binding: pages of weights, KV cache and rings, and threads, all as asked (\(basis))"
        ] + [coordinator].compactMap { $0 } + movers
    }

    /// What may move pages after the proof, where there is somewhere to move them.
    private var movers: [String] {
        guard NUMAMachine.current.nodes.count > 1 else { return [] }
        let facts = Self.machineFacts
        let all = [
            facts.automaticBalancing ?? 0 == 0
                ? nil : "automatic NUMA balancing (sysctl kernel.numa_balancing=0)",
            facts.zoneReclaimMode ?? 0 == 0
                ? nil : "zone reclaim (sysctl vm.zone_reclaim_mode=0)",
            facts.swapByteCount ?? 0 == 0 ? nil : "swap (swapoff -a)",
        ].compactMap { $0 }
        return all.isEmpty ? [] : ["binding: may be moved later by " + all.joined(separator: ", ")]
    }
}
