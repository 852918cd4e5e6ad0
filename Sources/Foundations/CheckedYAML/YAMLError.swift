/// Everything that is wrong with one file, in the order of its lines.
package struct YAMLError: Error, Equatable, CustomStringConvertible {
    /// At least one; lines ascending, then what the command line gave.
    package let problems: [YAMLProblem]

    package init(problems: [YAMLProblem]) { self.problems = problems }

    /// One problem a line, each with its place, key and rule.
    package var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}

/// One broken rule and where it is broken.
package struct YAMLProblem: Hashable, Sendable, CustomStringConvertible {
    package let place: YAMLPlace
    /// Keys from the root, with dots: `channels.0.rate`. Empty for the file as a whole.
    package let path: String
    /// What is wrong and what would be right.
    package let rule: String

    package init(place: YAMLPlace, path: String, rule: String) {
        self.place = place
        self.path = path
        self.rule = rule
    }

    package var description: String {
        path.isEmpty ? "\(place): \(rule)" : "\(place): \(path): \(rule)"
    }
}

/// Where the offending value was written.
package enum YAMLPlace: Hashable, Sendable, CustomStringConvertible {
    case line(Int, file: String)
    /// The file as a whole, where no line is to blame.
    case file(String)
    case override(String)

    package var description: String {
        switch self {
        case .line(let line, let file): "\(file):\(line)"
        case .file(let file): file
        case .override(let text): "--set \(text)"
        }
    }

    /// Line number, counted from 1; `nil` for a file as a whole and for `--set`.
    package var line: Int? {
        if case .line(let line, _) = self { line } else { nil }
    }
}
