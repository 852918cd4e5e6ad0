import CheckedYAML
import Quantities
import Testing
import Topology

/// Rules between parts: channels and their DIMMs, overrides of single DIMMs, links, nodes.
@Suite struct ChannelTests {
    @Test(arguments: [
        ("channels: []", "channels: has no channels, hence no DIMMs; at least one DIMM is needed"),
        ("channels:", "channels: has no value; write a list of channels"),
        ("channels: 4", "channels: must be a list of channels, not a single value"),
        ("channels: [5]", "channels.0: must be a group of keys, not a single value"),
        (
            "channels: [{ rate: 1 GB/s, dimms: [] }]",
            "channels.0.dimms: has no DIMMs; a channel needs at least one"
        ),
        ("channels: [{ rate: 1 GB/s }]", "channels.0.dimms: is missing"),
        ("channels: [{ dimms: [0] }]", "channels.0.rate: is missing"),
        (
            "channels: [{ rate: 1 GB/s, dimms: 0 }]",
            "channels.0.dimms: must be a list of DIMM indices, not a single value"
        ),
        (
            "channels: [{ rate: 1 GB/s, dimms: [0, 2] }]",
            "channels.0.dimms.1: DIMM 1 stands in no channel, though DIMM 2 does: "
                + "indices run from 0 without gaps"
        ),
        (
            "channels: [{ rate: 1 GB/s, dimms: [3, 5] }]",
            "channels.0.dimms.1: DIMM 0 (and 3 more) stands in no channel, though DIMM 5 does: "
                + "indices run from 0 without gaps"
        ),
        (
            "channels: [{ rate: 1 GB/s, dimms: [0, 0] }]",
            "channels.0.dimms.1: DIMM 0 already stands in channels.0.dimms.0 (t.yaml:3); "
                + "a DIMM has one place in one channel"
        ),
        (
            "channels: [{ rate: 1 GB/s, dimms: [-1] }]",
            "channels.0.dimms.0: '-1' is outside 0 to 1023"
        ),
        (
            "channels: [{ rate: 1 GB/s, dimms: [1024] }]",
            "channels.0.dimms.0: '1024' is outside 0 to 1023"
        ),
        (
            "channels: [{ node: 0,2, rate: 1 GB/s, dimms: [0] }]",
            "channels.0.2: unknown key; a node set with commas needs quotes: \"0,2\" "
                + "(keys here: node, host, rate, latency, dimms)"
        ),
        (
            "channels: [{ node: 2-0, rate: 1 GB/s, dimms: [0] }]",
            "channels.0.node: range '2-0' in '2-0' runs downwards"
        ),
        ("# none", "channels: is missing"),
    ])
    func `A wrong channel is reported with its line`(line: String, expected: String) {
        let problems = Fixture.problems(of: "format: 1\nname: x\n\(line)")
        let number = expected == "channels: is missing" ? 1 : 3
        #expect(problems == ["t.yaml:\(number): \(expected)"])
    }

    @Test func `A DIMM in two channels names both lines`() {
        let text = Fixture.with("  - { node: 1, rate: 1 GB/s, dimms: [1, 0] }", at: 5)
        #expect(
            Fixture.problems(of: text) == [
                "t.yaml:5: channels.1.dimms.1: DIMM 0 already stands in channels.0.dimms.0 "
                    + "(t.yaml:4); a DIMM has one place in one channel"
            ])
    }

    @Test func `Channels may list their DIMMs in any order`() throws {
        let topology = try Fixture.parse(
            """
            format: 1
            name: shuffled
            channels:
              - { node: "0,2", rate: 25.6 GB/s, dimms: [3, 0] }
              - { node: !1, rate: 12.8 GB/s, latency: 5 ns, dimms: [2, 1] }
            """)
        #expect(topology.dimms.map(\.channelIndex) == [0, 1, 1, 0])
        #expect(topology.channels[0].dimmIndices == [0, 3])
        #expect(topology.channels[1].latency.picoseconds == 5_000)
        #expect(topology.dimms[0].nodeSet.description == "0,2")
        // A plain !1 is a tag to YAML; numactl's users mean text.
        #expect(topology.dimms[1].nodeSet.description == "!1")
        #expect(try Fixture.parse(topology.rendered()) == topology)
    }

    @Test func `The largest machine has 1024 DIMMs`() throws {
        let indices = (0..<1_024).map(String.init).joined(separator: ",")
        let topology = try Fixture.parse(
            "format: 1\nname: huge\nchannels: [{ rate: 1 GB/s, dimms: [\(indices)] }]")
        #expect(topology.dimms.count == 1_024)
        #expect(topology.dimmLinks?.pairs.count == 1_024 * 1_023 / 2)
    }
}

