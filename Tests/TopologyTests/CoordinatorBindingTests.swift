import Testing
import Topology

/// Where a topology asks the emulating machine to hold its coordinator.
@Suite struct CoordinatorBindingTests {
    private func parse(_ lines: String) throws -> Topology {
        try Topology.parse(
            """
            format: 1
            name: two nodes
            channels:
              - { node: 0, rate: 25.6 GB/s, dimms: [0] }
              - { node: 1, rate: 25.6 GB/s, dimms: [1] }
            \(lines)
            """, fileName: "two.yaml")
    }

    @Test func `A file that says nothing binds nothing`() throws {
        #expect(try parse("").coordinator == .standard)
    }

    @Test func `Nodes, CPUs and memory of its own are read, and written back`() throws {
        let topology = try parse(
            """
            coordinator:
              binding: { policy: bind, node: 1, cpus: "+0-1", memory: "0,1" }
            """)
        let assignment = try topology.nodeAssignment(existing: [0, 1])
        #expect(assignment.coordinator == [1])
        #expect(assignment.coordinatorMemory == [0, 1])
        #expect(assignment.dimms.map(\.processors) == [[0], [1]])
        #expect(try topology.coordinator.cpus(among: [4, 5, 6]) == [4, 5])
        let again = try Topology.parse(topology.rendered(), fileName: "rendered")
        #expect(again == topology)
    }

    @Test(arguments: [
        ("all", [2, 3, 6]), ("!2", [3, 6]), ("3", [3]), ("2-3", [2, 3]), ("+2", [6]),
    ])
    func `CPUs are written as numactl writes them`(text: String, cpus: [Int]) throws {
        let topology = try parse("coordinator: { binding: { policy: local, cpus: \"\(text)\" } }")
        #expect(try topology.coordinator.cpus(among: [2, 3, 6]) == cpus)
    }

    @Test func `A CPU that its nodes do not offer is named`() throws {
        let topology = try parse("coordinator: { binding: { policy: bind, cpus: 7 } }")
        let error = #expect(throws: CPUSetError.self) {
            _ = try topology.coordinator.cpus(among: [0, 1])
        }
        #expect(error?.description.contains("'7'") == true)
        #expect(error?.description.contains("0,1") == true)
    }

    @Test(arguments: [
        ("{ policy: first-touch, node: 1 }", "binds nothing"),
        ("{ policy: first-touch, cpus: 0 }", "binds nothing"),
        ("{ policy: local, memory: 0 }", "takes no nodes"),
        ("{ policy: firm }", "memory policy"), ("{ nodes: 1 }", "unknown key"),
    ])
    func `What contradicts itself is refused`(binding: String, rule: String) {
        let error = #expect(throws: TopologyError.self) {
            _ = try parse("coordinator: { binding: \(binding) }")
        }
        #expect(error?.description.contains(rule) == true, "\(String(describing: error))")
    }

    @Test func `A node that the machine lacks is a problem with its path`() throws {
        let topology = try parse("coordinator: { binding: { policy: bind, node: 5 } }")
        let error = #expect(throws: TopologyError.self) {
            _ = try topology.nodeAssignment(existing: [0, 1])
        }
        #expect(error?.description.contains("coordinator.binding.node") == true)
    }
}
