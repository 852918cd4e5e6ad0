/// A set's members as a byte each, 1 or 0, or how many of several sets have them, for who asks
/// about many in no order: a byte is read as it is, where a bit would have to be shifted to its
/// place.
package struct FlagBytes: Sendable {
    /// Elements that fit; a set's words are taken over whole.
    package let elementCount: Int
    /// 64 to a word of the set, then eight that stay 0.
    package private(set) var bytes: [UInt8]

    /// None set.
    package init(elementCount: Int) {
        precondition(elementCount >= 0)
        self.elementCount = elementCount
        let wordCount = PackedSet.wordCount(elementCount: elementCount)
        bytes = Array(repeating: 0, count: 64 * wordCount + 8)
    }

    /// A place that is never set, whatever is loaded.
    package var placeOfNobody: Int { bytes.count - 8 }

    /// Replaces the flags from element `64 × first` on by those of a set's words.
    package mutating func load(_ words: [UInt64], atWord first: Int = 0) {
        write(words, atWord: first, isAdding: false)
    }

    /// Adds a set's flags to the bytes, which are counts then; below 256 together.
    package mutating func add(_ words: [UInt64]) {
        write(words, atWord: 0, isAdding: true)
    }

    @inline(__always)
    private mutating func write(_ words: [UInt64], atWord first: Int, isAdding: Bool) {
        precondition(first >= 0 && 64 * (first + words.count) <= placeOfNobody)
        var target = bytes.mutableSpan
        var raw = unsafe target.mutableBytes
        var offset = 64 * first
        for word in words {
            var rest = word
            for _ in 0..<8 {
                let old =
                    isAdding
                    ? unsafe raw.unsafeLoadUnaligned(
                        fromUncheckedByteOffset: offset, as: UInt64.self) : 0
                unsafe raw.storeBytes(
                    of: old &+ Self.spread(rest), toUncheckedByteOffset: offset,
                    as: UInt64.self)
                rest &>>= 8
                offset &+= 8
            }
        }
    }

    /// The lower eight bits as the low bits of eight bytes: each byte gets a copy of them all and
    /// keeps its own, which the addition carries to the top.
    @inline(__always)
    private static func spread(_ bits: UInt64) -> UInt64 {
        let own = ((bits & 0xFF) &* 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201
        return ((own &+ 0x7F7F_7F7F_7F7F_7F7F) &>> 7) & 0x0101_0101_0101_0101
    }

    /// The low bits of eight bytes side by side: byte `k` moves from bit 8k to bit 56 + k, and no
    /// two partial products meet on the way. The other bits of `bytes` are zero.
    @inline(__always)
    static func pack(_ bytes: UInt64) -> UInt64 {
        (bytes &* 0x0102_0408_1020_4080) &>> 56
    }
}

/// Which element of one set each element of another stands for: turns the one into the other, in
/// any order, 64 elements at a time.
package struct SetSelection: Equatable, Sendable {
    /// Place of each target element's flag, filled up to whole words with those of nobody.
    private enum Places: Equatable, Sendable {
        /// Where 16 bits suffice, which keeps the tables of many layers in cache.
        case narrow([UInt16])
        case wide([UInt32])
    }

    private let places: Places
    private let flagByteCount: Int
    /// Words of the target set.
    package let wordCount: Int

    /// - Parameters:
    ///   - sources: what each element of the target stands for, below `sourceCount`; nil for
    ///     nothing, which is never a member.
    package init(_ sources: [Int?], sourceCount: Int) {
        let flags = FlagBytes(elementCount: sourceCount)
        flagByteCount = flags.bytes.count
        wordCount = PackedSet.wordCount(elementCount: sources.count)
        let empty = 64 * wordCount - sources.count
        let places = (sources + Array(repeating: nil, count: empty)).map { source in
            guard let source else { return flags.placeOfNobody }
            precondition(source >= 0 && source < sourceCount)
            return source
        }
        self.places =
            flags.placeOfNobody <= Int(UInt16.max)
            ? .narrow(places.map { UInt16($0) }) : .wide(places.map { UInt32($0) })
    }

    /// Overwrites `words`, [wordCount], with the target's members.
    package func select(from flags: FlagBytes, into words: inout [UInt64]) {
        precondition(flags.bytes.count == flagByteCount)
        precondition(words.count == wordCount)
        switch places {
        case .narrow(let places): Self.select(places.span, flags.bytes.span, into: &words)
        case .wide(let places): Self.select(places.span, flags.bytes.span, into: &words)
        }
    }

    @inline(__always)
    private static func select<Place: FixedWidthInteger>(
        _ places: Span<Place>, _ bytes: Span<UInt8>, into words: inout [UInt64]
    ) {
        for index in words.indices {
            var word: UInt64 = 0
            var bit = 0
            while bit < 64 {
                let first = 64 &* index &+ bit
                // Written out, so that the shifts are constants. Every place was checked when the
                // selection was made, against flags of this size.
                let low =
                    unsafe Self.flag(first, places, bytes)
                    | Self.flag(first &+ 1, places, bytes) &<< 8
                    | Self.flag(first &+ 2, places, bytes) &<< 16
                    | Self.flag(first &+ 3, places, bytes) &<< 24
                let high =
                    unsafe Self.flag(first &+ 4, places, bytes)
                    | Self.flag(first &+ 5, places, bytes) &<< 8
                    | Self.flag(first &+ 6, places, bytes) &<< 16
                    | Self.flag(first &+ 7, places, bytes) &<< 24
                word |= FlagBytes.pack(low | high &<< 32) &<< UInt64(bit)
                bit &+= 8
            }
            words[index] = word
        }
    }

    @inline(__always)
    @unsafe
    private static func flag<Place: FixedWidthInteger>(
        _ element: Int, _ places: Span<Place>, _ bytes: Span<UInt8>
    ) -> UInt64 {
        unsafe UInt64(bytes[unchecked: Int(truncatingIfNeeded: places[unchecked: element])])
    }
}
