import NUMABinding

/// Holds all threads of this process, and the processes that it starts meanwhile, to one core for
/// as long as the object lives.
///
/// Where processes outnumber cores and time is not wall time, that is faster than all cores: nearly
/// every message wakes somebody, and to wake him on another core takes longer than what he does.
/// Results are the same.
final class CoreHold {
    let cpu: Int
    private let inherited: [Int]

    /// `nil` where the kernel refuses: then nothing has changed.
    init?(cpu: Int) {
        guard let inherited = try? NUMABinding.threadCPUs(), inherited.contains(cpu) else {
            return nil
        }
        self.cpu = cpu
        self.inherited = inherited
        do {
            try NUMABinding.bindProcess(toCPUs: [cpu])
        } catch {
            try? NUMABinding.bindProcess(toCPUs: inherited)
            return nil
        }
    }

    deinit { try? NUMABinding.bindProcess(toCPUs: inherited) }

    /// For the workers of a run and its coordinator.
    ///
    /// - Parameter cores: that this process may keep busy.
    /// - Returns: `nil` where each process has a core, or where the topology says otherwise: binds
    ///   the coordinator, or has workers on several nodes.
    static func around(_ binding: FleetBinding, cores: Int) -> CoreHold? {
        guard cores < 1 + binding.unitCount, binding.coordinator.cpus == nil,
            let allowed = try? NUMABinding.threadCPUs(), allowed.count > 1
        else { return nil }
        let nodes = Set((0..<binding.unitCount).map { binding.processors(ofDIMM: $0) })
        guard nodes.count == 1, let nodes = nodes.first else { return nil }
        let machine = NUMAMachine.current
        let usable = machine.isAvailable ? (try? machine.bindableCPUs(ofNodes: nodes)) : allowed
        let cpus = Set(usable ?? []).intersection(allowed)
        // The scheduler has put this process where there was room.
        let current = try? NUMABinding.currentCPU()
        let cpu = current.flatMap { cpus.contains($0) ? $0 : nil } ?? cpus.min()
        return cpu.flatMap { CoreHold(cpu: $0) }
    }

    /// A core for each of several runs at once, round and round; none where nodes differ: on which
    /// of them a run's workers are, each run knows itself.
    static func sharedOut() -> [Int] {
        guard NUMAMachine.current.nodes.count <= 1, let cpus = try? NUMABinding.threadCPUs(),
            cpus.count > 1
        else { return [] }
        return cpus
    }
}
