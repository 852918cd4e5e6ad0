package import NUMABinding

/// What this machine offers a run, as read from the kernel; what it does not tell stays `nil`.
///
/// Plain values: a test makes machines up, and ``HostAssessment`` judges both alike.
package struct HostFacts: Equatable, Sendable {
    package var processors = Processors()
    /// Nodes, distances, and what of both this process may use.
    package var machine: NUMAMachine
    /// Memory of each node that is free or holds only clean file pages, by the node's number.
    package var reclaimableByteCounts: [Int: Int] = [:]
    /// Calls that bind threads and memory, each really made once.
    package var callTrials: [CallTrial] = []
    /// Whether a seccomp filter judges this process's calls.
    package var isFiltered: Bool?
    package var hugePages = HugePages()
    package var sharedMemory: SharedMemory?
    package var lockedMemory = LockedMemory()
    /// `kernel.numa_balancing`: 0 is off; `nil` where the kernel has no such thing.
    package var automaticBalancing: Int?
    /// `vm.zone_reclaim_mode`: 0 is off.
    package var zoneReclaimMode: Int?
    package var swapByteCount: Int?
    /// `kernel.perf_event_paranoid`: what an unprivileged process may measure; 2 is its own code.
    package var perfRestriction: Int?
    /// Where the `perf` program is.
    package var perfProgram: String?
    /// Names under /sys/class/infiniband.
    package var rdmaDevices: [String] = []
    /// Memory that this process can take before something runs out.
    package var availableByteCount: Int?
    /// Workers whose coordinator is gone, by process identifier.
    package var abandonedWorkers: [Int32] = []
    /// Segments and unfinished files that nobody has open.
    package var abandonedFiles: [String] = []

    package init(machine: NUMAMachine) { self.machine = machine }
}

extension HostFacts {
    /// The CPUs: how many there are, and how many this process may use.
    package struct Processors: Equatable, Sendable {
        package var onlineCPUs: [Int] = []
        /// CPU time per wall time that the control groups grant, in cores.
        package var quotaCoreCount: Double?
        /// Cores that can be kept busy under mask and quota.
        package var usableCoreCount = 1
        /// Physical cores among the allowed CPUs.
        package var physicalCoreCount: Int?
        /// Frequency governors of the allowed CPUs, each once, sorted.
        package var governors: [String] = []

        package init() {}
    }

    /// Pages larger than the base page.
    package struct HugePages: Equatable, Sendable {
        /// The chosen word of transparent_hugepage/enabled: always, madvise or never.
        package var transparentMode: String?
        /// Pages set aside for hugetlbfs, of the kernel's default size.
        package var reservedCount: Int?
        package var freeCount: Int?
        package var pageByteCount: Int?
        /// Pages of that size by node, where the kernel tells.
        package var pools: [Int: Pool] = [:]

        /// What one node's memory holds of the pool.
        package struct Pool: Equatable, Sendable {
            package let pageCount: Int
            package let freeCount: Int

            package init(pageCount: Int, freeCount: Int) {
                self.pageCount = pageCount
                self.freeCount = freeCount
            }
        }

        package init() {}
    }

    /// The memory file system that rings live in.
    package struct SharedMemory: Equatable, Sendable {
        package let byteCount: Int
        package let freeByteCount: Int

        package init(byteCount: Int, freeByteCount: Int) {
            self.byteCount = byteCount
            self.freeByteCount = freeByteCount
        }
    }

    /// How much memory may be locked against being moved out.
    package struct LockedMemory: Equatable, Sendable {
        /// RLIMIT_MEMLOCK, soft; `nil` means no limit.
        package var limitByteCount: Int?
        /// CAP_IPC_LOCK: the limit does not apply.
        package var isPrivileged = false

        package init() {}
    }

    /// One call that was made to see whether the kernel permits it.
    package struct CallTrial: Equatable, Sendable {
        package let call: String
        /// What the kernel answered; `nil` when it did as asked.
        package let refusal: String?

        package init(call: String, refusal: String?) {
            self.call = call
            self.refusal = refusal
        }
    }
}
