package import Quantities

/// Gathers the problems of one file, so that all are reported together.
package final class ProblemList {
    package init() {}

    private var problems: [YAMLProblem] = []
    private var known: Set<YAMLProblem> = []
    /// Grows with every report, repeated ones too: unchanged means that nothing was wrong.
    package private(set) var reportCount = 0

    package var isEmpty: Bool { problems.isEmpty }

    package func add(_ place: YAMLPlace, _ path: String, _ rule: String) {
        reportCount += 1
        let problem = YAMLProblem(place: place, path: path, rule: rule)
        // DIMMs share one part; what is wrong with that is wrong once.
        if known.insert(problem).inserted { problems.append(problem) }
    }

    package func add(_ value: TreeValue, _ rule: String) { add(value.place, value.path, rule) }

    /// Lines ascending, then problems of the file as a whole, then those of `--set`.
    package var sorted: [YAMLProblem] {
        problems.enumerated().sorted { first, second in
            (Self.rank(first.element.place), first.offset)
                < (Self.rank(second.element.place), second.offset)
        }.map(\.element)
    }

    private static func rank(_ place: YAMLPlace) -> Int {
        switch place {
        case .line(let line, _): line
        case .file: Int.max - 1
        case .override: Int.max
        }
    }
}

/// Reads one group of keys. Every read names its key, so that `finish()` knows what is unknown.
///
/// A read that fails reports why and returns some valid value: the caller goes on to find further
/// problems, and what it builds is thrown away because the list of problems is not empty.
package struct Section {
    package let value: TreeValue
    package let problems: ProblemList
    private var readKeys: [String] = []
    private let reportCountAtStart: Int

    package init(_ value: TreeValue, problems: ProblemList) {
        self.value = value
        self.problems = problems
        reportCountAtStart = problems.reportCount
        switch value.content {
        case .keys: break
        case .empty: problems.add(value, "has no keys; write some below it, or leave it out")
        case .text, .list: problems.add(value, "must be a group of keys, not \(value.kind)")
        }
    }

    /// Stands for a group that is missing and reported: reads nothing, reports nothing.
    private init(absentBelow value: TreeValue, problems: ProblemList) {
        self.value = TreeValue(content: .empty, path: value.path, place: value.place)
        self.problems = problems
        reportCountAtStart = problems.reportCount - 1
    }

    /// Whether nothing was wrong so far; rules between keys make sense only then.
    package var isSound: Bool { problems.reportCount == reportCountAtStart }

    /// The value of a key, or `nil` after reporting it as missing.
    package mutating func required(_ key: String) -> TreeValue? {
        if let found = optional(key) { return found }
        // A value that is no group at all was reported as such.
        if case .keys = value.content {
            problems.add(value.place, TreeValue.joined(value.path, key), "is missing")
        }
        return nil
    }

    package mutating func optional(_ key: String) -> TreeValue? {
        readKeys.append(key)
        return value[key]
    }

    package mutating func section(_ key: String) -> Section {
        guard let found = required(key) else {
            return Section(absentBelow: value, problems: problems)
        }
        return Section(found, problems: problems)
    }

    /// Reports a rule between keys, given as paths below this group, at the one to blame: what
    /// `--set` gave before what the file says, a later line before an earlier one.
    package func report(_ keys: [String], _ rule: String) {
        let values = keys.compactMap { key in
            key.split(separator: ".").reduce(Optional(value)) { $0?[String($1)] }
        }
        let blamed = values.max { Self.blame($0.place) < Self.blame($1.place) }
        guard let blamed else { return }
        problems.add(blamed, rule)
    }

    private static func blame(_ place: YAMLPlace) -> Int {
        switch place {
        case .file: 0
        case .line(let line, _): line
        case .override: Int.max
        }
    }

    /// Reports every key that was not asked for, with the one that was probably meant.
    package func finish() {
        guard case .keys(let entries) = value.content else { return }
        for entry in entries where !readKeys.contains(entry.key) {
            let name = Wording.clipped(entry.key)
            let isNumber = !entry.key.isEmpty && entry.key.allSatisfy(\.isNumber)
            let hint =
                isNumber
                ? "; a node set with commas needs quotes: \"0,2\""
                : Wording.suggestion(for: entry.key, among: readKeys)
            problems.add(
                entry.value.place, TreeValue.joined(value.path, name),
                "unknown key\(hint) (keys here: \(Wording.list(readKeys)))")
        }
    }
}

extension Section {
    /// The single value of a key as text, at most 200 characters, without control characters.
    package mutating func text(_ key: String, maximumLength: Int = 200) -> (
        text: String, at: TreeValue
    )? {
        guard let found = required(key) else { return nil }
        guard let text = problems.text(of: found, maximumLength: maximumLength) else { return nil }
        return (text, found)
    }

