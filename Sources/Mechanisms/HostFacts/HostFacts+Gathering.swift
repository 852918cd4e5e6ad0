internal import MappedMemory
package import NUMABinding
internal import Supervision

extension HostFacts {
    /// Asks the kernel of this machine. What it refuses to tell stays `nil`; nothing is changed.
    ///
    /// - Parameter root: prefix of `/proc`, `/sys` and `/dev/shm`; empty except in tests.
    package static func current(
        machine: NUMAMachine = .current, root: String = ""
    ) -> HostFacts {
        let files = KernelFiles(root: root)
        var facts = HostFacts(machine: machine)
        facts.processors = processors(machine: machine, files: files, root: root)
        for number in machine.nodeNumbers {
            facts.reclaimableByteCounts[number] = files.reclaimableByteCount(ofNode: number)
        }
        facts.isFiltered = files.field("Seccomp:", of: "/proc/self/status").map { $0 != "0" }
        facts.hugePages = HugePages.current(machine: machine, root: root)
        facts.sharedMemory = fileSystemRoom(root + "/dev/shm").map {
            SharedMemory(byteCount: $0.byteCount, freeByteCount: $0.freeByteCount)
        }
        facts.lockedMemory = lockedMemory(files)
        facts.automaticBalancing = files.number("/proc/sys/kernel/numa_balancing")
        facts.zoneReclaimMode = files.number("/proc/sys/vm/zone_reclaim_mode")
        facts.swapByteCount = files.kibibytes("SwapTotal:", of: "/proc/meminfo")
        facts.perfRestriction = files.number("/proc/sys/kernel/perf_event_paranoid")
        facts.perfProgram = programPath("perf")
        facts.rdmaDevices = entries(ofFolder: root + "/sys/class/infiniband").sorted()
        facts.availableByteCount = try? MemoryAvailability.current(root: root).availableByteCount
        return facts
    }

    private static func processors(
        machine: NUMAMachine, files: KernelFiles, root: String
    ) -> Processors {
        let availability = CPUAvailability.current(root: root)
        let folder = "/sys/devices/system/cpu"
        var processors = Processors()
        processors.onlineCPUs =
            files.text(folder + "/online").map { Quantity.numbers(in: $0) } ?? machine.allowedCPUs
        processors.quotaCoreCount = availability.quotaCoreCount
        processors.usableCoreCount = availability.usableCoreCount
        let siblings = machine.allowedCPUs.map {
            files.text("\(folder)/cpu\($0)/topology/thread_siblings_list")
        }
        if !siblings.isEmpty, !siblings.contains(nil) {
            processors.physicalCoreCount = Set(siblings).count
        }
        let governors = machine.allowedCPUs.compactMap {
            files.word("\(folder)/cpu\($0)/cpufreq/scaling_governor")
        }
        processors.governors = Set(governors).sorted()
        return processors
    }

    private static func lockedMemory(_ files: KernelFiles) -> LockedMemory {
        let lockCapability: UInt64 = 1 << 14  // CAP_IPC_LOCK, capabilities(7)
        var locked = LockedMemory()
        locked.limitByteCount = lockedMemoryLimit()
        locked.isPrivileged =
            files.field("CapEff:", of: "/proc/self/status")
            .flatMap { UInt64($0, radix: 16) }.map { $0 & lockCapability != 0 } ?? false
        return locked
    }

    /// Makes each call that binding needs once, on this thread and on memory of its own, and takes
    /// it back.
    package mutating func tryCalls() {
        callTrials = CallTrials.all(on: machine)
    }
}

/// The calls that binding is made of, really made: a filter shows only when it is met.
private enum CallTrials {
    static func all(on machine: NUMAMachine) -> [HostFacts.CallTrial] {
        let names = ["sched_setaffinity", "set_mempolicy", "mbind", "move_pages"]
        guard machine.isAvailable, let node = machine.allowedNodes.first else {
            let reason = machine.unavailableReason ?? "no node is allowed"
            return names.map { HostFacts.CallTrial(call: $0, refusal: reason) }
        }
        return [
            trial(names[0]) { () throws(NUMABindingError) in
                // The mask that this thread has already.
                try NUMABinding.bindThreadCPUs(toNodes: machine.nodeNumbers)
            },
            trial(names[1]) { () throws(NUMABindingError) in
                let policy = try NUMABinding.threadPolicy()
                try NUMABinding.setThreadPolicy(.bind([node]))
                try NUMABinding.setThreadPolicy(policy)
            },
            onePage(names[2], bindingTo: node),
            onePage(names[3], bindingTo: nil),
        ]
    }

    private static func trial(
        _ call: String, _ body: () throws(NUMABindingError) -> Void
    ) -> HostFacts.CallTrial {
        do throws(NUMABindingError) {
            try body()
            return HostFacts.CallTrial(call: call, refusal: nil)
        } catch {
            return HostFacts.CallTrial(call: call, refusal: error.description)
        }
    }

    /// Binds a page, or asks where it is.
    private static func onePage(_ call: String, bindingTo node: Int?) -> HostFacts.CallTrial {
        var refusal: String?
        do {
            let page = try AnonymousMapping.create(
                byteCount: pageByteCount, purpose: "a page to try \(call) on")
            if let node {
                try NUMABinding.bindMemory(page.bytes, toNodes: [node])
            } else {
                _ = try NUMABinding.pagePlacement(of: page.bytes)
            }
        } catch {
            refusal = "\(error)"
        }
        return HostFacts.CallTrial(call: call, refusal: refusal)
    }
}
