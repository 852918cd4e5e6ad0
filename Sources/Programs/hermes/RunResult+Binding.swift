import HostFacts
import Messages
import NUMABinding
import RingTransport
import Topology

/// Requested against actual binding, as results show it.
extension RunResult {
    /// Throws exit 73 when memory or threads were elsewhere at the end, best effort aside.
    func checkBinding() throws { try sharded?.proof.enforce(when: "at the end") }

    /// What was asked for a DIMM, and where its pages and threads were, after loading and at the
    /// end.
    func bindingFigures(of dimm: Int, _ sharded: ShardedRecord) -> JSONValue {
        let binding = sharded.proof.binding
        let request = binding.request(ofDIMM: dimm)
        let last = sharded.proof.facts[dimm].whereabouts
        let rings = sharded.proof.rings[dimm]
        return .object([
            "requested": .object([
                "cpu_nodes": Self.list(request.processors),
                "memory_policy": .string(binding.policy(ofDIMM: dimm).rawValue),
                "memory_nodes": request.memoryNodes.map(Self.list) ?? .null,
                "ring_to_worker_nodes": binding.ringNodes(ofDIMM: dimm, .toWorker)
                    .map(Self.list) ?? .null,
                "ring_to_coordinator_nodes": binding.ringNodes(ofDIMM: dimm, .toCoordinator)
                    .map(Self.list) ?? .null,
            ]),
            "after_loading": Self.places(sharded.loadedFacts[dimm].whereabouts),
            "at_end": Self.places(last),
            "ring_pages": .object([
                "to_worker": Self.byNode(rings.toWorker),
                "to_coordinator": Self.byNode(rings.toCoordinator),
            ]),
            "huge_page_bytes": .unsigned(last.hugePageByteCount),
            "locked_bytes": .unsigned(last.lockedByteCount),
            "refusals": .array(sharded.proof.refusals(ofDIMM: dimm).map { .string($0) }),
            "mismatches": .array(sharded.proof.mismatches(ofDIMM: dimm).map { .string($0) }),
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

    /// Whether the nodes are this machine's own, and what may move pages later.
    var numa: JSONValue {
        guard let sharded else { return .null }
        let facts = HostFacts.current()
        let assignment = sharded.proof.binding.assignment
        return .object([
            "basis": .string(assignment.isModelled ? "modelled" : "measured"),
            "nodes": .integer(NUMAMachine.current.nodes.count),
            "stand_ins": assignment.isModelled ? Self.byNode(assignment.standIns) : .null,
            "numa_balancing": facts.automaticBalancing.map { .integer($0) } ?? .null,
            "zone_reclaim_mode": facts.zoneReclaimMode.map { .integer($0) } ?? .null,
            "swap_bytes": facts.swapByteCount.map { .integer($0) } ?? .null,
        ])
    }

    /// One line when all is as asked; else one for each difference.
    func bindingLines(_ sharded: ShardedRecord) -> [String] {
        let proof = sharded.proof
        let assignment = proof.binding.assignment
        let count = NUMAMachine.current.nodes.count
        let basis =
            assignment.isModelled
            ? "modelled: this machine has \(count == 1 ? "one node" : "\(count) nodes")"
            : count == 1 ? "one node" : "\(count) nodes"
        let troubles = proof.facts.indices.flatMap { dimm in
            (proof.mismatches(ofDIMM: dimm) + proof.refusals(ofDIMM: dimm))
                .map { "binding: DIMM \(dimm): \($0)" }
        }
        guard troubles.isEmpty else { return troubles }
        return [
            "binding: pages of weights, KV cache and rings, and threads, all as asked (\(basis))"
        ]
    }
}
