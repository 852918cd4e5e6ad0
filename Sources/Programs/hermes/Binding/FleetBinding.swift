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
    /// What is asked for the coordinator's own threads.
    let coordinator: CoordinatorBinding

    init(
        _ topology: Topology, units: WorkerFleet.Units, assignment: NodeAssignment,
        isBestEffort: Bool
    ) throws {
        self.assignment = assignment
        coordinator = try CoordinatorBinding(
            topology.coordinator, assignment: assignment, isBestEffort: isBestEffort)
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

    func choice(ofDIMM dimm: Int) -> Topology.HostBinding { choices[dimm] }

    /// The same as the worker's command line.
    func arguments(ofDIMM dimm: Int) -> [String] {
        let nodes = units[dimm]
        let choice = choices[dimm]
        return [
            "--nodes", NodeList(nodes.processors).description,
            "--memory-policy", choice.policy.rawValue,
            "--memory-nodes", NodeList(nodes.memory).description,
            "--huge-pages", choice.hugePages.rawValue,
        ] + (choice.locksMemory ? ["--lock-memory"] : [])
            + (isBestEffort ? ["--best-effort"] : [])
    }

    /// The nodes where a ring's records are to lie; `nil` when nothing is bound.
    func ringNodes(ofDIMM dimm: Int, _ direction: RingDirection) -> [Int]? {
        let choice = choices[dimm]
        guard choice.policy != .firstTouch else { return nil }
        let isWorkerSide = (choice.rings == .consumer) == (direction == .toWorker)
        return isWorkerSide ? units[dimm].processors : assignment.coordinator
    }

    /// Makes the pages of a segment's records where they were asked for; call it before another
    /// process can map them.
    func bindRings(of segment: borrowing RingSegment, dimm: Int) throws {
        for direction in [RingDirection.toWorker, .toCoordinator] {
            guard let nodes = ringNodes(ofDIMM: dimm, direction) else { continue }
            try bindRecords(of: segment, direction, to: nodes, dimm: dimm)
        }
    }

    /// Where nodes differ, a refusal ends the run unless best effort will do; else it is kept for
    /// the DIMM, to be told.
    func bindRecords(
        of segment: borrowing RingSegment, _ direction: RingDirection, to nodes: [Int], dimm: Int
    ) throws {
        do {
            try segment.withRecordAddresses(of: direction) {
                try NUMABinding.setMemoryPolicy(.bind(nodes), ofAddresses: $0)
            }
        } catch let error as NUMABindingError {
            guard isBestEffort || NUMAMachine.current.nodes.count == 1 else {
                throw Failure(.machineLacks, "NUMA binding of a ring: \(error)")
            }
            ringRefusals[dimm, default: []].append("ring: \(error)")
        }
    }
}
