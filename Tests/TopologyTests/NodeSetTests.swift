import SeededRandom
import Testing
import Topology

@Suite struct NodeSetTests {
    @Test(arguments: [
        ("0", [0]), ("0,2", [0, 2]), ("0-3", [0, 1, 2, 3]), ("!1", [0, 2, 3, 5]),
        ("all", [0, 1, 2, 3, 5]), ("+0-1", [0, 1]), ("+4", [5]), ("!+0", [1, 2, 3, 5]),
        ("2,0,2-3", [0, 2, 3]), ("5,0", [0, 5]),
    ])
    func `numactl's grammar, on nodes 0 to 3 and 5`(text: String, nodes: [Int]) throws {
        #expect(try NodeSet(parsing: text).resolved(existing: [0, 1, 2, 3, 5]) == nodes)
    }

    @Test func `Relative numbers count allowed nodes only`() throws {
        let set = try NodeSet(parsing: "+0-1")
        #expect(try set.resolved(existing: [0, 1, 2, 3], allowed: [1, 3]) == [1, 3])
        let first = try NodeSet(parsing: "+0")
        #expect(try first.resolved(existing: [0, 1, 2, 3], allowed: [3, 1]) == [1])
    }

    @Test func `All and the inverse keep to allowed nodes`() throws {
        #expect(try NodeSet.all.resolved(existing: [0, 1, 2], allowed: [0, 2]) == [0, 2])
        let inverse = try NodeSet(parsing: "!1")
        #expect(try inverse.resolved(existing: [0, 1, 2], allowed: [1, 2]) == [2])
    }

    @Test(arguments: [
        ("", NodeSetError.empty), ("!", .malformed("!", part: "")),
        ("+", .malformed("+", part: "")), ("0,", .malformed("0,", part: "")),
        (",0", .malformed(",0", part: "")), ("a", .malformed("a", part: "a")),
        ("0-", .malformed("0-", part: "0-")), ("-1", .malformed("-1", part: "-1")),
        ("0-1-2", .malformed("0-1-2", part: "0-1-2")), ("0 1", .malformed("0 1", part: "0 1")),
        ("+all", .malformed("+all", part: "+all")), ("!all", .selectsNothing("!all")),
        ("3-1", .descending("3-1", part: "3-1")), ("1024", .tooLarge("1024", part: "1024")),
        (
            "99999999999999999999",
            .tooLarge("99999999999999999999", part: "99999999999999999999")
        ), ("0x1", .malformed("0x1", part: "0x1")), ("+!0", .malformed("+!0", part: "!0")),
    ])
    func `A malformed set says which part`(text: String, expected: NodeSetError) {
        #expect(throws: expected) { try NodeSet(parsing: text) }
    }

    @Test func `A set that a machine cannot give says why`() throws {
        let machine = [0, 1]
        #expect(throws: NodeSetError.missingNode(2, of: "2", existing: machine)) {
            try NodeSet(node: 2).resolved(existing: machine)
        }
        #expect(throws: NodeSetError.missingNode(2, of: "!2", existing: machine)) {
            try NodeSet(parsing: "!2").resolved(existing: machine)
        }
        #expect(throws: NodeSetError.missingPosition(1, of: "+1", allowed: [1])) {
            try NodeSet(parsing: "+1").resolved(existing: machine, allowed: [1])
        }
        #expect(throws: NodeSetError.forbiddenNode(0, of: "0", allowed: [1])) {
            try NodeSet(parsing: "0").resolved(existing: machine, allowed: [1])
        }
        #expect(throws: NodeSetError.selectsNothing("!0-1")) {
            try NodeSet(parsing: "!0-1").resolved(existing: machine)
        }
        #expect(throws: NodeSetError.selectsNothing("all")) {
            try NodeSet.all.resolved(existing: [])
        }
    }

    /// The obvious model: a list of yes and no over all node numbers, filled part by part.
    private static func model(
        parts: [ClosedRange<Int>], isInverted: Bool, isRelative: Bool, existing: [Bool],
        allowed: [Bool]
    ) -> [Int]? {
        let usable = existing.indices.filter { existing[$0] && allowed[$0] }
        var chosen = existing.map { _ in false }
        for part in parts {
            for number in part {
                if isRelative {
                    guard number < usable.count else { return nil }
                    chosen[usable[number]] = true
                } else {
                    guard number < existing.count, existing[number] else { return nil }
                    if !isInverted, !allowed[number] { return nil }
                    chosen[number] = true
                }
            }
        }
        let result = usable.filter { chosen[$0] != isInverted }
        return result.isEmpty ? nil : result
    }

    @Test func `Any set on any machine means what the obvious model says`() throws {
        var random = SplitMix64(seed: 0x5E75)
        var resolvedCount = 0
        for _ in 0..<20_000 {
            let existing = (0..<6).map { _ in Int.random(in: 0..<4, using: &random) > 0 }
            let allowed = existing.map { $0 && Int.random(in: 0..<4, using: &random) > 0 }
            let parts = (0...Int.random(in: 0..<3, using: &random)).map { _ in
                let lower = Int.random(in: 0..<6, using: &random)
                return lower...(lower + Int.random(in: 0..<3, using: &random))
            }
            let isInverted = Int.random(in: 0..<2, using: &random) == 0
            let isRelative = Int.random(in: 0..<2, using: &random) == 0
            let list = parts.map { part in
                part.count == 1 && Int.random(in: 0..<2, using: &random) == 0
                    ? "\(part.lowerBound)" : "\(part.lowerBound)-\(part.upperBound)"
            }
            let text =
                (isInverted ? "!" : "") + (isRelative ? "+" : "") + list.joined(separator: ",")
            let set = try NodeSet(parsing: text)
            let expected = Self.model(
                parts: parts, isInverted: isInverted, isRelative: isRelative, existing: existing,
                allowed: allowed)
            let actual = try? set.resolved(
                existing: existing.indices.filter { existing[$0] },
                allowed: allowed.indices.filter { allowed[$0] })
            if actual != expected {
                Issue.record("\(text) on \(existing), \(allowed): \(actual ?? [])")
            }
            if try NodeSet(parsing: set.description) != set {
                Issue.record("\(text) changed on the way through '\(set)'")
            }
            resolvedCount += actual == nil ? 0 : 1
        }
        // Both outcomes must be common, or the comparison says little.
        #expect((4_000...16_000).contains(resolvedCount))
    }
}
