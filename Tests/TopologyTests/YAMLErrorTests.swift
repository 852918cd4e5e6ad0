import CheckedYAML
import SeededRandom
import Testing
import Topology

/// What is wrong with a text before it is a topology at all.
@Suite struct YAMLErrorTests {
    @Test(arguments: ["", "\n\n", "# only a comment\n", "---\n"])
    func `An empty file is refused`(text: String) {
        #expect(Fixture.problems(of: text).count == 1)
        #expect(Fixture.problems(of: "# x\n") == ["t.yaml: is empty: it states no topology"])
    }

    @Test(arguments: [
        ("just text", "a single value"), ("- a\n- b", "a list"), ("[1, 2]", "a list"),
    ])
    func `A file that is no group of keys is refused`(text: String, kind: String) {
        #expect(
            Fixture.problems(of: text) == ["t.yaml:1: must be a group of keys, not \(kind)"])
    }

    @Test(arguments: [
        ("a: b: c", 1, "mapping values are not allowed"),
        ("a:\n\t- b", 2, "cannot start any token"),
        ("a: 1\n\nb: [1, 2", 3, "flow sequence"), ("a: 1\nb: \u{1}", 2, "control characters"),
        ("a: \"open\nb: 1\n", 1, "quoted scalar"), ("a: 1\n---\nb: 1", 2, "another document"),
        ("a: 1\nb: *nowhere", 2, "undefined alias"), ("? [a, b]\n: 1", 1, "a key must be a word"),
    ])
    func `What is not YAML is reported with its line`(text: String, line: Int, words: String) {
        let problems = Fixture.problems(of: text)
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("t.yaml:\(line): ") == true)
        #expect(problems.first?.contains(words) == true, "\(problems)")
    }

    @Test func `A repeated key is reported where it is repeated`() {
        #expect(
            Fixture.problems(of: "a: 1\nb: 2\na: 3") == [
                "t.yaml:3: key 'a' is given twice in the same group (first on line 1)"
            ])
        let nested = Fixture.with(
            "gpu:\n  memory: 24 GB\n  # no\n  bandwidth: 1 GB/s\n  memory: 1 GB")
        #expect(
            Fixture.problems(of: nested) == [
                "t.yaml:10: key 'memory' is given twice in the same group (first on line 7)"
            ])
        let flow = Fixture.with("pcie: { latency: 0 ns, latency: 1 ns }")
        #expect(
            Fixture.problems(of: flow) == [
                "t.yaml:6: key 'latency' is given twice in the same group (first on line 6)"
            ])
    }

    @Test func `A file above one megabyte is refused, one of a megabyte is read`() throws {
        let comment = "\n#" + String(repeating: "x", count: 1_000_000)
        let room = 1_000_000 - Fixture.minimal.utf8.count
        #expect(throws: Never.self) {
            try Fixture.parse(Fixture.minimal + comment.prefix(room))
        }
        #expect(
            Fixture.problems(of: Fixture.minimal + comment.prefix(room + 1)) == [
                "t.yaml: is 1000001 bytes; at most 1000000 are read"
            ])
    }

    /// Nine levels of nine: 387 million values if one were to expand them.
    @Test func `An alias bomb is refused without expanding it`() {
        var lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        for level in 1...9 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            lines.append("a\(level): &a\(level) [\(aliases)]")
        }
        let problems = Fixture.problems(of: lines.joined(separator: "\n"))
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("t.yaml:2: aliases (*name) are not read") == true)
    }

    @Test(arguments: [
        "a: &x 1\nb: *x", "a: &x 1\nb: {c: *x}", "a: &x 1\nb: [1,*x]", "a: &x 1\n# c\n? *x\n: 1",
        "a: &x 1\nb: {\"c\":*x}", "k: &x [\"a # b\", 1]\nc: [don't, *x]",
    ])
    func `An alias is found wherever it can stand`(text: String) {
        #expect(Fixture.problems(of: text).first?.contains("aliases (*name)") == true)
    }

    @Test func `Prose with stars and ampersands is no alias`() throws {
        let text = Fixture.with(
            "description: \"R&D *notes*, 2 * 3, & more\"  # *see* below & above")
        #expect(try Fixture.parse(text).summary == "R&D *notes*, 2 * 3, & more")
    }

    @Test(arguments: [40, 999, 5_000, 400_000])
    func `Deep nesting is refused, not followed`(depth: Int) {
        let text = "a: " + String(repeating: "[", count: depth)
        let closed = text + String(repeating: "]", count: depth)
        #expect(Fixture.problems(of: closed).first?.hasPrefix("t.yaml:1: ") == true)
        #expect(Fixture.problems(of: text).first?.hasPrefix("t.yaml:1: ") == true)
    }

    @Test func `A file of very many values is refused`() {
        let many = "a: [" + String(repeating: "1,", count: 100_001) + "1]"
        #expect(Fixture.problems(of: many) == ["t.yaml: has more than 100000 values"])
    }

    @Test func `Very many unknown keys are all reported`() {
        let keys = (0..<2_000).map { "key\($0): 1" }.joined(separator: "\n")
        #expect(Fixture.problems(of: Fixture.with(keys)).count == 2_000)
    }

    /// Cut and damaged files: any outcome is fine but a trap, and every problem has its place.
    @Test func `No damaged file brings the reader down`() throws {
        let text = try Fixture.parse(Fixture.minimal).rendered()
        let bytes = Array(text.utf8)
        let spare = Array("[]{}:,#&*!|>'\"%@`-?\n\t 0x\u{0}".utf8)
        var random = SplitMix64(seed: 0xDA3A6E)
        var refusedCount = 0
        for round in 0..<3_000 {
            var damaged = bytes
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let index = Int.random(in: 0..<damaged.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: damaged.remove(at: index)
                case 1:
                    damaged.insert(
                        spare[Int.random(in: 0..<spare.count, using: &random)], at: index)
                case 2: damaged[index] = spare[Int.random(in: 0..<spare.count, using: &random)]
                default: damaged = Array(damaged.prefix(max(1, index)))
                }
            }
            do throws(TopologyError) {
                _ = try Fixture.parse(String(decoding: damaged, as: UTF8.self))
            } catch {
                refusedCount += 1
                if error.problems.isEmpty {
                    Issue.record("round \(round): an error without problems")
                }
            }
        }
        #expect(refusedCount > 1_000)
    }
}
