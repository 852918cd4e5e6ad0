package import CheckedYAML

/// Everything that is wrong with one topology file, in the order of its lines.
package struct TopologyError: Error, Equatable, CustomStringConvertible {
    package typealias Problem = YAMLProblem
    package typealias Place = YAMLPlace

    /// At least one; lines ascending, then what `--set` gave.
    package let problems: [Problem]

    package init(problems: [Problem]) { self.problems = problems }

    init(_ error: YAMLError) { problems = error.problems }

    /// One problem a line, each with its place, key and rule.
    package var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
