/// In how many of some sets each element was, for all elements of a word at once.
///
/// Bit p of 64 elements' counts is one word, so a set is added by a carry that runs through few
/// words, where counting member by member costs a step for each.
package struct MembershipCounts: Sendable {
    package let elementCount: Int
    /// Bits that the highest count needs, at least.
    private var bitCount = 0
    private var planes: [UInt64] = []  // [words][bits]

    /// No set added yet.
    ///
    /// - Parameter setCount: that will be added, where it is known: then there is room for them.
    package init(elementCount: Int, setCount: Int = 0) {
        precondition(elementCount >= 0 && setCount >= 0)
        self.elementCount = elementCount
        bitCount = Int.bitWidth - setCount.leadingZeroBitCount
        planes = Array(
            repeating: 0, count: bitCount * PackedSet.wordCount(elementCount: elementCount))
    }

    /// As if so many sets had been added that these are the counts.
    package init(_ counts: [UInt32]) {
        self.init(elementCount: counts.count)
        let highest = counts.max() ?? 0
        bitCount = UInt32.bitWidth - highest.leadingZeroBitCount
        planes = Array(
            repeating: 0, count: bitCount * PackedSet.wordCount(elementCount: elementCount))
        for (element, count) in counts.enumerated() {
            for bit in 0..<bitCount where count >> UInt32(bit) & 1 == 1 {
                planes[element / 64 * bitCount + bit] |= 1 << UInt64(element % 64)
            }
        }
    }

    /// - Precondition: `set` has as many elements.
    package mutating func add(_ set: PackedSet) {
        precondition(set.elementCount == elementCount)
        var start = 0
        // A word that needs one more bit than there are interrupts.
        while let (index, carry) = add(set.words.span, from: start) {
            addPlane(wordCount: set.words.count)
            planes[(index + 1) * bitCount - 1] = carry
            start = index + 1
        }
    }

    /// - Returns: the first word whose carry found no bit to go to, and that carry.
    private mutating func add(
        _ words: Span<UInt64>, from start: Int
    ) -> (index: Int, carry: UInt64)? {
        let bitCount = bitCount
        // Through a span: an array would ask at each word whether it is shared.
        var planes = planes.mutableSpan
        for index in start..<words.count {
            var carry = words[index]
            var place = index &* bitCount
            let end = place &+ bitCount
            while carry != 0 {
                guard place < end else { return (index, carry) }
                let sum = planes[place]
                planes[place] = sum ^ carry
                carry &= sum
                place &+= 1
            }
        }
        return nil
    }

    private mutating func addPlane(wordCount: Int) {
        var more = Array(repeating: UInt64(0), count: planes.count + wordCount)
        for index in 0..<wordCount {
            for bit in 0..<bitCount {
                more[index * (bitCount + 1) + bit] = planes[index * bitCount + bit]
            }
        }
        planes = more
        bitCount += 1
    }

    /// How often the members of `set` were counted, all together.
    package func total(in set: PackedSet) -> Int {
        precondition(set.elementCount == elementCount)
        let words = set.words
        var total = 0
        for index in words.indices where words[index] != 0 {
            for bit in 0..<bitCount {
                let plane = planes[index &* bitCount &+ bit]
                total &+= (plane & words[index]).nonzeroBitCount &<< bit
            }
        }
        return total
    }

    /// Bits `bit` of the counts of a word's elements.
    private func plane(_ bit: Int, atWord index: Int) -> UInt64 {
        bit < bitCount ? planes[index * bitCount + bit] : 0
    }

    /// [elements].
    package var values: [UInt32] {
        var counts = Array(repeating: UInt32(0), count: elementCount)
        for (place, plane) in planes.enumerated() {
            let (index, bit) = place.quotientAndRemainder(dividingBy: bitCount)
            var rest = plane
            while rest != 0 {
                counts[64 * index + rest.trailingZeroBitCount] |= 1 << UInt32(bit)
                rest &= rest - 1
            }
        }
        return counts
    }
}

extension MembershipCounts: Equatable {
    /// Equal counts, whatever there is room for.
    package static func == (left: Self, right: Self) -> Bool {
        left.elementCount == right.elementCount
            && (0..<PackedSet.wordCount(elementCount: left.elementCount)).allSatisfy { index in
                (0..<max(left.bitCount, right.bitCount)).allSatisfy {
                    left.plane($0, atWord: index) == right.plane($0, atWord: index)
                }
            }
    }
}
