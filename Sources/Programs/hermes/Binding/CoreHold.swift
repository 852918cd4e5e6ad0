import NUMABinding

/// Holds all threads of this process, and the processes that it starts meanwhile, to some of its
/// CPUs for as long as the object lives.
final class CoreHold {
    /// Ascending.
    let cpus: [Int]
    private let inherited: [Int]

    /// `nil` where the kernel refuses: then nothing has changed.
    ///
    /// - Parameter cpus: at least one, of those that this thread may run on.
    init?(cpus: [Int]) {
        guard !cpus.isEmpty, let inherited = try? NUMABinding.threadCPUs(),
            Set(cpus).isSubset(of: inherited)
        else { return nil }
        self.cpus = cpus
        self.inherited = inherited
        do {
            try NUMABinding.bindProcess(toCPUs: cpus)
        } catch {
            try? NUMABinding.bindProcess(toCPUs: inherited)
            return nil
        }
    }

    deinit { try? NUMABinding.bindProcess(toCPUs: inherited) }

    /// One core for the workers of a run and its coordinator.
    ///
    /// Where processes outnumber cores and time is not wall time, that is faster than all cores:
    /// nearly every message wakes somebody, and to wake him on another core takes longer than what
    /// he does. Results are the same.
    ///
    /// - Parameter cores: that this process may keep busy.
    /// - Returns: `nil` where each process has a core, or where the topology says otherwise: binds
    ///   the coordinator, or has workers on several nodes of this machine.
    static func around(_ binding: FleetBinding, cores: Int) -> CoreHold? {
        guard cores < 1 + binding.unitCount, binding.coordinator.cpus == nil,
            let allowed = try? NUMABinding.threadCPUs(), allowed.count > 1
        else { return nil }
        let nodes = Set((0..<binding.unitCount).map { binding.processors(ofDIMM: $0) })
        guard nodes.count == 1, let nodes = nodes.first, nodes.count == 1 else { return nil }
        let machine = NUMAMachine.current
        let usable = machine.isAvailable ? (try? machine.bindableCPUs(ofNodes: nodes)) : allowed
        let cpus = Set(usable ?? []).intersection(allowed).sorted()
        return withRoom(among: cpus).flatMap { CoreHold(cpus: [$0]) }
    }

    /// Where the scheduler puts this thread when it may choose among `cpus`: it knows who is busy.
    private static func withRoom(among cpus: [Int]) -> Int? {
        guard let first = cpus.first, let inherited = try? NUMABinding.threadCPUs() else {
            return nil
        }
        defer { try? NUMABinding.bindThread(toCPUs: inherited) }
        guard (try? NUMABinding.bindThread(toCPUs: cpus)) != nil,
            let current = try? NUMABinding.currentCPU(), cpus.contains(current)
        else { return first }
        return current
    }

    /// This process's CPUs in parts of one size for so many runs at once; with more runs than CPUs,
    /// several have the same one.
    ///
    /// Begins where this thread runs, so that another series begins elsewhere. Empty where there is
    /// nothing to divide, and where nodes differ: on which of them a run's workers are, each run
    /// knows itself.
    static func parts(_ count: Int) -> [[Int]] {
        guard NUMAMachine.current.nodes.count <= 1, let cpus = try? NUMABinding.threadCPUs(),
            cpus.count > 1
        else { return [] }
        let size = max(1, cpus.count / count)
        let current = (try? NUMABinding.currentCPU()).flatMap { cpus.firstIndex(of: $0) } ?? 0
        return (0..<count).map { part in
            (0..<size).map { cpus[(current + part * size + $0) % cpus.count] }.sorted()
        }
    }
}
