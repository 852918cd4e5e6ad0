import Quantities
import Testing
import Topology

@Suite struct OverrideTests {
    @Test func `A setting replaces, adds or creates what a path names`() throws {
        let topology = try Fixture.parse(
            Fixture.minimal,
            set: [
                ("policy.hot_share", "0.3"), ("channels.0.rate", "12.8 GB/s"),
                ("dimm_overrides.1.ndp.clock", "2 GHz"), ("channels.1.node", "!0"),
                ("dimm_links.pairs", "[]"), ("policy.hot_share", "0.4"),
                ("gpu", "{ name: other, compute: 1 TFLOPS }"),
                ("gpu.name", "another"), ("gpu.memory", "8 GB"), ("gpu.usable_memory", "0 B"),
                ("gpu.bandwidth", "1 GB/s"), ("gpu.bandwidth_efficiency", "1"),
                ("gpu.compute_efficiency", "1"), ("gpu.synchronisation", "0 s"),
                ("gpu.kernel_launch", "1 us"),
            ])
        #expect(topology.policy.hotShare.millionths == 400_000)
        #expect(topology.channels[0].peakBandwidth.bytesPerSecond == 12_800_000_000)
        #expect(topology.channels[1].peakBandwidth.bytesPerSecond == 25_600_000_000)
        #expect(topology.dimms[1].ndpCore.clock.hertz == 2_000_000_000)
        #expect(topology.dimms[0].ndpCore.clock.hertz == 1_000_000_000)
        #expect(topology.channels[1].nodeSet.description == "!0")
        #expect(topology.dimmLinks?.pairs == [])
        #expect(topology.gpu.name == "another")
        #expect(topology.gpu.peakComputeRate.operationsPerSecond == 1_000_000_000_000)
    }

    @Test func `A host is a channel's, or a DIMM's own, and survives rendering`() throws {
        let topology = try Fixture.parse(
            Fixture.minimal,
            set: [
                ("channels.0.host", "node-a.example"), ("channels.1.host", "node-b"),
                ("dimm_overrides.1.host", "local"),
            ])
        #expect(topology.dimms.map(\.hostName) == ["node-a.example", nil])
        let again = try Topology.parse(topology.rendered(), fileName: "rendered")
        #expect(again.dimms.map(\.hostName) == ["node-a.example", nil])
        let local = try Fixture.parse(Fixture.minimal)
        #expect(local.dimms.allSatisfy { $0.hostName == nil })
        #expect(!local.rendered().contains("host:"))
    }

    @Test(arguments: [
        ("policy.hot_share", "3", "policy.hot_share: '3' is above 1"),
        ("policy.hot_share", "", "policy.hot_share: has no value"),
        (
            "policy.hot_shre", "0.3",
            "policy.hot_shre: unknown key; did you mean 'hot_share'? "
                + "(keys here: hot_share)"
        ),
        ("channels.7.rate", "1 GB/s", "channels has elements 0 to 1, and '7' is none of them"),
        ("channels.x.rate", "1 GB/s", "channels has elements 0 to 1, and 'x' is none of them"),
        ("name.x", "1", "name is a single value and has no 'x' below it"),
        ("a..b", "1", "'a..b' is not a path such as channels.0.rate"),
        ("", "1", "'' is not a path such as channels.0.rate"),
        (
            "channels.0.dimms", "[0, 3",
            "is not valid YAML: while parsing a flow sequence (line 1): "
                + "did not find expected ',' or ']'"
        ),
        ("channels.0.dimms", "[0, 1]", "channels.0.dimms.0: DIMM 1 already stands in"),
        (
            "dimm.dram.timing.tBL", "8",
            "dimm.dram.timing.tBL: a burst is 2 x tBL 8 x 8 B bus = 128 B; "
                + "it must be one line of 64 B"
        ),
        ("dimm_overrides.9.ranks", "2", "dimm_overrides.9: there is no DIMM '9'; DIMMs are 0 to 1"),
        ("gpu.memory", "1 GB", "gpu.memory: usable_memory 20 GB is above memory 1 GB"),
        ("format", "2", "format: '2' is outside 1 to 1"),
        ("channels.0.host", "-x", "channels.0.host: '-x' is no host name"),
        ("channels.0.host", "a b", "channels.0.host: 'a b' is no host name"),
    ])
    func `A wrong setting is named as it was written`(path: String, value: String, rule: String) {
        let problems = Fixture.problems(of: Fixture.minimal, set: [(path, value)])
        #expect(problems.count == 1, "\(problems)")
        let found = problems.first { problem in
            problem.hasPrefix("--set \(path)=\(value): \(rule)")
                // The repetition is reported where it stands, and names the setting.
                || problem.contains("(--set \(path)=\(value))")
        }
        #expect(found != nil, "\(problems)")
    }

    @Test func `All wrong settings are reported together`() {
        let set = [("a..b", "1"), ("channels.0.dimms", "[0"), ("policy.hot_share", "2")]
        #expect(Fixture.problems(of: Fixture.minimal, set: set).count == 3)
    }

    @Test func `An argument is split at its first equals sign`() {
        #expect(
            TopologyOverride(argument: "a.b=c=d") == TopologyOverride(path: "a.b", value: "c=d"))
        #expect(TopologyOverride(argument: "a=") == TopologyOverride(path: "a", value: ""))
        #expect(TopologyOverride(argument: "a") == nil)
        #expect(TopologyOverride(argument: "=a") == nil)
    }

    @Test func `Every resolved path may be set to its own value`() throws {
        let topology = try Fixture.parse(Fixture.minimal)
        for (path, value) in topology.resolved where !value.isEmpty {
            let same = try? Fixture.parse(Fixture.minimal, set: [(path, value)])
            if same != topology { Issue.record("--set \(path)=\(value) changes the topology") }
        }
        #expect(topology.resolved.contains { $0.path == "channels.1.dimms.0" && $0.value == "1" })
    }

    @Test func `Any text survives as name and description`() throws {
        let text = "\"quotes\" \\ # : {}\n\u{85}\u{2028}µ 数 e\u{301}"
        let quoted = "\"\\\"quotes\\\" \\\\ # : {}\\n\\N\\L\u{B5} 数 e\u{301}\""
        let topology = try Fixture.parse(Fixture.with("description: \(quoted)"))
        #expect(topology.summary == text)
        #expect(try Fixture.parse(topology.rendered()) == topology)
    }
}

/// Faults that a topology states; what the texts mean is the program's matter.
@Suite struct StatedFaultTests {
    private func parse(_ lines: String) throws -> Topology {
        try Topology.parse(
            """
            format: 1
            name: faulty
            channels:
              - { rate: 25.6 GB/s, dimms: [0, 1] }
            \(lines)
            """, fileName: "faulty.yaml")
    }

    @Test func `Texts are kept in order, and written back`() throws {
        #expect(try parse("").faults == [])
        let topology = try parse("faults:\n  - kill@token=3,dimm=1\n  - \"stop:2\"")
        #expect(topology.faults == ["kill@token=3,dimm=1", "stop:2"])
        #expect(try Topology.parse(topology.rendered(), fileName: "rendered") == topology)
        #expect(topology != (try parse("")))
    }

    @Test(arguments: ["faults: kill", "faults: { kill: 3 }", "faults: [[kill]]", "faults:"])
    func `What is no list of texts is refused`(lines: String) {
        #expect(throws: TopologyError.self) { try parse(lines) }
    }
}
