/// Finds tokens that are cut out of text before it is cut into words.
///
/// The longest match at the leftmost place wins. Control tokens match only where the text is
/// trusted; user-defined ones (runs of spaces, say) are ordinary text and match everywhere.
struct SpecialTokenMatcher: Sendable {
    private struct Entry: Sendable {
        var text: [UInt8]
        var id: Int32
        var needsTrust: Bool
    }

    /// Ordered by first byte, then longest first.
    private let entries: [Entry]
    /// Entries that begin with a byte, [256].
    private let ranges: [Range<Int>]

    init(_ vocabulary: Vocabulary) {
        var entries = vocabulary.specialIDs.values.map { id in
            Entry(
                text: Array(vocabulary.texts[Int(id)]), id: id,
                needsTrust: vocabulary.kinds[Int(id)].isControl)
        }
        // One that is no whole text would cut a character of the text in two.
        entries.removeAll { String(validating: $0.text, as: UTF8.self) == nil }
        entries.sort {
            ($0.text[0], -$0.text.count, $0.id) < ($1.text[0], -$1.text.count, $1.id)
        }
        var ranges = [Range<Int>](repeating: 0..<0, count: 256)
        for (index, entry) in entries.enumerated() {
            let first = Int(entry.text[0])
            ranges[first] = (ranges[first].isEmpty ? index : ranges[first].lowerBound)..<index + 1
        }
        self.entries = entries
        self.ranges = ranges
    }

    /// The longest token whose text lies at `index`.
    ///
    /// - Parameter trustedEnd: end of the trusted text around `index`; `index` or less if none.
    func match(
        in text: [UInt8], at index: Int, trustedEnd: Int
    ) -> (id: Int32, byteCount: Int)? {
        for candidate in ranges[Int(text[index])] {
            let entry = entries[candidate]
            let end = index + entry.text.count
            guard end <= text.count, !entry.needsTrust || end <= trustedEnd else { continue }
            if text[index..<end].elementsEqual(entry.text) {
                return (entry.id, entry.text.count)
            }
        }
        return nil
    }
}
