/// A fixed-size set of neuron slots, packed as messages carry it: slot `s` is bit `s % 64` of
/// word `s / 64`; bits past the last slot are zero.
package struct SlotSet: Equatable, Sendable {
    package let slotCount: Int
    package private(set) var words: [UInt64]

    /// The empty set over `slotCount` slots.
    package init(slotCount: Int) {
        precondition(slotCount >= 0)
        self.slotCount = slotCount
        words = Array(repeating: 0, count: Self.wordCount(slotCount: slotCount))
    }

    /// How many 64-bit words hold `slotCount` slots.
    package static func wordCount(slotCount: Int) -> Int { (slotCount + 63) / 64 }

    package var byteCount: Int { 8 * words.count }

    /// How many slots are in the set.
    package var memberCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    package func contains(_ slot: Int) -> Bool {
        precondition(slot >= 0 && slot < slotCount)
        return words[slot / 64] >> UInt64(slot % 64) & 1 == 1
    }

    package mutating func insert(_ slot: Int) {
        precondition(slot >= 0 && slot < slotCount)
        words[slot / 64] |= 1 << UInt64(slot % 64)
    }

    package mutating func remove(_ slot: Int) {
        precondition(slot >= 0 && slot < slotCount)
        words[slot / 64] &= ~(1 << UInt64(slot % 64))
    }

    package mutating func removeAll() {
        for index in words.indices { words[index] = 0 }
    }

    /// Replaces the content by words that a peer sent.
    ///
    /// Throws ``LinkError/peerCorrupt(_:)`` when a bit past the last slot is set; the set is
    /// empty then.
    package mutating func load(from message: RawSpan, at byteOffset: Int) throws(LinkError) {
        guard byteOffset >= 0, byteOffset <= message.byteCount - byteCount else {
            throw .peerCorrupt("a bit set of \(slotCount) slots does not fit its message")
        }
        for index in words.indices { words[index] = message.word64(at: byteOffset + 8 * index) }
        let tailBits = slotCount % 64
        if tailBits > 0, let last = words.last, last >> UInt64(tailBits) != 0 {
            removeAll()
            throw .peerCorrupt("a bit set names a slot past \(slotCount - 1)")
        }
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
}
