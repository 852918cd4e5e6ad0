import Glibc
import NUMABinding
import SystemPackage
import Testing

/// Two sockets, a memory-only node (CXL) numbered with a gap, and a CPU-only node.
private func machine(
    allowedNodes: [Int] = [0, 1, 4], allowedCPUs: [Int] = Array(0...7)
) -> NUMAMachine {
    NUMAMachine(
        nodes: [
            NUMANode(number: 0, memoryByteCount: 1 << 30, cpus: [0, 2, 4, 6]),
            NUMANode(number: 1, memoryByteCount: 1 << 30, cpus: [1, 3, 5]),
            NUMANode(number: 4, memoryByteCount: 1 << 30, cpus: []),
            NUMANode(number: 5, memoryByteCount: 0, cpus: [7]),
        ],
        allowedNodes: allowedNodes, allowedCPUs: allowedCPUs,
        distances: Array(repeating: [10, 20, 20, 20], count: 4))
}

@Suite struct NUMAMachineTests {
    @Test func `CPUs of nodes are joined, once each and in order`() throws {
        #expect(try machine().bindableCPUs(ofNodes: [1, 0]) == [0, 1, 2, 3, 4, 5, 6])
        #expect(try machine().bindableCPUs(ofNodes: [5, 5]) == [7])
        #expect(try machine().bindableCPUs(ofNodes: [4, 1]) == [1, 3, 5])
    }

    @Test func `The inherited mask is never widened`() throws {
        #expect(try machine(allowedCPUs: [2, 3]).bindableCPUs(ofNodes: [0]) == [2])
        #expect(throws: NUMABindingError.noAllowedCPU(nodes: [0], allowed: [3])) {
            try machine(allowedCPUs: [3]).bindableCPUs(ofNodes: [0])
        }
    }

    @Test func `A memory-only node offers no CPU`() {
        let error = NUMABindingError.noAllowedCPU(nodes: [4], allowed: Array(0...7))
        #expect(throws: error) { try machine().bindableCPUs(ofNodes: [4]) }
        #expect(
            error.description
                == "no CPU of NUMA nodes [4] is among those allowed, [0, 1, 2, 3, 4, 5, 6, 7]")
    }

    @Test(arguments: [-1, 2, 7, 1023, 1024, Int.max])
    func `A node that does not exist is named, with those that do`(node: Int) {
        let error = NUMABindingError.noSuchNode(node, existing: [0, 1, 4, 5])
        #expect(throws: error) { try machine().bindableCPUs(ofNodes: [0, node]) }
        #expect(throws: error) { try machine().checkMemory(ofNodes: [0, node]) }
        #expect(
            error.description
                == "NUMA node \(node) does not exist; this machine has [0, 1, 4, 5]")
    }

    @Test func `Memory is asked only of nodes that have and allow it`() throws {
        try machine().checkMemory(ofNodes: [0, 1, 4])
        #expect(throws: NUMABindingError.nodeWithoutMemory(5)) {
            try machine().checkMemory(ofNodes: [0, 5])
        }
        #expect(throws: NUMABindingError.nodeNotAllowed(1, allowed: [0])) {
            try machine(allowedNodes: [0]).checkMemory(ofNodes: [0, 1])
        }
    }

    @Test func `An unavailable machine refuses with its reason`() {
        let none = NUMAMachine(
            unavailableReason: "get_mempolicy: Function not implemented", nodes: [],
            allowedNodes: [], allowedCPUs: [0], distances: [])
        #expect(!none.isAvailable)
        let error = NUMABindingError.unavailable(reason: "get_mempolicy: Function not implemented")
        #expect(throws: error) { try none.bindableCPUs(ofNodes: [0]) }
        #expect(throws: error) { try none.checkMemory(ofNodes: [0]) }
    }

    @Test func `No nodes at all is our own mistake`() async {
        await #expect(processExitsWith: .failure) {
            _ = try NUMAMachine.current.bindableCPUs(ofNodes: [])
        }
    }

    @Test func `This machine is described as the kernel lists it`() throws {
        let machine = NUMAMachine.current
        try #require(machine.isAvailable)
        #expect(machine.nodes.contains { $0.memoryByteCount > 0 })
        #expect(machine.nodeNumbers == machine.nodeNumbers.sorted())
        #expect(Set(machine.allowedNodes).isSubset(of: machine.nodeNumbers))
        #expect(!machine.allowedNodes.isEmpty)
        #expect(!machine.allowedCPUs.isEmpty)
        for node in machine.nodes {
            let path = "/sys/devices/system/node/node\(node.number)/cpulist"
            let file = try unsafe FileDescriptor.open(path, .readOnly)
            var bytes = [UInt8](repeating: 0, count: 4096)
            let count = try file.closeAfter {
                try unsafe bytes.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
            }
            let list = String(decoding: bytes.prefix(count), as: UTF8.self)
            #expect(node.cpus == cpus(inList: list))
        }
        for (index, row) in machine.distances.enumerated() { #expect(row[index] == 10) }
    }

    /// The kernel's list format, such as "0-3,8".
    private func cpus(inList list: String) -> [Int] {
        list.split { $0 == "," || $0.isNewline }.flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            guard let first = ends.first, let last = ends.last else { return [] }
            return Array(first...last)
        }
    }
}
