/// Looks up how many of their two parents are active, for 64 children at a time.
///
/// Most of a prediction's time goes into this: two reads at places that the table scatters. So the
/// activity below is spread to a byte per neuron once, and the counts of eight children, 0...2,
/// are collected in the bytes of a word.
struct ParentLookup {
    private let parents: [UInt16]  // [2 × children]
    private let isActive: [UInt8]  // 1 where a neuron of the layer below is active

    /// - Parameters:
    ///   - parents: two per child, as in ``CorrelationTable``.
    ///   - below: words of the set of the layer below's active neurons; names every parent.
    init(_ parents: [UInt16], below: [UInt64]) {
        self.parents = parents
        var flags = Array(repeating: UInt8(0), count: 64 * below.count)
        for (index, word) in below.enumerated() {
            var rest = word
            while rest != 0 {
                flags[64 &* index &+ rest.trailingZeroBitCount] = 1
                rest &= rest &- 1
            }
        }
        isActive = flags
    }

    /// Which of the children `firstChild` and up have at least one, and which have both parents
    /// active; bits past the last child are zero.
    @inline(__always)
    func word(firstChild: Int) -> (any: UInt64, both: UInt64) {
        var (any, both): (UInt64, UInt64) = (0, 0)
        let childCount = min(64, parents.count / 2 - firstChild)
        var child = 0
        while child < childCount {
            let counts =
                child &+ 8 <= childCount
                ? eightCounts(firstChild &+ child)
                : lastCounts(firstChild &+ child, count: childCount &- child)
            any |= Self.pack(counts | counts &>> 1) &<< UInt64(child)
            both |= Self.pack(counts &>> 1) &<< UInt64(child)
            child &+= 8
        }
        return (any, both)
    }

    /// Active parents of eight children, a byte each.
    @inline(__always)
    private func eightCounts(_ first: Int) -> UInt64 {
        // Written out, so that the shifts are constants.
        count(first) | count(first &+ 1) &<< 8 | count(first &+ 2) &<< 16
            | count(first &+ 3) &<< 24 | count(first &+ 4) &<< 32 | count(first &+ 5) &<< 40
            | count(first &+ 6) &<< 48 | count(first &+ 7) &<< 56
    }

    private func lastCounts(_ first: Int, count childCount: Int) -> UInt64 {
        var counts: UInt64 = 0
        for child in 0..<childCount { counts |= count(first + child) << UInt64(8 * child) }
        return counts
    }

    /// Not bounds-checked, which takes a third of the time: `word(firstChild:)` names existing
    /// children only, and the table's parents were checked when it was made.
    @inline(__always)
    private func count(_ child: Int) -> UInt64 {
        let (parents, isActive) = (parents.span, isActive.span)
        let first = unsafe Int(parents[unchecked: 2 &* child])
        let second = unsafe Int(parents[unchecked: 2 &* child &+ 1])
        return unsafe UInt64(isActive[unchecked: first] &+ isActive[unchecked: second])
    }

    /// The low bits of eight bytes side by side: byte `k` moves from bit 8k to bit 56 + k, and no
    /// two partial products meet on the way.
    @inline(__always)
    private static func pack(_ bytes: UInt64) -> UInt64 {
        ((bytes & 0x0101_0101_0101_0101) &* 0x0102_0408_1020_4080) &>> 56
    }
}
