import Yams

/// Turns YAML text into a tree, and whatever can be wrong with YAML into one located problem.
///
/// Input is untrusted: size, nesting and number of values are bounded, and aliases are refused,
/// because a few of them can stand for more values than a machine has memory.
package struct YAMLText {
    package static let maximumByteCount = 1_000_000
    package static let maximumDepth = 32
    package static let maximumValueCount = 100_000

    package let text: String
    /// Place of a line counted from 1; of `nil`, the text as a whole.
    package let place: @Sendable (Int?) -> YAMLPlace
    /// What to write instead of an alias, for the error that refuses one.
    package let aliasAdvice: String

    package init(
        text: String, aliasAdvice: String = "repeat the value",
        place: @escaping @Sendable (Int?) -> YAMLPlace
    ) {
        self.text = text
        self.place = place
        self.aliasAdvice = aliasAdvice
    }

    /// The text as a tree rooted at `path`; `nil` for a text without any value.
    package func tree(at path: String = "") throws(YAMLError) -> TreeValue? {
        guard text.utf8.count <= Self.maximumByteCount else {
            throw failure(
                "is \(text.utf8.count) bytes; at most \(Self.maximumByteCount) are read")
        }
        if let line = AliasScan(text).firstAliasLine {
            throw failure(
                "aliases (*name) are not read: \(aliasAdvice)", line: line)
        }
        guard let root = try compose() else { return nil }
        var valueCount = 0
        return try convert(
            root, path: path, place: place(root.mark?.line), depth: 0, count: &valueCount)
    }

    private func compose() throws(YAMLError) -> Node? {
        do {
            // The basic resolver leaves every scalar a string: numbers are read exactly, later.
            return try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            throw failure(from: error)
        } catch {
            throw failure("is not YAML: \(error)")
        }
    }

    private func convert(
        _ node: Node, path: String, place: YAMLPlace, depth: Int, count: inout Int
    ) throws(YAMLError) -> TreeValue {
        count += 1
        guard count <= Self.maximumValueCount else {
            throw failure("has more than \(Self.maximumValueCount) values")
        }
        guard depth <= Self.maximumDepth else {
            throw failure(
                "is nested deeper than \(Self.maximumDepth) levels", line: node.mark?.line)
        }
        let content: TreeValue.Content
        switch node {
        case .scalar(let scalar):
            content = Self.content(of: scalar)
        case .sequence(let sequence):
            var elements: [TreeValue] = []
            for (index, element) in sequence.enumerated() {
                elements.append(
                    try convert(
                        element, path: TreeValue.joined(path, String(index)),
                        place: self.place(element.mark?.line), depth: depth + 1, count: &count))
            }
            content = .list(elements)
        case .mapping(let mapping):
            content = .keys(try entries(of: mapping, path: path, depth: depth, count: &count))
        case .alias:
            throw failure("aliases (*name) are not read", line: node.mark?.line)
        }
        return TreeValue(content: content, path: path, place: place)
    }

    private func entries(
        of mapping: Node.Mapping, path: String, depth: Int, count: inout Int
    ) throws(YAMLError) -> [TreeValue.Entry] {
        var entries: [TreeValue.Entry] = []
        for (key, value) in mapping {
            guard let name = key.scalar?.string else {
                throw failure("a key must be a word, not a list or a group", line: key.mark?.line)
            }
            // A group opens on the line after its key; readers look for it at the key.
            let mark = value.scalar == nil ? key.mark : value.mark ?? key.mark
            let child = try convert(
                value, path: TreeValue.joined(path, name), place: place(mark?.line),
                depth: depth + 1, count: &count)
            entries.append(TreeValue.Entry(key: name, value: child))
        }
        return entries
    }

    private static func content(of scalar: Node.Scalar) -> TreeValue.Content {
        let isPlain = scalar.style == .plain || scalar.style == .any
        guard scalar.string.isEmpty else {
            return isPlain && ["~", "null"].contains(scalar.string) ? .empty : .text(scalar.string)
        }
        // YAML reads the plain node set `!1` as a tag on nothing; numactl's users mean text.
        let tag = scalar.tag.description
        if isPlain, tag.hasPrefix("!"), tag.count > 1 { return .text(tag) }
        return isPlain ? .empty : .text("")
    }

    private func failure(_ rule: String, line: Int? = nil) -> YAMLError {
        YAMLError(problems: [.init(place: place(line), path: "", rule: rule)])
    }
}

