package import CheckedYAML

/// Everything that is wrong with one catalogue file, in the order of its lines.
package struct ModelCatalogueError: Error, Equatable, CustomStringConvertible {
    /// At least one; each names file and line, path and rule.
    package let problems: [YAMLProblem]

    package init(problems: [YAMLProblem]) { self.problems = problems }

    /// One problem a line, each with its place, key and rule.
    package var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
