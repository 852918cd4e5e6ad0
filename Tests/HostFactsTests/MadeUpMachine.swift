import HostFacts
import NUMABinding

/// Machines that nobody has, to judge.
enum MadeUpMachine {
    /// Two nodes of two CPUs and 8 GiB each; everything as a run wants it.
    static func ideal() -> HostFacts {
        var facts = HostFacts(machine: machine(nodeCount: 2))
        facts.processors.onlineCPUs = [0, 1, 2, 3]
        facts.processors.usableCoreCount = 4
        facts.processors.physicalCoreCount = 4
        facts.processors.governors = ["performance"]
        facts.reclaimableByteCounts = [0: 6 << 30, 1: 7 << 30]
        facts.callTrials = ["sched_setaffinity", "set_mempolicy", "mbind", "move_pages"]
            .map { HostFacts.CallTrial(call: $0, refusal: nil) }
        facts.isFiltered = false
        facts.hugePages.transparentMode = "madvise"
        facts.sharedMemory = HostFacts.SharedMemory(byteCount: 4 << 30, freeByteCount: 4 << 30)
        facts.automaticBalancing = 0
        facts.zoneReclaimMode = 0
        facts.swapByteCount = 0
        facts.perfRestriction = 1
        facts.perfProgram = "/usr/bin/perf"
        facts.rdmaDevices = ["rxe0"]
        facts.availableByteCount = 13 << 30
        return facts
    }

    /// - Parameters:
    ///   - allowedNodes: all when `nil`.
    ///   - allowedCPUs: all when `nil`.
    static func machine(
        nodeCount: Int, allowedNodes: [Int]? = nil, allowedCPUs: [Int]? = nil
    ) -> NUMAMachine {
        let numbers = Array(0..<nodeCount)
        return NUMAMachine(
            nodes: numbers.map {
                NUMANode(number: $0, memoryByteCount: 8 << 30, cpus: [2 * $0, 2 * $0 + 1])
            },
            allowedNodes: allowedNodes ?? numbers,
            allowedCPUs: allowedCPUs ?? Array(0..<2 * nodeCount),
            distances: numbers.map { from in numbers.map { $0 == from ? 10 : 21 } })
    }

    /// Without a model: nothing is said of memory.
    static func demand(
        nodes: [[Int]], byteCount: Int? = nil, ringByteCount: Int? = nil, problem: String? = nil
    ) -> HostDemand {
        HostDemand(
            topologyName: "made-up", dimmCount: max(1, nodes.count),
            workers: nodes.map { HostDemand.Worker(nodes: $0, byteCount: byteCount) },
            nodeProblem: problem, ringByteCount: ringByteCount,
            byteCount: byteCount.map { $0 * nodes.count })
    }
}

extension HostFacts {
    func finding(_ subject: String, demand: HostDemand? = nil) -> Finding? {
        HostAssessment(self, demand: demand).findings.first { $0.subject == subject }
    }
}