extension YAMLText {
    private func failure(from error: YamlError) -> YAMLError {
        switch error {
        case .scanner(let context, let problem, let mark, _),
            .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let lines = lineCount
            let started = context.map { "\($0.text) (line \(min($0.mark.line, lines))): " } ?? ""
            // What ends too early is missed past the last line; point to where it began.
            let isPastEnd = mark.line > lines || problem.contains("end of stream")
            let line = min(lines, isPastEnd ? context?.mark.line ?? lines : mark.line)
            return failure("is not valid YAML: \(started)\(problem)", line: line)
        case .reader(let problem, let offset, _, _):
            let line = offset.map { offset in
                1 + text.prefix(offset).count { $0.isNewline }
            }
            return failure("is not valid YAML: \(problem)", line: line)
        case .duplicatedKeysInMapping(let keys, let context):
            let first = context.mark
            let names = keys.map { "'\(Wording.clipped($0))'" }.joined(separator: ", ")
            let second = lineOfRepetition(of: keys, from: first) ?? first.line
            return failure(
                "key \(names) is given twice in the same group (first on line \(first.line))",
                line: second)
        default:
            return failure("is not valid YAML: \(error)")
        }
    }

    private var lineCount: Int {
        let breaks = text.count { $0.isNewline }
        return max(1, text.last?.isNewline == true ? breaks : breaks + 1)
    }

    /// The library names only where a repeated key stood first; the repetition is what to delete.
    private func lineOfRepetition(of keys: [String], from first: Mark) -> Int? {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let indentation = first.column - 1
        for (index, line) in lines.enumerated().dropFirst(first.line) {
            let content = line.drop { $0 == " " }
            guard !content.isEmpty, !content.hasPrefix("#") else { continue }
            let column = line.count - content.count
            if column < indentation { return nil }
            if column == indentation, keys.contains(where: { content.hasPrefix($0 + ":") }) {
                return index + 1
            }
        }
        return nil
    }
}

/// Finds YAML aliases without parsing, so that none is ever expanded.
///
/// An alias needs an anchor of the same name. Both are looked for wherever they could stand, in
/// comments and quotes as well: nothing is missed, and a false alarm takes `&x` and `*x` in prose.
struct AliasScan {
    /// Line, counted from 1, of the first alias whose anchor exists.
    let firstAliasLine: Int?

    init(_ text: String) {
        var anchors: Set<String> = []
        var aliases: [(name: String, line: Int)] = []
        var line = 1
        var previous: Unicode.Scalar = "\n"
        let scalars = text.unicodeScalars
        var index = scalars.startIndex
        while index != scalars.endIndex {
            let scalar = scalars[index]
            index = scalars.index(after: index)
            if scalar == "\n" { line += 1 }
            if scalar == "&" || scalar == "*", Self.opensToken(after: previous) {
                let name = String(scalars[index...].prefix(while: Self.isNameScalar))
                if scalar == "&" { anchors.insert(name) } else { aliases.append((name, line)) }
            }
            previous = scalar
        }
        firstAliasLine = aliases.first { anchors.contains($0.name) && !$0.name.isEmpty }?.line
    }

    /// No letter, digit or closing mark can stand right before a token.
    private static func opensToken(after previous: Unicode.Scalar) -> Bool {
        !isNameScalar(previous)
    }

    private static func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-": true
        default: false
        }
    }
}
