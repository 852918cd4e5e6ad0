/// Text whose every scalar remembers whether the template or a message wrote it.
///
/// Templates index, cut and trim by scalar (as Python does), so scalars are stored, with the
/// origin in the top bit. Comparing and searching ignore the origin.
struct TaggedText: Sendable {
    private static let messageBit: UInt32 = 1 << 31

    private(set) var units: [UInt32] = []

    init() {}

    init(_ text: String, isTemplateText: Bool) {
        units = text.unicodeScalars.map { $0.value | (isTemplateText ? 0 : Self.messageBit) }
    }

    init(units: some Sequence<UInt32>) { self.units = Array(units) }

    var count: Int { units.count }
    var isEmpty: Bool { units.isEmpty }

    /// The text without its origin.
    var string: String {
        var result = String.UnicodeScalarView()
        for unit in units { result.append(Self.scalar(unit)) }
        return String(result)
    }

    /// The text, cut where the origin changes.
    var segments: [ChatSegment] {
        var result: [ChatSegment] = []
        var start = 0
        while start < units.count {
            let origin = units[start] & Self.messageBit
            var end = start
            while end < units.count, units[end] & Self.messageBit == origin { end += 1 }
            let text = TaggedText(units: units[start..<end]).string
            result.append(ChatSegment(text: text, isTemplateText: origin == 0))
            start = end
        }
        return result
    }

    mutating func append(_ other: TaggedText) { units += other.units }

    private static func scalar(_ unit: UInt32) -> Unicode.Scalar {
        guard let scalar = Unicode.Scalar(unit & ~messageBit) else {
            preconditionFailure("units are made from scalars only")
        }
        return scalar
    }

    // MARK: Comparing and searching

    /// -1, 0 or 1 in scalar order, as Python compares strings.
    func compare(to other: TaggedText) -> Int {
        for (left, right) in zip(units, other.units) {
            let (left, right) = (left & ~Self.messageBit, right & ~Self.messageBit)
            if left != right { return left < right ? -1 : 1 }
        }
        return (count - other.count).signum()
    }

    /// Index of the first occurrence of `other` at or after `start`.
    ///
    /// - Parameter comparisonCount: grows by the work done.
    func firstIndex(of other: TaggedText, from start: Int, comparisonCount: inout Int) -> Int? {
        var index = start
        while index + other.count <= count {
            var matched = 0
            while matched < other.count,
                (units[index + matched] ^ other.units[matched]) & ~Self.messageBit == 0
            {
                matched += 1
            }
            comparisonCount += matched + 1
            if matched == other.count { return index }
            index += 1
        }
        return nil
    }

    // MARK: Transforming

    /// Without scalars of `set`, or without white space, at the ends that are asked for.
    func trimmed(of set: TaggedText?, atStart: Bool, atEnd: Bool) -> TaggedText {
        func isCut(_ unit: UInt32) -> Bool {
            guard let set else { return Self.isPythonSpace(Self.scalar(unit)) }
            return set.units.contains { ($0 ^ unit) & ~Self.messageBit == 0 }
        }
        var range = 0..<count
        while atStart, let first = range.first, isCut(units[first]) { range.removeFirst() }
        while atEnd, let last = range.last, isCut(units[last]) { range.removeLast() }
        return TaggedText(units: units[range])
    }

    /// Each scalar replaced by what Unicode maps it to; the origin goes along.
    func mapped(_ mapping: (Unicode.Scalar.Properties) -> String) -> TaggedText {
        TaggedText(
            units: units.flatMap { unit in
                mapping(Self.scalar(unit).properties).unicodeScalars.map {
                    $0.value | unit & Self.messageBit
                }
            })
    }

    /// `str.isspace` of Python: White_Space and the four separators U+001C to U+001F.
    static func isPythonSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }

    static func isPythonSpace(unit: UInt32) -> Bool { isPythonSpace(scalar(unit)) }
}
