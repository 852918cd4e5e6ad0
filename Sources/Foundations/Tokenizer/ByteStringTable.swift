/// Byte strings numbered from 0, all in one store, some of them findable by content.
///
/// One store and an open-addressing index instead of a dictionary of arrays: a vocabulary of
/// 128 000 tokens must load in a fraction of a second and then be searched by slices.
struct ByteStringTable: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [UInt32] = []
    /// String number or -1; a power of two, at most half full.
    private var slots: [Int32]
    private(set) var longestIndexedByteCount = 0

    /// - Parameters:
    ///   - stringCount: strings that may be appended.
    ///   - byteCount: bytes to expect, a hint.
    init(stringCount: Int, byteCount: Int) {
        var slotCount = 16
        while slotCount < 2 * stringCount { slotCount *= 2 }
        slots = [Int32](repeating: -1, count: slotCount)
        bytes.reserveCapacity(byteCount)
        ends.reserveCapacity(stringCount)
    }

    var count: Int { ends.count }

    func range(of index: Int) -> Range<Int> {
        let start = index == 0 ? 0 : Int(ends[index - 1])
        return start..<Int(ends[index])
    }

    subscript(index: Int) -> ArraySlice<UInt8> { bytes[range(of: index)] }

    mutating func append(_ string: some Collection<UInt8>) {
        bytes.append(contentsOf: string)
        ends.append(UInt32(bytes.count))
    }

    /// Makes a string findable.
    ///
    /// - Returns: the number of an equal string indexed before, which then stays the one found.
    mutating func index(_ number: Int) -> Int? {
        let range = range(of: number)
        precondition(2 * number < slots.count)
        var slot = hash(bytes, range) & (slots.count - 1)
        while slots[slot] >= 0 {
            if equals(Int(slots[slot]), bytes, range) { return Int(slots[slot]) }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = Int32(number)
        longestIndexedByteCount = max(longestIndexedByteCount, range.count)
        return nil
    }

    /// The number of the indexed string that equals `source[range]`.
    func find(_ source: [UInt8], _ range: Range<Int>) -> Int? {
        guard range.count <= longestIndexedByteCount else { return nil }
        var slot = hash(source, range) & (slots.count - 1)
        while slots[slot] >= 0 {
            if equals(Int(slots[slot]), source, range) { return Int(slots[slot]) }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private func equals(_ number: Int, _ source: [UInt8], _ range: Range<Int>) -> Bool {
        let own = self.range(of: number)
        guard own.count == range.count else { return false }
        var index = own.lowerBound
        for other in range {
            if bytes[index] != source[other] { return false }
            index += 1
        }
        return true
    }

    /// FNV-1a with a final mix, since only the low bits choose the slot.
    private func hash(_ source: [UInt8], _ range: Range<Int>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in range { hash = (hash ^ UInt64(source[index])) &* 0x100_0000_01B3 }
        hash ^= hash >> 29
        return Int(truncatingIfNeeded: (hash &* 0x9E37_79B9_7F4A_7C15) >> 20)
    }
}
