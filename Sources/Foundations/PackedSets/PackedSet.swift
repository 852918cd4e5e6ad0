/// A set of the integers `0..<elementCount` as one bit each: element `e` is bit `e % 64` of word
/// `e / 64`; bits past the last element are zero. Neurons of a layer, slots of a DIMM: messages,
/// traces and policies share this form.
package struct PackedSet: Equatable, Hashable, Sendable {
    package let elementCount: Int
    package private(set) var words: [UInt64]

    /// The empty set over `elementCount` elements.
    package init(elementCount: Int) {
        precondition(elementCount >= 0)
        self.elementCount = elementCount
        words = Array(repeating: 0, count: Self.wordCount(elementCount: elementCount))
    }

    /// The set of `members`, each below `elementCount`.
    package init(elementCount: Int, members: some Sequence<Int>) {
        self.init(elementCount: elementCount)
        for member in members { insert(member) }
    }

    /// All of `0..<elementCount`.
    package static func full(elementCount: Int) -> PackedSet {
        first(elementCount, of: elementCount)
    }

    /// The lowest `count` of `0..<elementCount`.
    package static func first(_ count: Int, of elementCount: Int) -> PackedSet {
        precondition(count >= 0 && count <= elementCount)
        var set = PackedSet(elementCount: elementCount)
        for index in 0..<count / 64 { set.words[index] = .max }
        if count % 64 > 0 { set.words[count / 64] = 1 << UInt64(count % 64) - 1 }
        return set
    }

    /// How many 64-bit words hold `elementCount` elements.
    package static func wordCount(elementCount: Int) -> Int { (elementCount + 63) / 64 }

    package var byteCount: Int { 8 * words.count }

    /// How many elements are in the set.
    package var memberCount: Int {
        var count = 0
        for word in words { count += word.nonzeroBitCount }
        return count
    }

    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    package func contains(_ element: Int) -> Bool {
        precondition(element >= 0 && element < elementCount)
        return words[element / 64] >> UInt64(element % 64) & 1 == 1
    }

    package mutating func insert(_ element: Int) {
        precondition(element >= 0 && element < elementCount)
        words[element / 64] |= 1 << UInt64(element % 64)
    }

    package mutating func remove(_ element: Int) {
        precondition(element >= 0 && element < elementCount)
        words[element / 64] &= ~(1 << UInt64(element % 64))
    }

    package mutating func removeAll() {
        for index in words.indices { words[index] = 0 }
    }

    /// Replaces word number `index`.
    ///
    /// - Precondition: no bit past the last element is set; ask ``isValid(word:at:)`` of words
    ///   that come from outside.
    package mutating func setWord(_ word: UInt64, at index: Int) {
        precondition(isValid(word: word, at: index))
        words[index] = word
    }

    /// Word number `index` of the set of all elements.
    package func fullWord(at index: Int) -> UInt64 {
        precondition(index >= 0 && index < words.count)
        let bits = elementCount - 64 * index
        return bits >= 64 ? .max : 1 << UInt64(bits) - 1
    }

    /// Replaces all words.
    ///
    /// - Precondition: as many as the set has, and no bit past the last element is set.
    package mutating func setWords(_ newWords: [UInt64]) {
        precondition(newWords.count == words.count)
        guard let last = newWords.indices.last else { return }
        precondition(isValid(word: newWords[last], at: last))
        words = newWords
    }

    /// Keeps the elements that are also in the set whose words begin at `first` in a list.
    package mutating func formIntersection(words other: [UInt64], from first: Int) {
        precondition(first >= 0 && first + words.count <= other.count)
        for index in words.indices { words[index] &= other[first + index] }
    }

    /// Whether `word` could be word number `index`: names no element past the last.
    package func isValid(word: UInt64, at index: Int) -> Bool {
        let bits = elementCount - 64 * index
        return bits >= 64 || word >> UInt64(bits) == 0
    }

    // MARK: With another set over equally many elements

    package mutating func formUnion(_ other: PackedSet) {
        precondition(other.elementCount == elementCount)
        for index in words.indices { words[index] |= other.words[index] }
    }

    package mutating func formIntersection(_ other: PackedSet) {
        precondition(other.elementCount == elementCount)
        for index in words.indices { words[index] &= other.words[index] }
    }

    package mutating func subtract(_ other: PackedSet) {
        precondition(other.elementCount == elementCount)
        for index in words.indices { words[index] &= ~other.words[index] }
    }

    /// How many elements both sets have.
    package func intersectionCount(_ other: PackedSet) -> Int {
        precondition(other.elementCount == elementCount)
        var count = 0
        for index in words.indices {
            count += (words[index] & other.words[index]).nonzeroBitCount
        }
        return count
    }

    // MARK: Members

    /// Calls `body` with each member, ascending.
    package func forEachMember(_ body: (Int) -> Void) {
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                body(64 * index + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
    }

    /// The members, ascending.
    package var members: [Int] {
        var list: [Int] = []
        list.reserveCapacity(memberCount)
        forEachMember { list.append($0) }
        return list
    }

    /// Writes the members in ascending order to `list` and returns how many there are.
    ///
    /// - Precondition: `list` has room for them.
    package func writeMembers(to list: inout [UInt32]) -> Int {
        var count = 0
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                list[count] = UInt32(64 * index + rest.trailingZeroBitCount)
                count += 1
                rest &= rest - 1
            }
        }
        return count
    }

    /// Adds one to the count of each member.
    ///
    /// - Parameter counts: [elementCount]; traps where one would overflow.
    package func addMembers(to counts: inout [UInt32]) {
        precondition(counts.count == elementCount)
        for index in words.indices {
            var rest = words[index]
            while rest != 0 {
                counts[64 &* index &+ rest.trailingZeroBitCount] += 1
                rest &= rest &- 1
            }
        }
    }
}
