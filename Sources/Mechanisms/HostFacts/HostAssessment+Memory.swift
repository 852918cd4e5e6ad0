internal import NUMABinding

extension HostAssessment {
    // MARK: Nodes

    var nodes: Finding {
        let why = "local and remote memory differ only between nodes"
        let machine = facts.machine
        if let reason = machine.unavailableReason {
            return Finding(
                "nodes", .missing, reason, why: why,
                mend: "a kernel with CONFIG_NUMA, and a container that permits get_mempolicy")
        }
        let list = machine.nodes.map { node in
            "\(node.number): CPUs \(Quantity.list(node.cpus)), "
                + Quantity.bytes(node.memoryByteCount)
        }.joined(separator: "; ")
        return machine.nodes.count > 1
            ? Finding("nodes", .ok, list, why: why)
            : Finding(
                "nodes", .degraded, "one node: \(list)", why: why,
                mend: "a machine with several sockets, or sub-NUMA clustering in its firmware; "
                    + "numa=fake=2 on the kernel's command line shows binding, not slowdown")
    }

    var distances: Finding? {
        let machine = facts.machine
        guard !machine.nodes.isEmpty else { return nil }
        let why = "they say how far each node's memory is; 10 is local"
        let rows = zip(machine.nodes, machine.distances).map { node, row in
            "\(node.number): \(row.map { String($0) }.joined(separator: " "))"
        }.joined(separator: "; ")
        let isTold = machine.distances.allSatisfy { !$0.contains(0) }
        return Finding(
            "distances", isTold ? .ok : .degraded, rows, why: why,
            mend: "the firmware tells none (ACPI SLIT); measure with hermes numa")
    }

    var topologyNodes: Finding? {
        guard let demand else { return nil }
        let why = "a worker that cannot be bound to its node proves nothing"
        if let problem = demand.nodeProblem {
            return Finding(
                "topology nodes", .missing, problem, why: why,
                mend: "other node sets (--set channels.0.node=all), or another machine",
                blocksRun: true)
        }
        for (dimm, worker) in demand.workers.enumerated() where facts.machine.isAvailable {
            do throws(NUMABindingError) {
                _ = try facts.machine.bindableCPUs(ofNodes: worker.nodes)
                try facts.machine.checkMemory(ofNodes: worker.memoryNodes)
            } catch {
                return Finding(
                    "topology nodes", .missing, "DIMM \(dimm): \(error)", why: why,
                    mend: "other node sets, or a wider cpuset", blocksRun: true)
            }
        }
        let counts = Dictionary(grouping: demand.workers.flatMap(\.nodes)) { $0 }
        let list = counts.sorted { $0.key < $1.key }
            .map { "\($0.value.count) on node \($0.key)" }.joined(separator: ", ")
        let elsewhere =
            demand.farDIMMCount > 0
            ? " (\(demand.farDIMMCount) on other hosts, for run --launcher ssh or slurm)" : ""
        let text = "\(demand.topologyName): \(demand.dimmCount) DIMMs\(elsewhere), \(list)"
        guard let remark = demand.nodeRemark else {
            return Finding("topology nodes", .ok, text, why: why)
        }
        return Finding(
            "topology nodes", .degraded, "\(text); \(remark)", why: why,
            mend: "a machine with these nodes")
    }

    var nodeMemory: Finding? {
        let free = facts.reclaimableByteCounts
        guard !free.isEmpty else { return nil }
        let why = "weights bound to a node must fit its memory"
        let text = free.sorted { $0.key < $1.key }
            .map { "node \($0.key): \(Quantity.bytes($0.value)) free" }.joined(separator: "; ")
        var needed: [Int: Int] = [:]
        for worker in demand?.workers ?? [] {
            guard let byteCount = worker.byteCount, worker.memoryNodes.count == 1 else { continue }
            needed[worker.memoryNodes[0], default: 0] += byteCount
        }
        let short = needed.sorted { $0.key < $1.key }.first { free[$0.key] ?? .max < $0.value }
        guard let short else { return Finding("node memory", .ok, text, why: why) }
        return Finding(
            "node memory", .missing,
            "\(text); node \(short.key) is to hold \(Quantity.bytes(short.value))", why: why,
            mend: "spread the DIMMs over more nodes, or free memory", blocksRun: true)
    }

    var memory: Finding? {
        guard let available = facts.availableByteCount else { return nil }
        let why = "weights, caches and rings must fit at once"
        let text = "\(Quantity.bytes(available)) available"
        guard let needed = demand?.byteCount else {
            return Finding("memory", .ok, text, why: why)
        }
        return Finding(
            "memory", needed > available ? .missing : .ok,
            "\(text), \(Quantity.bytes(needed)) needed", why: why,
            mend: "a smaller model, or a higher memory limit", blocksRun: needed > available)
    }

