import LinkRecords
import MappedMemory
import Messages
import NUMABinding
import RingTransport
import Topology

/// Where the pages of one DIMM's rings are; `nil` where the kernel does not say.
struct RingPlaces {
    let toWorker: [Int: Int]?
    let toCoordinator: [Int: Int]?

    /// What carries messages over a network lies on no node.
    init(_ carrier: any CarriedLink) {
        guard let link = carrier as? RingLink else {
            (toWorker, toCoordinator) = (nil, nil)
            return
        }
        func places(_ direction: RingDirection) -> [Int: Int]? {
            try? NUMABinding.pagePlacement(ofAddresses: link.recordAddresses(of: direction))
                .pageCountByNode
        }
        toWorker = places(.toWorker)
        toCoordinator = places(.toCoordinator)
    }
}

/// Requested against actual, for all DIMMs, their rings and the coordinator.
struct BindingProof {
    let binding: FleetBinding
    /// In DIMM order.
    let facts: [WorkerFacts]
    let rings: [RingPlaces]
    /// Of the rings between workers, both directions of each.
    let peerRings: [PeerRingPlaces]
    let coordinator: CoordinatorPlaces

    /// What was found when the workers told `facts`.
    init(_ fleet: WorkerFleet, facts: [WorkerFacts]) {
        binding = fleet.binding
        self.facts = facts
        rings = fleet.links.map { RingPlaces($0) }
        peerRings = fleet.peers.flatMap { PeerRingPlaces.all(of: $0) }
        coordinator = fleet.binding.coordinator.places()
    }

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
        for ring in peerRings where ring.taker == dimm {
            guard let nodes = binding.peerRingNodes(from: ring.giver, to: dimm),
                let counts = ring.pages
            else { continue }
            found += BindingRequest(processors: nodes, memory: .bind(nodes)).mismatches(
                pages: [("the ring from DIMM \(ring.giver)", counts)], threads: [:])
        }
        return found + hugePageMismatches(places, ofDIMM: dimm)
    }

    /// Memory of the kernel's pool was asked for, so all of it must lie in huge pages.
    private func hugePageMismatches(_ places: Whereabouts, ofDIMM dimm: Int) -> [String] {
        guard binding.choice(ofDIMM: dimm).hugePages == .hugetlbfs else { return [] }
        let pageCount = [Whereabouts.Subject.weights, .keysAndValues]
            .flatMap { places.counts(of: $0).values }.reduce(0, +)
        guard pageCount > 0 else { return ["the kernel does not say whether its pages are huge"] }
        let byteCount = UInt64(pageCount * pageByteCount)
        guard places.hugePageByteCount < byteCount else { return [] }
        return [
            "\(places.hugePageByteCount) of \(byteCount) bytes of weights and KV cache are in "
                + "huge pages"
        ]
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
    ///
    /// - Parameter tellsRefusals: false where they were told before.
    func enforce(when moment: String, tellsRefusals: Bool = true) throws {
        var broken: [String] = []
        for dimm in facts.indices {
            for refusal in tellsRefusals ? refusals(ofDIMM: dimm) : [] {
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
        try binding.coordinator.enforce(
            coordinator, when: moment, tellsRefusals: tellsRefusals)
        guard broken.isEmpty else {
            throw Failure(
                .bindingRefused,
                "memory or threads are not where they were asked for: "
                    + broken.joined(separator: ". "))
        }
    }
}
