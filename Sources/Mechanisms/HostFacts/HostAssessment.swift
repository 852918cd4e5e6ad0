internal import NUMABinding

/// Judges a machine: facts in, findings out. Touches nothing.
package struct HostAssessment {
    let facts: HostFacts
    let demand: HostDemand?

    /// - Parameter demand: what is to run; `nil` judges the machine by itself.
    package init(_ facts: HostFacts, demand: HostDemand? = nil) {
        self.facts = facts
        self.demand = demand
    }

    /// In the order in which a reader wants them: what can run, where, and what disturbs it.
    package var findings: [Finding] {
        let all: [Finding?] = [
            cores, cpuset, simultaneousThreads, oversubscription, nodes, distances, topologyNodes,
            nodeMemory, memory,
        ]
        return all.compactMap { $0 } + calls
            + [
                balancing, zoneReclaim, swap, hugePages,
            ] + [hugePagePool].compactMap { $0 } + [
                sharedMemory, lockedMemory, governor, perf, rdma, leftovers,
            ]
    }

    // MARK: Processors

    private var cores: Finding {
        let processors = facts.processors
        let why = "the coordinator and each worker want a core of their own"
        let quota = processors.quotaCoreCount.map {
            ", control group quota \(Quantity.decimal($0)) cores"
        }
        let text =
            "\(processors.usableCoreCount) usable; \(processors.onlineCPUs.count) CPUs online, "
            + "\(facts.machine.allowedCPUs.count) in the affinity mask" + (quota ?? "")
        let isCut = processors.usableCoreCount < facts.machine.allowedCPUs.count
        return Finding(
            "cores", isCut ? .degraded : .ok, text, why: why,
            mend: "raise the quota (docker run --cpus, Kubernetes limits.cpu, cgroup cpu.max)")
    }

    private var cpuset: Finding {
        let machine = facts.machine
        let online = Set(facts.processors.onlineCPUs)
        let hiddenCPUs = online.subtracting(machine.allowedCPUs)
        let hiddenNodes = Set(machine.nodeNumbers).subtracting(machine.allowedNodes)
        let why = "workers are bound inside this set, never outside it"
        if hiddenCPUs.isEmpty, hiddenNodes.isEmpty {
            return Finding("cpuset", .ok, "all CPUs and nodes are allowed", why: why)
        }
        return Finding(
            "cpuset", .degraded,
            "allowed are CPUs \(Quantity.list(machine.allowedCPUs)) of "
                + "\(Quantity.list(facts.processors.onlineCPUs)), memory of nodes "
                + "\(Quantity.list(machine.allowedNodes)) of "
                + Quantity.list(machine.nodeNumbers),
            why: why, mend: "widen taskset, numactl, cpuset cgroup or the Slurm job's allocation")
    }

    private var simultaneousThreads: Finding {
        let cpuCount = facts.machine.allowedCPUs.count
        let why = "two workers on the threads of one core share its units and caches"
        guard let coreCount = facts.processors.physicalCoreCount else {
            return Finding(
                "smt", .missing, "the kernel does not tell which CPUs share a core", why: why,
                mend: "mount /sys")
        }
        return coreCount < cpuCount
            ? Finding(
                "smt", .degraded, "on: \(cpuCount) CPUs are \(coreCount) cores", why: why,
                mend: "echo off > /sys/devices/system/cpu/smt/control")
            : Finding("smt", .ok, "off: \(cpuCount) CPUs are \(coreCount) cores", why: why)
    }

    private var oversubscription: Finding? {
        guard let demand else { return nil }
        let usable = facts.processors.usableCoreCount
        let text =
            "\(demand.topologyName): \(demand.processCount) processes on \(usable) usable cores"
        let why = "processes that share a core delay each other; paced runs need more dilation"
        return demand.processCount > usable
            ? Finding(
                "oversubscription", .degraded, text, why: why,
                mend: "fewer DIMMs, or a machine with more cores; virtual time is not affected")
            : Finding("oversubscription", .ok, text, why: why)
    }

    // MARK: What moves pages, and what measures

    private var balancing: Finding {
        let why = "the kernel moves pages towards threads that touch them, behind our backs"
        guard let mode = facts.automaticBalancing, mode != 0 else {
            return Finding("numa_balancing", .ok, "off", why: why)
        }
        return Finding(
            "numa_balancing", .degraded, "on (\(mode))", why: why,
            mend: "sysctl kernel.numa_balancing=0")
    }

    private var zoneReclaim: Finding {
        let why = "a full node reclaims its own pages before it takes another node's"
        guard let mode = facts.zoneReclaimMode, mode != 0 else {
            return Finding("zone_reclaim", .ok, "off", why: why)
        }
        return Finding(
            "zone_reclaim", .degraded, "on (\(mode))", why: why,
            mend: "sysctl vm.zone_reclaim_mode=0")
    }

    private var swap: Finding {
        let why = "a weight that was swapped out comes back late, and perhaps on another node"
        guard let byteCount = facts.swapByteCount else {
            return Finding("swap", .missing, "unknown", why: why, mend: "mount /proc")
        }
        return byteCount == 0
            ? Finding("swap", .ok, "none", why: why)
            : Finding(
                "swap", .degraded, Quantity.bytes(byteCount), why: why,
                mend: "swapoff -a, or lock the memory")
    }

    private var governor: Finding {
        let why = "a core that changes its clock blurs every measured time"
        let names = facts.processors.governors
        if names.isEmpty {
            return Finding(
                "governor", .missing, "the kernel shows none (usual in a virtual machine)",
                why: why, mend: "set it on the host: cpupower frequency-set -g performance")
        }
        return Finding(
            "governor", names == ["performance"] ? .ok : .degraded,
            names.joined(separator: ", "), why: why,
            mend: "cpupower frequency-set -g performance")
    }

    private var perf: Finding {
        let why = "hardware counters show remote accesses and cache misses"
        guard let restriction = facts.perfRestriction else {
            return Finding(
                "perf", .missing, "the kernel has no perf events", why: why,
                mend: "a kernel with CONFIG_PERF_EVENTS")
        }
        let level = "perf_event_paranoid \(restriction)"
        guard facts.perfProgram != nil else {
            return Finding(
                "perf", .missing, "no perf program; \(level)", why: why,
                mend: "apt-get install linux-perf")
        }
        return Finding(
            "perf", restriction > 2 ? .degraded : .ok, level, why: why,
            mend: "sysctl kernel.perf_event_paranoid=1")
    }

    private var rdma: Finding {
        let why = "only workers on other hosts would need it"
        return facts.rdmaDevices.isEmpty
            ? Finding(
                "rdma", .missing, "no devices", why: why,
                mend: "a network card with RDMA, or Soft-RoCE: rdma link add rxe0 type rxe netdev X"
            )
            : Finding("rdma", .ok, facts.rdmaDevices.joined(separator: ", "), why: why)
    }

    // MARK: Earlier runs

    private var leftovers: Finding {
        let why = "what a crash left takes memory and cores from every run after it"
        let workers = facts.abandonedWorkers
        let files = facts.abandonedFiles
        let parts = [
            workers.isEmpty
                ? nil
                : "workers without a coordinator: "
                    + workers.map { String($0) }.joined(separator: ", "),
            files.isEmpty ? nil : "files that nobody has open: " + files.joined(separator: ", "),
        ].compactMap { $0 }
        return Finding(
            "leftovers", parts.isEmpty ? .ok : .degraded,
            parts.isEmpty ? "none" : parts.joined(separator: "; "), why: why,
            mend: "hermes doctor --clean ends and removes them")
    }
}
