import HostFacts
import NUMABinding
import Testing

@Suite struct HostAssessmentTests {
    @Test func `A machine that has everything is ok in every line, and asks for no mending`() {
        let demand = MadeUpMachine.demand(
            nodes: [[0], [1]], byteCount: 1 << 30, ringByteCount: 1 << 20)
        let findings = HostAssessment(MadeUpMachine.ideal(), demand: demand).findings
        for finding in findings where finding.status != .ok || finding.remedy != nil {
            Issue.record("\(finding.line)")
        }
        #expect(!findings.contains { $0.blocksRun })
        #expect(Set(findings.map(\.subject)).count == findings.count)
    }

    /// Each subject with the change to the ideal machine that spoils it.
    private static let flaws: [(String, Finding.Status, @Sendable (inout HostFacts) -> Void)] = [
        ("cores", .degraded, { $0.processors.usableCoreCount = 3 }),
        ("cpuset", .degraded, { $0.processors.onlineCPUs = Array(0..<8) }),
        (
            "cpuset", .degraded,
            { $0.machine = MadeUpMachine.machine(nodeCount: 2, allowedNodes: [1]) }
        ),
        ("smt", .degraded, { $0.processors.physicalCoreCount = 2 }),
        ("smt", .missing, { $0.processors.physicalCoreCount = nil }),
        ("nodes", .degraded, { $0.machine = MadeUpMachine.machine(nodeCount: 1) }),
        ("numa_balancing", .degraded, { $0.automaticBalancing = 1 }),
        ("zone_reclaim", .degraded, { $0.zoneReclaimMode = 1 }),
        ("swap", .degraded, { $0.swapByteCount = 1 << 30 }),
        ("swap", .missing, { $0.swapByteCount = nil }),
        ("huge pages", .degraded, { $0.hugePages.transparentMode = "never" }),
        ("huge pages", .missing, { $0.hugePages.transparentMode = nil }),
        ("/dev/shm", .missing, { $0.sharedMemory = nil }),
        ("memlock", .degraded, { $0.lockedMemory.limitByteCount = 65536 }),
        ("governor", .degraded, { $0.processors.governors = ["performance", "powersave"] }),
        ("governor", .missing, { $0.processors.governors = [] }),
        ("perf", .degraded, { $0.perfRestriction = 4 }),
        ("perf", .missing, { $0.perfProgram = nil }),
        ("perf", .missing, { $0.perfRestriction = nil }),
        ("rdma", .missing, { $0.rdmaDevices = [] }),
        ("leftovers", .degraded, { $0.abandonedWorkers = [4711] }),
        ("leftovers", .degraded, { $0.abandonedFiles = ["/dev/shm/hermes-1"] }),
    ]

    @Test(arguments: flaws.indices)
    func `Each flaw is found, in its own line alone, with a way to mend it`(index: Int) throws {
        let (subject, status, spoil) = Self.flaws[index]
        var facts = MadeUpMachine.ideal()
        spoil(&facts)
        let finding = try #require(facts.finding(subject))
        #expect(finding.status == status)
        #expect(finding.remedy?.isEmpty == false)
        #expect(!finding.blocksRun)
        let line = finding.line
        #expect(line.hasPrefix(status.rawValue) && line.contains(finding.reason))
        #expect(!line.contains("\n"))
        // A smaller machine may show in further lines; a flaw of one setting must not.
        guard subject != "nodes" else { return }
        let others = HostAssessment(facts).findings.filter { $0.subject != subject }
        #expect(others.allSatisfy { $0.status == .ok })
    }

    @Test func `A privileged process is not held to the memlock limit`() {
        var facts = MadeUpMachine.ideal()
        facts.lockedMemory.limitByteCount = 65536
        facts.lockedMemory.isPrivileged = true
        #expect(facts.finding("memlock")?.status == .ok)
    }

    @Test(arguments: [(3, Finding.Status.ok), (4, .degraded)])
    func `More processes than cores is oversubscription, as many is not`(
        dimmCount: Int, status: Finding.Status
    ) {
        let demand = MadeUpMachine.demand(nodes: Array(repeating: [0], count: dimmCount))
        #expect(MadeUpMachine.ideal().finding("oversubscription", demand: demand)?.status == status)
        #expect(MadeUpMachine.ideal().finding("oversubscription") == nil)
    }

    @Test(arguments: ["sched_setaffinity", "set_mempolicy", "mbind", "move_pages"])
    func `A refused call blocks a run only where nodes differ`(call: String) throws {
        let refusal = "\(call) refused: Operation not permitted (errno 1)"
        var facts = MadeUpMachine.ideal()
        facts.isFiltered = true
        facts.callTrials = facts.callTrials.map {
            $0.call == call ? HostFacts.CallTrial(call: call, refusal: refusal) : $0
        }
        let demand = MadeUpMachine.demand(nodes: [[0]])
        let finding = try #require(facts.finding(call, demand: demand))
        #expect(finding.status == .missing && finding.blocksRun)
        #expect(finding.observation.contains("errno 1"))
        #expect(finding.observation.contains("seccomp"))
        #expect(facts.finding(call)?.blocksRun == false)
        facts.machine = MadeUpMachine.machine(nodeCount: 1)
        #expect(facts.finding(call, demand: demand)?.blocksRun == false)
    }