@Suite struct DIMMOverrideTests {
    @Test func `One DIMM may differ from the others`() throws {
        let text = Fixture.with(
            """
            dimm_overrides:
              1:
                node: 3
                memory: 16 GiB
                ndp: { clock: 500 MHz }
            """)
        let topology = try Fixture.parse(text)
        #expect(topology.dimms[0].ndpCore.clock.hertz == 1_000_000_000)
        #expect(topology.dimms[1].ndpCore.clock.hertz == 500_000_000)
        #expect(topology.dimms[1].ndpCore.multiplierCount == 256)
        #expect(topology.dimms[1].memoryCapacity.bytes == 16 << 30)
        #expect(topology.dimms[1].nodeSet == NodeSet(node: 3))
        #expect(try Fixture.parse(topology.rendered()) == topology)
        // Only what differs is written.
        #expect(topology.resolved.count { $0.path.hasPrefix("dimm_overrides.") } == 3)
    }

    @Test(arguments: [
        ("{ 2: { ranks: 2 } }", "dimm_overrides.2: there is no DIMM '2'; DIMMs are 0 to 1"),
        ("{ x: { ranks: 2 } }", "dimm_overrides.x: there is no DIMM 'x'; DIMMs are 0 to 1"),
        ("{ 1: 5 }", "dimm_overrides.1: must be a group of keys, not a single value"),
        ("{ 1: {}, 01: {} }", "dimm_overrides.01: DIMM 1 has two overrides"),
        ("[1]", "dimm_overrides: must have DIMM indices as keys, not a list"),
        ("{ 1: { ranks: 3 } }", "dimm_overrides.1.ranks: '3' is not a power of two"),
        ("{ 1: { node: 1-x } }", "dimm_overrides.1.node: 'x' in '1-x' is no node"),
        ("{ 0: { rank: 2 } }", "dimm_overrides.0.rank: unknown key; did you mean 'ranks'?"),
    ])
    func `A wrong override is reported with its line`(value: String, expected: String) {
        let problems = Fixture.problems(of: Fixture.with("dimm_overrides: \(value)"))
        #expect(problems.count == 1, "\(problems)")
        let start = expected.prefix { $0 != "'" }
        #expect(problems.first?.hasPrefix("t.yaml:6: \(start)") == true, "\(problems)")
    }

    @Test func `What is wrong with the shared part is reported once`() {
        let text = Fixture.with(
            "dimm: { ranks: 3 }\ndimm_overrides: { 0: {}, 1: { memory: 1 GiB } }")
        #expect(
            Fixture.problems(of: text) == ["t.yaml:6: dimm.ranks: '3' is not a power of two"])
    }
}

