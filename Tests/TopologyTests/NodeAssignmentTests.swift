import Testing
import Topology

@Suite struct NodeAssignmentTests {
    /// Four DIMMs on two nodes.
    private func topology(interconnect: String) throws -> Topology {
        try Topology.parse(
            """
            format: 1
            name: two nodes
            channels:
              - { node: 0, rate: 25.6 GB/s, dimms: [0, 1] }
              - { node: 1, rate: 25.6 GB/s, dimms: [2] }
              - { node: all, rate: 25.6 GB/s, dimms: [3] }
            \(interconnect)
            """, fileName: "two.yaml")
    }

    private let link = """
        interconnect:
          links:
            - { nodes: [0, 1], bandwidth: 20 GB/s, latency: 60 ns }
        """

    @Test func `Nodes that the machine has are its own`() throws {
        let assignment = try topology(interconnect: link).nodeAssignment(existing: [0, 1])
        #expect(assignment.dimms.map(\.processors) == [[0], [0], [1], [0, 1]])
        #expect(assignment.dimms.map(\.memory) == [[0], [0], [1], [0, 1]])
        #expect(assignment.coordinator == [0])
        #expect(!assignment.isModelled && assignment.remarks.isEmpty)
    }

    /// Its node is nobody's: all DIMMs of the channel have nodes of their own.
    @Test func `A channel's node that no DIMM has need not exist`() throws {
        let topology = try Topology.parse(
            """
            format: 1
            name: one node
            channels:
              - { node: 5, rate: 25.6 GB/s, dimms: [0, 1] }
            dimm_overrides:
              0: { node: 2 }
              1: { node: 0 }
            """, fileName: "one.yaml")
        let assignment = try topology.nodeAssignment(existing: [0, 2])
        #expect(assignment.dimms.map(\.processors) == [[2], [0]])
        #expect(assignment.coordinator == [2])
    }

    @Test(arguments: [([0], [0: 0, 1: 0]), ([3], [0: 3, 1: 3])])
    func `Nodes that the machine lacks are modelled on those it has`(
        existing: [Int], standIns: [Int: Int]
    ) throws {
        let assignment = try topology(interconnect: link).nodeAssignment(existing: existing)
        #expect(assignment.dimms.map(\.processors) == Array(repeating: existing, count: 4))
        #expect(assignment.standIns == standIns)
        #expect(assignment.remarks.count == 1)
        #expect(assignment.remarks[0].contains("modelled"))
    }

    @Test func `More modelled nodes than real ones take them in turn`() throws {
        let text = """
            format: 1
            name: four nodes
            channels:
              - { node: 0, rate: 25.6 GB/s, dimms: [0] }
              - { node: 1, rate: 25.6 GB/s, dimms: [1] }
              - { node: 2, rate: 25.6 GB/s, dimms: [2] }
              - { node: 3, rate: 25.6 GB/s, dimms: [3] }
            interconnect:
              distances: [[10, 16, 21, 21], [16, 10, 21, 21], [21, 21, 10, 16], [21, 21, 16, 10]]
              local_bandwidth: 100 GB/s
              local_latency: 90 ns
            """
        let topology = try Topology.parse(text, fileName: "four.yaml")
        let assignment = try topology.nodeAssignment(existing: [0, 1, 2], allowed: [0, 2])
        #expect(assignment.dimms.map(\.processors) == [[0], [2], [0], [2]])
    }

    @Test func `More DIMMs than nodes take them in turn, and it is said`() throws {
        let text = """
            format: 1
            name: in turn
            channels:
              - { node: "0,2", rate: 25.6 GB/s, dimms: [0, 1, 2, 3, 4] }
            dimm:
              binding: { spread: in-turn }
            """
        let topology = try Topology.parse(text, fileName: "turn.yaml")
        let assignment = try topology.nodeAssignment(existing: [0, 1, 2])
        #expect(assignment.dimms.map(\.processors) == [[0], [2], [0], [2], [0]])
        #expect(assignment.dimms.map(\.memory) == [[0], [2], [0], [2], [0]])
        #expect(
            assignment.remarks == ["5 DIMMs take nodes in turn: 3 on node 0, 2 on node 2"])
    }

    @Test func `Memory has nodes of its own where a DIMM says so`() throws {
        let text = """
            format: 1
            name: remote
            channels:
              - { node: 0, rate: 25.6 GB/s, dimms: [0, 1, 2] }
            dimm_overrides:
              1: { binding: { policy: interleave, memory: all } }
              2: { binding: { policy: bind, memory: "!0", rings: producer } }
            """
        let topology = try Topology.parse(text, fileName: "remote.yaml")
        let assignment = try topology.nodeAssignment(existing: [0, 1])
        #expect(assignment.dimms.map(\.processors) == [[0], [0], [0]])
        #expect(assignment.dimms.map(\.memory) == [[0], [0, 1], [1]])
        #expect(topology.dimms[2].binding.rings == .producer)
        // On one node nothing is left of "all but node 0".
        #expect(throws: TopologyError.self) { try topology.nodeAssignment(existing: [0]) }
        let again = try Topology.parse(topology.rendered(), fileName: "shown.yaml")
        #expect(again == topology)
    }

    @Test(arguments: ["local", "first-touch"])
    func `A policy that takes no nodes is given none`(policy: String) {
        let text = """
            format: 1
            name: contradiction
            channels:
              - { node: 0, rate: 25.6 GB/s, dimms: [0] }
            dimm:
              binding: { policy: \(policy), memory: 0 }
            """
        let error = #expect(throws: TopologyError.self) {
            try Topology.parse(text, fileName: "contradiction.yaml")
        }
        #expect(error?.description.contains("takes no nodes") == true)
    }

    @Test func `Without an interconnect a missing node is an error, with its line`() throws {
        let topology = try topology(interconnect: "")
        let error = #expect(throws: TopologyError.self) {
            try topology.nodeAssignment(existing: [0])
        }
        #expect(error?.description.contains("node 1") == true)
    }

    @Test func `A node that the interconnect does not know is an error`() throws {
        let stated = try Topology.parse(
            """
            format: 1
            name: three nodes
            channels:
              - { node: 5, rate: 25.6 GB/s, dimms: [0] }
            \(link)
            """, fileName: "three.yaml")
        #expect(throws: TopologyError.self) { try stated.nodeAssignment(existing: [0]) }
    }

    @Test func `A node that the cpuset forbids is never modelled away`() throws {
        let topology = try topology(interconnect: link)
        #expect(throws: TopologyError.self) {
            try topology.nodeAssignment(existing: [0, 1], allowed: [0])
        }
    }
}