    @Test func `Where the kernel has no memory policies, that is the finding`() throws {
        var facts = MadeUpMachine.ideal()
        facts.machine = NUMAMachine(
            unavailableReason: "get_mempolicy: ENOSYS", nodes: [], allowedNodes: [],
            allowedCPUs: [0], distances: [])
        let finding = try #require(facts.finding("nodes"))
        #expect(finding.status == .missing && finding.observation.contains("ENOSYS"))
        #expect(facts.finding("distances") == nil)
    }
}

@Suite struct DemandTests {
    @Test func `Nodes that cannot be had block the run`() throws {
        let demand = MadeUpMachine.demand(nodes: [], problem: "node 7 does not exist")
        let finding = try #require(
            MadeUpMachine.ideal().finding("topology nodes", demand: demand))
        #expect(finding.blocksRun && finding.observation.contains("node 7"))
    }

    @Test func `A node whose CPUs or memory are not allowed blocks the run`() {
        var facts = MadeUpMachine.ideal()
        let demand = MadeUpMachine.demand(nodes: [[0], [1]])
        #expect(facts.finding("topology nodes", demand: demand)?.status == .ok)
        facts.machine = MadeUpMachine.machine(nodeCount: 2, allowedCPUs: [0, 1])
        #expect(facts.finding("topology nodes", demand: demand)?.blocksRun == true)
        facts.machine = MadeUpMachine.machine(nodeCount: 2, allowedNodes: [0])
        #expect(facts.finding("topology nodes", demand: demand)?.blocksRun == true)
    }

    @Test func `Memory is reckoned node by node`() {
        let facts = MadeUpMachine.ideal()
        // 6 GiB are free on node 0.
        let fitting = MadeUpMachine.demand(nodes: [[0], [0], [1]], byteCount: 3 << 30)
        #expect(facts.finding("node memory", demand: fitting)?.status == .ok)
        let tooMuch = MadeUpMachine.demand(nodes: [[0], [0], [0]], byteCount: 3 << 30)
        #expect(facts.finding("node memory", demand: tooMuch)?.blocksRun == true)
        #expect(facts.finding("memory", demand: tooMuch)?.status == .ok)
        let spread = MadeUpMachine.demand(nodes: [[0, 1], [0, 1]], byteCount: 7 << 30)
        #expect(facts.finding("node memory", demand: spread)?.status == .ok)
        #expect(facts.finding("memory", demand: spread)?.blocksRun == true)
    }

    /// 2 MiB pages: 3 MiB of weights and KV cache, mapped apart, take up to three of them.
    @Test func `A pool of huge pages is reckoned node by node, with what to write where`() throws {
        var facts = MadeUpMachine.ideal()
        facts.hugePages.pageByteCount = 2 << 20
        facts.hugePages.pools = [
            0: .init(pageCount: 8, freeCount: 6), 1: .init(pageCount: 5, freeCount: 3),
        ]
        func demand(_ nodes: [Int]) -> HostDemand {
            HostDemand(
                topologyName: "made-up", dimmCount: nodes.count,
                workers: nodes.map {
                    HostDemand.Worker(nodes: [$0], byteCount: 3 << 20, takesPooledPages: true)
                }, nodeProblem: nil)
        }
        #expect(facts.finding("hugetlbfs", demand: demand([0, 0, 1]))?.status == .ok)
        let finding = try #require(facts.finding("hugetlbfs", demand: demand([0, 1, 1])))
        #expect(finding.status == .missing && finding.blocksRun)
        // Six are needed, and two of the five are taken.
        let remedy = try #require(finding.remedy)
        #expect(
            remedy == "as root: echo 8 > /sys/devices/system/node/node1/hugepages/"
                + "hugepages-2048kB/nr_hugepages")
        #expect(facts.finding("hugetlbfs", demand: MadeUpMachine.demand(nodes: [[0]])) == nil)
    }

    @Test func `Rings that do not fit /dev/shm block the run`() {
        var facts = MadeUpMachine.ideal()
        let demand = MadeUpMachine.demand(nodes: [[0]], ringByteCount: 1 << 20)
        facts.sharedMemory = HostFacts.SharedMemory(byteCount: 1 << 20, freeByteCount: 1 << 20)
        #expect(facts.finding("/dev/shm", demand: demand)?.status == .ok)
        facts.sharedMemory = HostFacts.SharedMemory(
            byteCount: 1 << 20, freeByteCount: (1 << 20) - 1)
        #expect(facts.finding("/dev/shm", demand: demand)?.blocksRun == true)
        facts.sharedMemory = nil
        #expect(facts.finding("/dev/shm", demand: demand)?.blocksRun == true)
    }
}
