/// In how many of some sets each element was, for all elements of a word at once.
///
/// Bit p of 64 elements' counts is one word, so a set is added by a carry that runs through few
/// words, where counting member by member costs a step for each.
package struct MembershipCounts: Equatable, Sendable {
    package let elementCount: Int
    private var planes: [[UInt64]] = []  // [bits][words]; the last one is never all zero

    /// No set added yet.
    package init(elementCount: Int) {
        precondition(elementCount >= 0)
        self.elementCount = elementCount
    }

    /// As if so many sets had been added that these are the counts.
    package init(_ counts: [UInt32]) {
        self.init(elementCount: counts.count)
        let highest = counts.max() ?? 0
        let wordCount = PackedSet.wordCount(elementCount: elementCount)
        for bit in 0..<(UInt32.bitWidth - highest.leadingZeroBitCount) {
            var plane = Array(repeating: UInt64(0), count: wordCount)
            for (element, count) in counts.enumerated() where count >> UInt32(bit) & 1 == 1 {
                plane[element / 64] |= 1 << UInt64(element % 64)
            }
            planes.append(plane)
        }
    }

    /// - Precondition: `set` has as many elements.
    package mutating func add(_ set: PackedSet) {
        precondition(set.elementCount == elementCount)
        for (index, word) in set.words.enumerated() {
            var carry = word
            var bit = 0
            while carry != 0 {
                if bit == planes.count {
                    planes.append(Array(repeating: 0, count: set.words.count))
                }
                let sum = planes[bit][index]
                planes[bit][index] = sum ^ carry
                carry &= sum
                bit += 1
            }
        }
    }

    /// [elements].
    package var values: [UInt32] {
        var counts = Array(repeating: UInt32(0), count: elementCount)
        for (bit, plane) in planes.enumerated() {
            for (index, word) in plane.enumerated() {
                var rest = word
                while rest != 0 {
                    counts[64 * index + rest.trailingZeroBitCount] |= 1 << UInt32(bit)
                    rest &= rest - 1
                }
            }
        }
        return counts
    }
}