    /// A whole number; `range.lowerBound` after reporting a problem.
    package mutating func integer(
        _ key: String, in range: ClosedRange<Int>, powerOfTwo: Bool = false
    ) -> Int {
        guard let (text, found) = text(key) else { return range.lowerBound }
        return problems.integer(text, at: found, in: range, powerOfTwo: powerOfTwo)
            ?? range.lowerBound
    }

    /// A quantity with its unit; `range.lowerBound` after reporting a problem.
    package mutating func quantity<Value: YAMLQuantity>(
        _ key: String, in range: ClosedRange<Value>
    ) -> Value {
        guard let (text, found) = text(key) else { return range.lowerBound }
        do throws(QuantityError) {
            let value = try Value(parsing: text)
            if range.contains(value) { return value }
            problems.add(
                found,
                "'\(text)' is outside \(range.lowerBound.exactDescription) to "
                    + range.upperBound.exactDescription)
        } catch {
            problems.add(found, error.description)
        }
        return range.lowerBound
    }

    /// One of the names of an enumeration; its first case after reporting a problem.
    package mutating func choice<Choice>(_ key: String, what: String, or fallback: Choice) -> Choice
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let (text, found) = text(key) else { return fallback }
        if let choice = Choice(rawValue: text) { return choice }
        let names = Choice.allCases.map(\.rawValue)
        let hint = Wording.suggestion(for: text, among: names)
        problems.add(
            found,
            "unknown \(what) '\(Wording.clipped(text))'\(hint) (known: \(Wording.list(names)))")
        return fallback
    }

    /// `on` or `off`, or YAML's `true` and `false`.
    package mutating func flag(_ key: String) -> Bool {
        guard let (text, found) = text(key) else { return false }
        switch text {
        case "on", "true": return true
        case "off", "false": return false
        default:
            problems.add(found, "'\(Wording.clipped(text))' is neither on nor off")
            return false
        }
    }
}

extension ProblemList {
    /// The text of a single value, or `nil` after reporting why there is none.
    package func text(of value: TreeValue, maximumLength: Int = 200) -> String? {
        switch value.content {
        case .text(let text):
            guard text.count <= maximumLength else {
                add(value, "is \(text.count) characters; at most \(maximumLength) are read")
                return nil
            }
            guard !text.contains(where: { Wording.isControl($0) && !$0.isNewline }) else {
                add(value, "contains control characters")
                return nil
            }
            return text
        case .empty: add(value, "has no value")
        case .list, .keys: add(value, "must be a single value, not \(value.kind)")
        }
        return nil
    }

    /// A whole number inside a range, or `nil` after reporting why there is none.
    package func integer(
        _ text: String, at value: TreeValue, in range: ClosedRange<Int>, powerOfTwo: Bool = false
    ) -> Int? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }) else {
            add(value, "'\(Wording.clipped(text))' is not a whole number")
            return nil
        }
        guard let number = Int(text), range.contains(number) else {
            add(
                value,
                "'\(Wording.clipped(text))' is outside \(range.lowerBound) to "
                    + "\(range.upperBound)")
            return nil
        }
        guard !powerOfTwo || number.nonzeroBitCount == 1 else {
            add(value, "'\(text)' is not a power of two")
            return nil
        }
        return number
    }

    /// The elements of a list, or `nil` after reporting that it is none.
    package func list(_ value: TreeValue, of what: String) -> [TreeValue]? {
        switch value.content {
        case .list(let elements): return elements
        case .empty: add(value, "has no value; write a list of \(what)")
        case .text, .keys: add(value, "must be a list of \(what), not \(value.kind)")
        }
        return nil
    }

    /// A list of whole numbers; those that are none are reported and left out.
    package func integers(
        _ value: TreeValue, of what: String, in range: ClosedRange<Int>
    ) -> [(number: Int, at: TreeValue)]? {
        guard let elements = list(value, of: what) else { return nil }
        return elements.compactMap { element in
            guard let text = text(of: element) else { return nil }
            guard let number = integer(text, at: element, in: range) else { return nil }
            return (number, element)
        }
    }
}

/// What a file can state with a unit.
package protocol YAMLQuantity: Comparable {
    init(parsing text: String) throws(QuantityError)
    var exactDescription: String { get }
}

extension ByteCount: YAMLQuantity {}
extension Bandwidth: YAMLQuantity {}
extension Frequency: YAMLQuantity {}
extension ComputeRate: YAMLQuantity {}
extension EmulatedDuration: YAMLQuantity {}
extension Proportion: YAMLQuantity {
    package var exactDescription: String { description }
}
