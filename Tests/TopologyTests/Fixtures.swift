import CheckedYAML
import Quantities
import Testing
import Topology

/// A topology text and what is wrong with it, in the few words a test needs.
enum Fixture {
    /// The least that is a topology: what it leaves out are the paper's parts.
    static let minimal = """
        format: 1
        name: two
        channels:
          - { node: 0, rate: 25.6 GB/s, dimms: [0] }
          - { node: 1, rate: 25.6 GB/s, dimms: [1] }
        """

    static func parse(
        _ text: String, set: [(String, String)] = []
    ) throws(TopologyError) -> Topology {
        try Topology.parse(
            text, fileName: "t.yaml",
            overrides: set.map { TopologyOverride(path: $0.0, value: $0.1) })
    }

    /// The lines of the error that a text raises; empty, with a recorded issue, if it raises none.
    static func problems(of text: String, set: [(String, String)] = []) -> [String] {
        do throws(TopologyError) {
            _ = try parse(text, set: set)
            Issue.record("accepted: \(text.prefix(200))")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    /// The minimal topology with a text put in place of one of its lines, or behind all of them.
    static func with(_ line: String, at number: Int? = nil) -> String {
        var lines = minimal.split(separator: "\n").map(String.init)
        if let number { lines[number - 1] = line } else { lines.append(line) }
        return lines.joined(separator: "\n")
    }
}
