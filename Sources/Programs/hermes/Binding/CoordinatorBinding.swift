import Foundation
import NUMABinding
import Topology

/// Holds this process, the coordinator, to the CPUs and memory that the topology asks for, and
/// tells where it was.
///
/// Workers are started under the mask that this process inherited: their nodes are their own.
final class CoordinatorBinding {
    let choice: Topology.CoordinatorBinding
    /// Ascending; `nil` when nothing is bound.
    let cpus: [Int]?
    let nodes: [Int]
    /// `nil` when nothing is bound.
    let memory: MemoryPolicy?
    private let isBestEffort: Bool
    private let inheritedPolicy: MemoryPolicy
    private(set) var refusals: [String] = []
    private var isBound = false

    /// Throws exit 65 for CPUs that the nodes do not offer.
    init(
        _ choice: Topology.CoordinatorBinding, assignment: NodeAssignment, isBestEffort: Bool
    ) throws {
        self.choice = choice
        self.isBestEffort = isBestEffort
        nodes = assignment.coordinator
        inheritedPolicy = (try? NUMABinding.threadPolicy()) ?? .standard
        memory = MemoryPolicy(choice.policy, nodes: assignment.coordinatorMemory)
        cpus = memory == nil ? nil : try Self.cpus(choice, nodes: nodes)
    }

    private static func cpus(
        _ choice: Topology.CoordinatorBinding, nodes: [Int]
    ) throws -> [Int] {
        let machine = NUMAMachine.current
        // Where the kernel tells of no nodes, binding is refused later, and said.
        let available =
            machine.isAvailable
            ? (try? machine.bindableCPUs(ofNodes: nodes)) ?? [] : machine.allowedCPUs
        do {
            return try choice.cpus(among: available)
        } catch {
            throw Failure(.badInput, "\(error)")
        }
    }

    /// How many CPUs the coordinator of a topology may keep busy; `nil` when it is not bound.
    static func cpuCount(of topology: Topology) throws -> Int? {
        guard topology.coordinator.policy != .firstTouch else { return nil }
        return try CoordinatorBinding(
            topology.coordinator, assignment: WorkerFleet.nodeAssignment(of: topology),
            isBestEffort: true
        ).cpus?.count
    }

    /// Binds all threads of this process, and the main thread's new pages with those of threads to
    /// come. Call it on the main thread.
    ///
    /// A refusal is exit 69 where nodes differ, unless best effort will do.
    func bind() throws {
        guard let cpus, let memory else { return }
        isBound = true
        do {
            try NUMABinding.bindProcess(toCPUs: cpus)
            try NUMABinding.setThreadPolicy(memory)
        } catch {
            guard isBestEffort || NUMAMachine.current.nodes.count == 1 else {
                throw Failure(.machineLacks, "NUMA binding of the coordinator: \(error)")
            }
            refusals.append("\(error)")
        }
    }

    /// Runs `body`, which starts a process, under what this process inherited itself.
    func asInherited<Result>(_ body: () throws -> Result) throws -> Result {
        // A refusal may have come after some of it was done.
        guard isBound, let cpus, let memory else { return try body() }
        let inherited = NUMAMachine.current.allowedCPUs
        try? NUMABinding.bindThread(toCPUs: inherited)
        try? NUMABinding.setThreadPolicy(inheritedPolicy)
        defer {
            // What was granted once is granted again; if not, the proof finds it.
            try? NUMABinding.bindThread(toCPUs: cpus)
            try? NUMABinding.setThreadPolicy(memory)
        }
        return try body()
    }

    /// Where this process is now.
    func places() -> CoordinatorPlaces {
        CoordinatorPlaces(
            threads: ThreadPlaces.countByNode(), cpus: try? NUMABinding.processCPUs(),
            pages: ThreadPlaces.anonymousPageCountByNode())
    }

    /// What differs from what was asked; empty when nothing was.
    func mismatches(_ places: CoordinatorPlaces) -> [String] {
        guard let cpus else { return [] }
        guard let actual = places.cpus, !actual.isEmpty else {
            return ["the kernel does not say on which CPUs the coordinator's threads may run"]
        }
        guard !Set(actual).isSubset(of: cpus) else { return [] }
        return [
            "threads of the coordinator may run on CPU \(NodeList(actual).description), not "
                + "\(NodeList(cpus).description) alone"
        ]
    }

    /// Says loudly what the kernel refused and where threads ran elsewhere; throws exit 73 for
    /// the latter, unless best effort will do.
    func enforce(_ places: CoordinatorPlaces, when moment: String, tellsRefusals: Bool) throws {
        for refusal in tellsRefusals ? refusals : [] {
            Terminal.complain("hermes: BINDING REFUSED, coordinator, \(moment): \(refusal)")
        }
        let found = mismatches(places)
        guard !found.isEmpty else { return }
        let text = "coordinator, \(moment): " + found.joined(separator: "; ")
        guard isBestEffort else {
            throw Failure(.bindingRefused, "threads are not where they were asked for: \(text)")
        }
        Terminal.complain("hermes: NOT BOUND AS ASKED, \(text)")
    }
}

/// Where the coordinator was at some moment, as the kernel says.
struct CoordinatorPlaces {
    /// Threads by the node that each ran on last.
    let threads: [Int: Int]
    /// The CPUs that any thread may run on, ascending; `nil` where the kernel does not say.
    let cpus: [Int]?
    /// Its own pages by node, without those of files and rings; `nil` where the kernel does not
    /// say.
    let pages: [Int: Int]?
}
