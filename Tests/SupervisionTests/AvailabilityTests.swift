import Glibc
import Supervision
import SystemPackage
import Testing

private let version2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
private let memoryInfo = "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:    8000 kB\n"

@Suite struct CPUAvailabilityTests {
    @Test(
        arguments: [
            (8, nil, 8), (8, 4.0, 4), (8, 2.9, 2), (8, 0.5, 1), (2, 64.0, 2), (1, nil, 1),
            (4, 1e300, 4),
        ] as [(Int, Double?, Int)])
    func `Usable cores are whole ones, at least 1`(allowed: Int, quota: Double?, usable: Int) {
        let available = CPUAvailability(allowedCPUCount: allowed, quotaCoreCount: quota)
        #expect(available.usableCoreCount == usable)
    }

    @Test func `The tightest quota on the way up counts`() throws {
        let tree = try FileTree([
            "/proc/self/cgroup": "0::/slice/job\n",
            "/proc/self/mountinfo": version2Mount,
            "/sys/fs/cgroup/slice/job/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/slice/cpu.max": "50000 100000\n",
            "/sys/fs/cgroup/cpu.max": "900000 100000\n",
        ])
        let available = CPUAvailability.current(root: tree.root)
        #expect(available.quotaCoreCount == 0.5)
        #expect(available.usableCoreCount == 1)
    }

    @Test func `Version 1 quotas count too`() throws {
        let tree = try FileTree([
            "/proc/self/cgroup": "4:cpu,cpuacct:/docker/a\n0::/\n",
            "/proc/self/mountinfo":
                "32 31 0:29 /docker/a /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
            "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        ])
        #expect(CPUAvailability.current(root: tree.root).quotaCoreCount == 1.5)
    }

    @Test(arguments: ["max 100000", "-1 100000", "0 0", "5", "", "x y", "1 2 3"])
    func `What is no quota limits nothing`(text: String) throws {
        let tree = try FileTree([
            "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": version2Mount,
            "/sys/fs/cgroup/cpu.max": text,
        ])
        #expect(CPUAvailability.current(root: tree.root).quotaCoreCount == nil)
    }

    @Test func `Without control groups there is no quota`() throws {
        let tree = try FileTree(["/proc/self/cgroup": "garbage\n0:\n"])
        #expect(CPUAvailability.current(root: tree.root).quotaCoreCount == nil)
    }

    @Test func `An affinity mask counts`() throws {
        let (worker, reports) = try startShell("exec taskset -c 0 '\(try probePath())' cpus")
        #expect(try reports.readAll() == "1 1\n")
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
        try reports.readEnd.close()
    }
}

@Suite struct MemoryAvailabilityTests {
    private func tree(_ files: [String: String]) throws -> FileTree {
        let common = [
            "/proc/meminfo": memoryInfo, "/proc/self/statm": "100 1 1 1 0 1 0\n",
            "/proc/self/cgroup": "0::/slice/job\n", "/proc/self/mountinfo": version2Mount,
        ]
        return try FileTree(common.merging(files) { $1 })
    }

    @Test func `Without limits the machine's memory counts`() throws {
        let tree = try tree([
            "/sys/fs/cgroup/slice/job/memory.max": "max\n",
            "/sys/fs/cgroup/slice/job/memory.current": "4096\n",
        ])
        let available = try MemoryAvailability.current(root: tree.root)
        #expect(available.limit == .machine)
        #expect(available.description == "8192000 bytes available (the machine's memory)")
    }

    @Test func `A parent group's limit counts, its page cache does not`() throws {
        let tree = try tree([
            "/sys/fs/cgroup/slice/job/memory.max": "8000000\n",
            "/sys/fs/cgroup/slice/job/memory.current": "1000\n",
            "/sys/fs/cgroup/slice/memory.max": "100000\n",
            "/sys/fs/cgroup/slice/memory.current": "90000\n",
            "/sys/fs/cgroup/slice/memory.stat":
                "anon 50000\ninactive_file 25000\nactive_file 15000\n",
        ])
        let available = try MemoryAvailability.current(root: tree.root)
        #expect(available.availableByteCount == 50_000)
        #expect(available.limit == .controlGroup(directory: "/sys/fs/cgroup/slice"))
    }

    @Test func `Use above the limit leaves nothing`() throws {
        let tree = try tree([
            "/sys/fs/cgroup/memory.max": "5000\n", "/sys/fs/cgroup/memory.current": "9000\n",
            "/sys/fs/cgroup/memory.stat": "inactive_file -5\nactive_file x\n",
        ])
        #expect(try MemoryAvailability.current(root: tree.root).availableByteCount == 0)
    }

    @Test func `Version 1 limits count, and no limit is none`() throws {
        let tree = try tree([
            "/proc/self/cgroup": "4:memory:/job\n0::/\n",
            "/proc/self/mountinfo":
                version2Mount + "35 31 0:32 / /sys/fs/my\\040memory rw - cgroup none rw,memory\n",
            "/sys/fs/my memory/job/memory.limit_in_bytes": "70000\n",
            "/sys/fs/my memory/job/memory.usage_in_bytes": "30000\n",
            "/sys/fs/my memory/job/memory.stat": "inactive_file 1\ntotal_inactive_file 10000\n",
            "/sys/fs/my memory/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/my memory/memory.usage_in_bytes": "30000\n",
        ])
        let available = try MemoryAvailability.current(root: tree.root)
        #expect(available.availableByteCount == 50_000)
        #expect(available.limit == .controlGroup(directory: "/sys/fs/my memory/job"))
    }

    @Test func `A group outside our namespace shows only the mount's root`() throws {
        let tree = try tree([
            "/proc/self/cgroup": "0::/../other\n",
            "/sys/fs/cgroup/memory.max": "6000\n", "/sys/fs/cgroup/memory.current": "1000\n",
        ])
        #expect(try MemoryAvailability.current(root: tree.root).availableByteCount == 5_000)
    }

    @Test(arguments: [
        "", "MemAvailable:\n", "MemAvailable: x kB\n", "MemAvailable: -1 kB\n",
        "MemAvailable: 9223372036854775807 kB\n",
    ])
    func `A malformed meminfo is refused by name`(text: String) throws {
        let tree = try tree(["/proc/meminfo": text])
        let error = SupervisionError.malformed(
            path: tree.root + "/proc/meminfo", rule: "MemAvailable must be a count of kB")
        #expect(throws: error) { try MemoryAvailability.current(root: tree.root) }
    }

    @Test func `An address space limit counts`() throws {
        let (worker, reports) = try startShell("ulimit -v 900000; exec '\(try probePath())' memory")
        #expect(try reports.readAll() == "addressSpace\n")
        #expect(worker.wait(upTo: .seconds(20)) == .exited(code: 0))
        try reports.readEnd.close()
    }

    @Test func `This machine has memory`() throws {
        #expect(try MemoryAvailability.current().availableByteCount > 0)
    }
}