@Suite struct LinkTests {
    @Test(arguments: [
        ("{ pairs: [[0, 2]] }", "dimm_links.pairs.0.1: DIMM 2 does not exist; DIMMs are 0 to 1"),
        ("{ pairs: [[1, 1]] }", "dimm_links.pairs.0: links DIMM 1 with itself"),
        ("{ pairs: [[0]] }", "dimm_links.pairs.0: has 1 numbers; a link joins two DIMMs"),
        (
            "{ pairs: [1, [0, 1]] }",
            "dimm_links.pairs.0: must be a list of two DIMMs, not a single value"
        ),
        (
            "{ pairs: [[0, 1], [1, 0]] }",
            "dimm_links.pairs.1: DIMMs 0 and 1 are already linked by dimm_links.pairs.0 (t.yaml:6)"
        ),
        (
            "{ pairs: all-pair }",
            "dimm_links.pairs: must be all-pairs or a list such as [[0, 1], [2, 3]], not "
                + "'all-pair'; did you mean 'all-pairs'?"
        ),
        ("some", "dimm_links: must be none or a group of keys, not 'some'"),
        (
            "{ bandwidth: 25 Gb/s }",
            "dimm_links.bandwidth: unit 'Gb/s' is not allowed here; allowed: "
                + "B/s, KB/s, MB/s, GB/s, TB/s, kB/s"
        ),
    ])
    func `A wrong DIMM-link is reported with its line`(value: String, expected: String) {
        #expect(
            Fixture.problems(of: Fixture.with("dimm_links: \(value)")) == ["t.yaml:6: \(expected)"])
    }

    @Test func `DIMM-links may be none, some or all`() throws {
        let none = try Fixture.parse(Fixture.with("dimm_links: none"))
        #expect(none.dimmLinks == nil)
        #expect(try Fixture.parse(none.rendered()) == none)
        let some = try Fixture.parse(
            Fixture.with("  - { rate: 1 GB/s, dimms: [2] }\ndimm_links: { pairs: [[2, 0]] }"))
        #expect(some.dimmLinks?.connects(0, 2) == true)
        #expect(some.dimmLinks?.connects(0, 1) == false)
        #expect(try Fixture.parse(some.rendered()) == some)
        let one = try Fixture.parse("format: 1\nname: x\nchannels: [{ rate: 1 GB/s, dimms: [0] }]")
        #expect(one.dimmLinks?.pairs == [])
        #expect(try Fixture.parse(one.rendered()) == one)
    }

    /// Distance 21: 2.1 times as far. By hand: 42 GB/s / 2.1 = 20 GB/s; 90 ns x 1.1 = 99 ns.
    @Test func `Links between nodes follow from distances, or are stated`() throws {
        let text = Fixture.with(
            """
            interconnect:
              local_bandwidth: 42 GB/s
              local_latency: 90 ns
              distances: [[10, 21, 31], [21, 10, 21], [31, 21, 10]]
              links:
                - { nodes: [2, 0], bandwidth: 5 GB/s, latency: 300 ns }
            """)
        let topology = try Fixture.parse(text)
        let near = topology.interconnect?.link(between: 1, and: 0)
        #expect(near?.bandwidth.bytesPerSecond == 20_000_000_000)
        #expect(near?.latency.picoseconds == 99_000)
        #expect(topology.interconnect?.link(between: 0, and: 2)?.latency.picoseconds == 300_000)
        #expect(topology.interconnect?.link(between: 0, and: 3) == nil)
        #expect(topology.interconnect?.links.count == 3)
        #expect(
            topology.interconnect?.distances?.rows == [[10, 21, 31], [21, 10, 21], [31, 21, 10]])
        #expect(topology.neededNodeCount == 3)
        #expect(try Fixture.parse(topology.rendered()) == topology)
        #expect(topology.summaryTable().contains("nodes 0 - 1: 20 GB/s, 99 ns"))
    }

    /// 10/21 of it would be below what a topology may state.
    @Test func `A distance that leaves too little bandwidth is refused at once`() {
        let problems = Fixture.problems(
            of: Fixture.with(
                """
                interconnect:
                  distances: [[10, 21], [21, 10]]
                  local_bandwidth: 2 MB/s
                  local_latency: 90 ns
                """))
        #expect(problems.contains { $0.contains("interconnect.local_bandwidth") })
        #expect(problems.contains { $0.contains("leaves 952.4 KB/s") })
    }

    @Test(arguments: [
        ("{}", "interconnect: states no links: give links, or distances"),
        ("{ distances: [[10, 9], [9, 10]]", "interconnect.distances.0.1: '9' is outside 10 to 254"),
        (
            "{ distances: [[11]]",
            "interconnect.distances.0.0: the distance of a node to itself is 10"
        ),
        ("{ distances: [[10, 10], [10, 10]]", "interconnect.distances.0.1: 10 is the distance of"),
        (
            "{ distances: [[10, 20]]",
            "interconnect.distances.0: has 2 distances; the matrix has 1 rows"
        ),
        (
            "{ distances: [[10, 20], [21, 10]]",
            "interconnect.distances.1.0: distance 21 of nodes 1 and 0"
        ),
        (
            "{ links: [{ nodes: [0, 1024], bandwidth: 1 GB/s, latency: 0 s }] }",
            "interconnect.links.0.nodes.1: node 1024 does not exist; nodes are 0 to 1023"
        ),
        (
            "{ links: [{ nodes: [0, 1], bandwidth: 1 GB/s }] }",
            "interconnect.links.0.latency: is missing"
        ),
        ("{ links: 5 }", "interconnect.links: must be a list of links, not a single value"),
        ("{ local_latency: 1 ns, links: [] , x: 1}", "interconnect.x: unknown key"),
    ])
    func `A wrong interconnect is reported with its line`(value: String, expected: String) {
        let local = value.hasSuffix("]") ? ", local_bandwidth: 40 GB/s, local_latency: 90 ns }" : ""
        let problems = Fixture.problems(of: Fixture.with("interconnect: \(value)\(local)"))
        #expect(problems.first?.hasPrefix("t.yaml:6: \(expected)") == true, "\(problems)")
    }

    @Test func `Two links between the same nodes are refused`() {
        let link = "{ nodes: [0, 1], bandwidth: 1 GB/s, latency: 0 s }"
        #expect(
            Fixture.problems(of: Fixture.with("interconnect: { links: [\(link), \(link)] }")) == [
                "t.yaml:6: interconnect.links.1: nodes 0 and 1 are already linked above"
            ])
    }
}

