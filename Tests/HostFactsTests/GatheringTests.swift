import Foundation
import HostFacts
import NUMABinding
import Testing

/// A made-up `/proc` and `/sys` below a folder of its own.
private final class FileTree {
    let root: String

    init(_ files: [String: String]) throws {
        root = NSTemporaryDirectory() + "/hermes-host-\(UUID().uuidString)"
        for (path, text) in files {
            let file = URL(filePath: root + path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: false, encoding: .utf8)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }
}

@Suite struct GatheringTests {
    private static let meminfo = """
        MemTotal:       16000000 kB
        MemAvailable:   12000000 kB
        SwapTotal:       1048576 kB
        HugePages_Total:      12
        HugePages_Free:        5
        Hugepagesize:       2048 kB
        """

    private static let nodeMeminfo = """
        Node 1 MemTotal:  8000000 kB
        Node 1 MemFree:   1000 kB
        Node 1 Active(file):  200 kB
        Node 1 Inactive(file):  300 kB
        Node 1 Dirty:  50 kB
        """

    @Test func `The kernel's files are read as they are written`() throws {
        let cpu = "/sys/devices/system/cpu"
        let tree = try FileTree([
            "/proc/meminfo": Self.meminfo,
            "/proc/self/status": "Name: a\nCapEff:\t0000000000004000\nSeccomp:\t2\n",
            "/proc/sys/kernel/numa_balancing": "1\n",
            "/proc/sys/vm/zone_reclaim_mode": "3\n",
            "/proc/sys/kernel/perf_event_paranoid": "-1\n",
            "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
            "/sys/devices/system/node/node1/meminfo": Self.nodeMeminfo,
            "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages": "7\n",
            "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages": "3\n",
            "/sys/class/infiniband/mlx5_0/node_type": "1: CA\n",
            cpu + "/online": "0-3,8\n",
            cpu + "/cpu0/topology/thread_siblings_list": "0,2\n",
            cpu + "/cpu2/topology/thread_siblings_list": "0,2\n",
            cpu + "/cpu0/cpufreq/scaling_governor": "powersave\n",
            "/dev/shm/x": "",
        ])
        let machine = NUMAMachine(
            nodes: [NUMANode(number: 1, memoryByteCount: 1 << 30, cpus: [0, 2])],
            allowedNodes: [1], allowedCPUs: [0, 2], distances: [[10]])
        let facts = HostFacts.current(machine: machine, root: tree.root)
        #expect(facts.processors.onlineCPUs == [0, 1, 2, 3, 8])
        #expect(facts.processors.physicalCoreCount == 1)
        #expect(facts.processors.governors == ["powersave"])
        #expect(facts.reclaimableByteCounts == [1: 1450 * 1024])
        #expect(facts.isFiltered == true)
        #expect(facts.lockedMemory.isPrivileged)
        #expect(facts.hugePages.transparentMode == "madvise")
        #expect(facts.hugePages.reservedCount == 12)
        #expect(facts.hugePages.freeCount == 5)
        #expect(facts.hugePages.pageByteCount == 2 << 20)
        #expect(facts.hugePages.pools == [1: .init(pageCount: 7, freeCount: 3)])
        #expect(facts.automaticBalancing == 1)
        #expect(facts.zoneReclaimMode == 3)
        #expect(facts.perfRestriction == -1)
        #expect(facts.swapByteCount == 1 << 30)
        #expect(facts.rdmaDevices == ["mlx5_0"])
        #expect(facts.sharedMemory != nil)
    }

    @Test func `What is not there stays unknown`() throws {
        let tree = try FileTree(["/empty": ""])
        let machine = MadeUpMachine.machine(nodeCount: 2)
        let facts = HostFacts.current(machine: machine, root: tree.root)
        #expect(facts.processors.onlineCPUs == machine.allowedCPUs)
        #expect(facts.processors.physicalCoreCount == nil)
        #expect(facts.reclaimableByteCounts.isEmpty)
        #expect(facts.isFiltered == nil)
        #expect(facts.sharedMemory == nil)
        #expect(facts.swapByteCount == nil)
        #expect(facts.availableByteCount == nil)
        // Judging needs none of it.
        #expect(!HostAssessment(facts).findings.isEmpty)
    }

    @Test func `This machine can be asked, and trying the calls changes nothing`() throws {
        var facts = HostFacts.current()
        let policy = try NUMABinding.threadPolicy()
        let cpus = try NUMABinding.threadCPUs()
        facts.tryCalls()
        #expect(facts.callTrials.count == 4)
        #expect(try NUMABinding.threadPolicy() == policy)
        #expect(try NUMABinding.threadCPUs() == cpus)
        #expect(facts.processors.usableCoreCount >= 1)
        #expect(!facts.processors.onlineCPUs.isEmpty)
    }
}
