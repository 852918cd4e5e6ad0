import Quantities
import Testing
import Topology

/// Rules of single values: each broken once, with its line, its key and the words that help.
@Suite struct RuleTests {
    /// One line put into the minimal topology, where it goes, and the only problem it may raise.
    private static func check(
        _ line: String, at number: Int? = nil, _ expected: String, sourceLocation: SourceLocation
    ) {
        let problems = Fixture.problems(of: Fixture.with(line, at: number))
        #expect(problems == [expected], sourceLocation: sourceLocation)
    }

    @Test(arguments: [
        ("format: 2", "t.yaml:1: format: format 2 is newer than what this program reads, format 1"),
        ("format: 0", "t.yaml:1: format: '0' is outside 1 to 1"),
        ("format: one", "t.yaml:1: format: 'one' is not a whole number"),
        ("format:", "t.yaml:1: format: has no value"),
        ("# none", "t.yaml:2: format: is missing"),
    ])
    func `The format is 1`(line: String, expected: String) {
        Self.check(line, at: 1, expected, sourceLocation: #_sourceLocation)
    }

    @Test func `A newer format raises no other errors`() {
        #expect(Fixture.problems(of: "format: 9\nnew_key: 1").count == 1)
    }

    @Test(arguments: [
        ("name:", "t.yaml:2: name: has no value"), ("name: \"\"", nameRule),
        ("name: \"a\\nb\"", nameRule),
        ("name: [a]", "t.yaml:2: name: must be a single value, not a list"),
        (
            "name: " + String(repeating: "x", count: 101),
            "t.yaml:2: name: is 101 characters; at most 100 are read"
        ),
        ("name: \"\\e[31m\"", "t.yaml:2: name: contains control characters"),
        ("# none", "t.yaml:1: name: is missing"),
    ])
    func `The name is one line`(line: String, expected: String) {
        Self.check(line, at: 2, expected, sourceLocation: #_sourceLocation)
    }

    @Test(arguments: [
        (
            "gpu: { memry: 24 GB }",
            "gpu.memry: unknown key; did you mean 'memory'? (keys here: name"
        ),
        (
            "polcy: { hot_share: 0.1 }",
            "polcy: unknown key; did you mean 'policy'? (keys here: format"
        ),
        (
            "policy: { hotshare: 0.1 }",
            "policy.hotshare: unknown key; did you mean 'hot_share'? (keys"
        ),
        ("zzzzzz: 1", "zzzzzz: unknown key (keys here: format, name"),
        ("dimm: { node: 0 }", "dimm.node: unknown key"),
        (
            "dimm: { dram: { timing: { tCCDL: 8 } } }",
            "dimm.dram.timing.tCCDL: unknown key; did you mean"
        ),
        ("policy: 5", "policy: must be a group of keys, not a single value"),
        ("dimm: 5", "dimm: must be a group of keys, not a single value"),
        ("pcie: [1]", "pcie: must be a group of keys, not a list"),
        ("pcie:", "pcie: has no keys; write some below it, or leave it out"),
    ])
    func `Unknown keys are reported with a suggestion`(line: String, expected: String) {
        let problems = Fixture.problems(of: Fixture.with(line))
        #expect(problems.count == 1, "\(problems)")
        #expect(problems.first?.hasPrefix("t.yaml:6: \(expected)") == true, "\(problems)")
    }

    @Test(arguments: [
        (
            "gpu: { bandwidth: 936 Gb/s }",
            "gpu.bandwidth: unit 'Gb/s' is not allowed here; allowed: "
                + "B/s, KB/s, MB/s, GB/s, TB/s, kB/s"
        ),
        (
            "gpu: { bandwidth: 936 }",
            "gpu.bandwidth: '936' has no unit; allowed: "
                + "B/s, KB/s, MB/s, GB/s, TB/s, kB/s"
        ),
        ("gpu: { compute: -1 TFLOPS }", "gpu.compute: '-1 TFLOPS' is negative"),
        ("gpu: { compute: 0 TFLOPS }", "gpu.compute: '0 TFLOPS' is zero"),
        (
            "gpu: { compute: 2000000 PFLOPS }",
            "gpu.compute: '2000000 PFLOPS' is above "
                + "18446744073709551615 FLOPS"
        ),
        ("gpu: { memory: 0 GB }", "gpu.memory: '0 GB' is outside 1 MiB to 1024 TiB"),
        ("gpu: { memory: 16 GB }", "gpu.memory: usable_memory 20 GB is above memory 16 GB"),
        (
            "gpu: { usable_memory: 25 GB }",
            "gpu.usable_memory: usable_memory 25 GB is above memory 24 GB"
        ),
        ("gpu: { bandwidth_efficiency: 1.5 }", "gpu.bandwidth_efficiency: '1.5' is above 1"),
        (
            "gpu: { bandwidth_efficiency: 0 }",
            "gpu.bandwidth_efficiency: '0' is outside 0.000001 to 1"
        ),
        ("gpu: { synchronisation: 2 s }", "gpu.synchronisation: '2 s' is outside 0 ps to 1 s"),
        (
            "gpu: { synchronisation: 0.4 ps }",
            "gpu.synchronisation: '0.4 ps' is not a whole number of ps"
        ),
        ("pcie: { bandwidth: many GB/s }", "pcie.bandwidth: 'many GB/s' is not a decimal number"),
        ("pcie: { bandwidth: }", "pcie.bandwidth: has no value"),
        ("pcie: { bandwidth: 1 B/s }", "pcie.bandwidth: '1 B/s' is outside 1 MB/s to 1000 TB/s"),
        ("policy: { hot_share: -0.1 }", "policy.hot_share: '-0.1' is negative"),
        ("dimm: { ranks: 3 }", "dimm.ranks: '3' is not a power of two"),
        ("dimm: { ranks: 0 }", "dimm.ranks: '0' is outside 1 to 64"),
        ("dimm: { ranks: 2.5 }", "dimm.ranks: '2.5' is not a whole number"),
        ("dimm: { ranks: -2 }", "dimm.ranks: '-2' is outside 1 to 64"),
        (
            "dimm: { memory: 31 GB }",
            "dimm.memory: memory 31 GB is not a whole number of rows: "
                + "32 banks of 8 KiB rows"
        ),
        (
            "dimm: { neuron_layout: stripped }",
            "dimm.neuron_layout: unknown neuron layout 'stripped'; "
                + "did you mean 'striped'? (known: whole-rank, striped)"
        ),
        (
            "dimm: { dram: { mapping: RoBaRaCoBg } }",
            "dimm.dram.mapping: unknown address mapping "
                + "'RoBaRaCoBg'; did you mean 'RoRaBaCoBg'? (known: RoRaBaCoBg, "
                + "RoBaRaCoCh, ChRaBaRoCo)"
        ),
        ("dimm: { dram: { refresh: maybe } }", "dimm.dram.refresh: 'maybe' is neither on nor off"),
        ("dimm: { dram: { row: 6 KiB } }", "dimm.dram.row: '6 KiB' is not a power of two"),
        (
            "dimm: { dram: { bus: 4 B } }",
            "dimm.dram.bus: a burst is 2 x tBL 4 x 4 B bus = 32 B; "
                + "it must be one line of 64 B"
        ),
        (
            "dimm: { dram: { timing: { tBL: 8 } } }",
            "dimm.dram.timing.tBL: a burst is 2 x tBL 8 x 8 B "
                + "bus = 128 B; it must be one line of 64 B"
        ),
        (
            "dimm: { dram: { timing: { tCCD_S: 9 } } }",
            "dimm.dram.timing.tCCD_S: tCCD_S 9 is above "
                + "tCCD_L 8"
        ),
        (
            "dimm: { dram: { timing: { tREFI: 880 } } }",
            "dimm.dram.timing.tREFI: tREFI 880 must be "
                + "above tRFC 880: nothing but refresh would happen"
        ),
        ("dimm: { ndp: { cycles: 0 } }", "dimm.ndp.cycles: '0' is outside 1 to 1000000"),
        (
            "dimm: { ndp: { overlap: min } }",
            "dimm.ndp.overlap: unknown overlap 'min'; did you mean "
                + "'max'? (known: max, sum)"
        ),
        (
            "dimm: { activation_unit: { clock: 1 GB } }",
            "dimm.activation_unit.clock: unit 'GB' is not "
                + "allowed here; allowed: Hz, kHz, MHz, GHz"
        ),
        (
            "dimm: { ndp: { multipliers: [1] } }",
            "dimm.ndp.multipliers: must be a single value, "
                + "not a list"
        ),
    ])
    func `An impossible value is reported with its rule`(line: String, expected: String) {
        Self.check(line, "t.yaml:6: \(expected)", sourceLocation: #_sourceLocation)
    }

    @Test(arguments: ["on", "true", "off", "false"])
    func `Refresh is on or off`(word: String) throws {
        let topology = try Fixture.parse(Fixture.with("dimm: { dram: { refresh: \(word) } }"))
        #expect(topology.dimms[0].dram.refreshes == ["on", "true"].contains(word))
    }

    @Test func `All problems of a file are reported together, by line`() {
        let text = """
            format: 1
            name: many
            policy:
              hot_share: 2
            channels:
              - { node: x, rate: 25.6 GHz, dimms: [0] }
              - { rate: 0 GB/s, dimms: [] }
            gpu:
              bandwith: 1 GB/s
              memory: -1 GB
            """
        #expect(
            Fixture.problems(of: text, set: [("pcie.efficiency", "x"), ("gpu.name", "")]).map {
                $0.prefix { $0 != "'" && $0 != ";" }
            } == [
                "t.yaml:4: policy.hot_share: ",
                "t.yaml:6: channels.0.node: ", "t.yaml:6: channels.0.rate: unit ",
                "t.yaml:7: channels.1.rate: ",
                "t.yaml:7: channels.1.dimms: has no DIMMs",
                "t.yaml:9: gpu.bandwith: unknown key", "t.yaml:10: gpu.memory: ",
                "--set gpu.name=: gpu.name: has no value",
                "--set pcie.efficiency=x: pcie.efficiency: ",
            ])
    }
}

private let nameRule = "t.yaml:2: name: must be one line and not empty"