    /// One finding for each call, since containers refuse them one by one.
    var calls: [Finding] {
        let why = "binding and its proof are made of this call"
        let filter = facts.isFiltered == true ? " (a seccomp filter is active)" : ""
        return facts.callTrials.map { trial in
            guard let refusal = trial.refusal else {
                return Finding(trial.call, .ok, "permitted", why: why)
            }
            // With one node every page is where it should be, bound or not.
            let matters = demand != nil && facts.machine.nodes.count != 1
            return Finding(
                trial.call, .missing, refusal + filter, why: why,
                mend: "docker run --cap-add SYS_NICE, or a seccomp profile that allows it",
                blocksRun: matters)
        }
    }

    // MARK: Pages

    var hugePages: Finding {
        let why = "long scans of weights miss the TLB less often"
        let pages = facts.hugePages
        let reserved = pages.reservedCount.map { count in
            "; hugetlbfs: \(pages.freeCount ?? 0) of \(count) pages of "
                + "\(Quantity.bytes(pages.pageByteCount ?? 0)) free"
                + (count == 0 ? " (a pool: \(pages.advice(node: nil, freeCount: nil)))" : "")
        }
        guard let mode = pages.transparentMode else {
            return Finding(
                "huge pages", .missing, "no transparent ones" + (reserved ?? ""), why: why,
                mend: "a kernel with CONFIG_TRANSPARENT_HUGEPAGE")
        }
        return Finding(
            "huge pages", mode == "never" ? .degraded : .ok,
            "transparent: \(mode)" + (reserved ?? ""), why: why,
            mend: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
    }

    /// Only of a topology that wants memory of the pool: a worker whose node has too few free pages
    /// does not start.
    var hugePagePool: Finding? {
        // Of several nodes the kernel chooses, so nothing can be said of one.
        let takers = (demand?.workers ?? []).filter {
            $0.takesPooledPages && $0.memoryNodes.count == 1
        }
        guard !takers.isEmpty else { return nil }
        let why = "the topology asks for huge_pages: hugetlbfs"
        let pages = facts.hugePages
        var needed: [Int: Int] = [:]
        for worker in takers {
            // Weights and KV cache are mapped apart.
            let count = worker.byteCount.flatMap {
                pages.pageCount(forByteCount: $0, mappingCount: 2)
            }
            needed[worker.memoryNodes[0], default: 0] += count ?? 2
        }
        let short = needed.sorted { $0.key < $1.key }
            .filter { (pages.pools[$0.key]?.freeCount ?? 0) < $0.value }
        let text = needed.sorted { $0.key < $1.key }.map { node, count in
            "node \(node): \(count) pages needed, \(pages.pools[node]?.freeCount ?? 0) free"
        }.joined(separator: "; ")
        return Finding(
            "hugetlbfs", short.isEmpty ? .ok : .missing, text, why: why,
            mend: short.map { pages.advice(node: $0.key, freeCount: $0.value) }
                .joined(separator: "; "),
            blocksRun: !short.isEmpty)
    }

    var sharedMemory: Finding {
        let why = "rings between coordinator and workers live in it"
        guard let shared = facts.sharedMemory else {
            return Finding(
                "/dev/shm", .missing, "not there or not writable", why: why,
                mend: "mount -t tmpfs tmpfs /dev/shm", blocksRun: demand != nil)
        }
        let text =
            "\(Quantity.bytes(shared.freeByteCount)) free of \(Quantity.bytes(shared.byteCount))"
        guard let needed = demand?.ringByteCount else {
            return Finding(
                "/dev/shm", shared.freeByteCount > 0 ? .ok : .missing, text, why: why,
                mend: "docker run --shm-size, or mount -o remount,size=1G /dev/shm")
        }
        let isShort = needed > shared.freeByteCount
        return Finding(
            "/dev/shm", isShort ? .missing : .ok,
            "\(text), \(Quantity.bytes(needed)) needed for rings", why: why,
            mend: "docker run --shm-size, or mount -o remount,size=1G /dev/shm",
            blocksRun: isShort)
    }

    var lockedMemory: Finding {
        let why = "locked weights are never swapped out"
        let locked = facts.lockedMemory
        guard let limit = locked.limitByteCount, !locked.isPrivileged else {
            return Finding(
                "memlock", .ok,
                locked.isPrivileged ? "unlimited (CAP_IPC_LOCK)" : "unlimited", why: why)
        }
        return Finding(
            "memlock", .degraded, "at most \(Quantity.bytes(limit)) a process", why: why,
            mend: "ulimit -l unlimited, LimitMEMLOCK=infinity, docker run --ulimit memlock=-1")
    }
}
