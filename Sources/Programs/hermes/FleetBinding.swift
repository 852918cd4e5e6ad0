import Messages
import NUMABinding
import RingTransport
import Topology

/// What is asked of this machine for each DIMM's worker and rings.
final class FleetBinding {
    let assignment: NodeAssignment
    let isBestEffort: Bool
    /// Of each worker, in the order of the DIMMs.
    private let units: [NodeAssignment.Nodes]
    private let choices: [Topology.HostBinding]
    /// What the kernel did not do for a DIMM's rings.
    private(set) var ringRefusals: [Int: [String]] = [:]

    init(
        _ topology: Topology, units: WorkerFleet.Units, assignment: NodeAssignment,
        isBestEffort: Bool
    ) {
        self.assignment = assignment
        self.isBestEffort = isBestEffort
        switch units {
        case .dimms:
            self.units = assignment.dimms
            choices = topology.dimms.map(\.binding)
        case .host:
            let nodes = Set(assignment.dimms.flatMap(\.processors)).sorted()
            self.units = [NodeAssignment.Nodes(processors: nodes, memory: nodes)]
            choices = [.standard]
        }
    }

    /// How many workers there are.
    var unitCount: Int { units.count }

    /// The nodes that a DIMM's worker runs on.
    func processors(ofDIMM dimm: Int) -> [Int] { units[dimm].processors }

    /// What a DIMM's worker is to hold to.
    func request(ofDIMM dimm: Int) -> BindingRequest {
        let nodes = units[dimm]
        return BindingRequest(
            processors: nodes.processors,
            memory: MemoryPolicy(choices[dimm].policy, nodes: nodes.memory))
    }

    func policy(ofDIMM dimm: Int) -> Topology.MemoryChoice { choices[dimm].policy }

    /// The same as the worker's command line.
    func arguments(ofDIMM dimm: Int) -> [String] {
        let nodes = units[dimm]
        let choice = choices[dimm]
        return [
            "--nodes", NodeList(nodes.processors).description,
            "--memory-policy", choice.policy.rawValue,
            "--memory-nodes", NodeList(nodes.memory).description,
        ] + (choice.hugePages == .madvise ? ["--huge-pages"] : [])
            + (choice.locksMemory ? ["--lock-memory"] : [])
            + (isBestEffort ? ["--best-effort"] : [])
    }

    /// The nodes where a ring's records are to lie; `nil` when nothing is bound.
    func ringNodes(ofDIMM dimm: Int, _ direction: RingDirection) -> [Int]? {
        let choice = choices[dimm]
        guard choice.policy != .firstTouch else { return nil }
        let isWorkerSide = (choice.rings == .consumer) == (direction == .toWorker)
        return isWorkerSide ? units[dimm].processors : assignment.coordinator
    }

    /// Moves the pages of a link's records to where they were asked for: its pages exist, and no
    /// other process has mapped them yet.
    func bindRings(of link: RingLink, dimm: Int) throws {
        for direction in [RingDirection.toWorker, .toCoordinator] {
            guard let nodes = ringNodes(ofDIMM: dimm, direction) else { continue }
            do {
                try NUMABinding.setMemoryPolicy(
                    .bind(nodes), ofAddresses: link.recordAddresses(of: direction))
            } catch {
                guard isBestEffort || NUMAMachine.current.nodes.count == 1 else {
                    throw Failure(.machineLacks, "NUMA binding of a ring: \(error)")
                }
                ringRefusals[dimm, default: []].append("ring: \(error)")
            }
        }
    }
}

/// Where the pages of one DIMM's rings are; `nil` where the kernel does not say.
struct RingPlaces {
    let toWorker: [Int: Int]?
    let toCoordinator: [Int: Int]?

    init(_ link: RingLink) {
        func places(_ direction: RingDirection) -> [Int: Int]? {
            try? NUMABinding.pagePlacement(ofAddresses: link.recordAddresses(of: direction))
                .pageCountByNode
        }
        toWorker = places(.toWorker)
        toCoordinator = places(.toCoordinator)
    }
}

/// Requested against actual, for all DIMMs.
struct BindingProof {
    let binding: FleetBinding
    /// In DIMM order.
    let facts: [WorkerFacts]
    let rings: [RingPlaces]

    /// What differs from what was asked of a DIMM; empty when all is as asked.
    func mismatches(ofDIMM dimm: Int) -> [String] {
        let request = binding.request(ofDIMM: dimm)
        let places = facts[dimm].whereabouts
        var found = request.mismatches(
            pages: [
                ("weights", places.counts(of: .weights)),
                ("the KV cache", places.counts(of: .keysAndValues)),
            ], threads: places.counts(of: .threads))
        for (direction, name, counts) in [
            (RingDirection.toWorker, "the ring to the worker", rings[dimm].toWorker),
            (.toCoordinator, "the ring to the coordinator", rings[dimm].toCoordinator),
        ] {
            guard let nodes = binding.ringNodes(ofDIMM: dimm, direction), let counts else {
                continue
            }
            found += BindingRequest(processors: nodes, memory: .bind(nodes))
                .mismatches(pages: [(name, counts)], threads: [:])
        }
        return found
    }

    /// What the kernel refused for a DIMM.
    func refusals(ofDIMM dimm: Int) -> [String] {
        facts[dimm].whereabouts.refusals + (binding.ringRefusals[dimm] ?? [])
    }

    /// Whether the kernel would not say where a DIMM's pages are, though nodes differ.
    private func isUnproved(_ dimm: Int) -> Bool {
        facts[dimm].pagesElsewhere == WorkerFacts.unknown
            && NUMAMachine.current.nodes.count != 1
            && binding.request(ofDIMM: dimm).memory != nil
    }

    /// Says loudly what the kernel refused and what lies elsewhere; throws exit 73 for a broken
    /// promise, unless best effort will do.
    func enforce(when moment: String) throws {
        var broken: [String] = []
        for dimm in facts.indices {
            for refusal in refusals(ofDIMM: dimm) {
                Terminal.complain("hermes: BINDING REFUSED, DIMM \(dimm), \(moment): \(refusal)")
            }
            var found = mismatches(ofDIMM: dimm)
            if isUnproved(dimm) { found.append("the kernel does not say where its pages are") }
            guard !found.isEmpty else { continue }
            let text = "DIMM \(dimm), \(moment): " + found.joined(separator: "; ")
            if binding.isBestEffort || !binding.request(ofDIMM: dimm).isPromise {
                Terminal.complain("hermes: NOT BOUND AS ASKED, \(text)")
            } else {
                broken.append(text)
            }
        }
        guard broken.isEmpty else {
            throw Failure(
                .bindingRefused,
                "memory or threads are not where they were asked for: "
                    + broken.joined(separator: ". "))
        }
    }
}