@Suite struct NodeCheckTests {
    @Test func `Nodes that a machine lacks are reported with their line`() throws {
        let topology = try Fixture.parse(Fixture.minimal)
        #expect(throws: Never.self) { try topology.checkNodes(against: [0, 1]) }
        let error = #expect(throws: TopologyError.self) { try topology.checkNodes(against: [0]) }
        #expect(
            error?.description
                == "t.yaml:5: channels.1.node: node 1 of '1' does not exist; "
                + "this machine has node 0"
        )
        #expect(error?.problems.first?.place.line == 5)
    }

    @Test func `Each wrong node set is reported once, wherever it was written`() throws {
        let text = Fixture.with(
            "  - { node: 7, rate: 1 GB/s, dimms: [2, 3, 4] }\ndimm_overrides: { 4: { node: 8 } }")
        let topology = try Fixture.parse(text, set: [("channels.0.node", "+9")])
        let error = #expect(throws: TopologyError.self) {
            try topology.checkNodes(against: [0, 1], allowed: [1])
        }
        #expect(
            error?.problems.map(\.description) == [
                "t.yaml:6: channels.2.node: node 7 of '7' does not exist; this machine has "
                    + "nodes 0,1",
                "t.yaml:7: dimm_overrides.4.node: node 8 of '8' does not exist; this machine has "
                    + "nodes 0,1",
                "--set channels.0.node=+9: channels.0.node: '+9' asks for allowed node number 9, "
                    + "counted from 0; allowed are node 1",
            ])
    }

    @Test(arguments: [
        ("0", 1), ("all", 1), ("0-2", 3), ("!1", 2), ("!0", 2), ("+0-1", 2), ("1023", 1024),
        ("!0-1023", nil),
    ])
    func `A topology says how many nodes it needs`(nodes: String, count: Int?) throws {
        let everywhere = [("channels.0.node", nodes), ("channels.1.node", nodes)]
        let topology = try Fixture.parse(Fixture.minimal, set: everywhere)
        #expect(topology.neededNodeCount == count)
    }
}
