import PackedSets

/// Looks up how many of their two parents are active, for 64 children at a time.
///
/// Most of a prediction's time goes into this: two reads at places that the table scatters. So the
/// activity below is spread to a byte per neuron once, and the counts of eight children, 0...2,
/// are collected in the bytes of a word.
enum ParentLookup {
    /// Which of the children `firstChild` and up have at least one, and which have both parents
    /// active; bits past the last child are zero.
    ///
    /// - Parameters:
    ///   - parents: two per child, as in ``CorrelationTable``.
    ///   - isActive: 1 where a neuron of the layer below is active; has a byte for every parent.
    @inline(__always)
    static func word(
        firstChild: Int, parents: Span<UInt16>, isActive: Span<UInt8>
    ) -> (any: UInt64, both: UInt64) {
        var (any, both): (UInt64, UInt64) = (0, 0)
        let childCount = min(64, parents.count / 2 - firstChild)
        var child = 0
        while child < childCount {
            let counts =
                child &+ 8 <= childCount
                ? eightCounts(firstChild &+ child, parents, isActive)
                : lastCounts(firstChild &+ child, childCount &- child, parents, isActive)
            any |= pack((counts | counts &>> 1) & lowBits) &<< UInt64(child)
            both |= pack(counts &>> 1 & lowBits) &<< UInt64(child)
            child &+= 8
        }
        return (any, both)
    }

    /// Over how many sequences the children's parents are active, both together, as a number bit by
    /// bit: bit `k` of plane `p` is bit `p` of child `firstChild + k`'s.
    ///
    /// - Parameters:
    ///   - counts: of each neuron of the layer below, a byte; at most 127.
    ///   - bitCount: of the largest number, at most 8.
    @inline(__always)
    static func planes(
        firstChild: Int, parents: Span<UInt16>, counts: Span<UInt8>, bitCount: Int
    ) -> [8 of UInt64] {
        var planes: [8 of UInt64] = [0, 0, 0, 0, 0, 0, 0, 0]
        let childCount = min(64, parents.count / 2 - firstChild)
        var child = 0
        while child < childCount {
            let sums =
                child &+ 8 <= childCount
                ? eightCounts(firstChild &+ child, parents, counts)
                : lastCounts(firstChild &+ child, childCount &- child, parents, counts)
            for bit in 0..<bitCount {
                planes[bit] |= pack(sums &>> UInt64(bit) & lowBits) &<< UInt64(child)
            }
            child &+= 8
        }
        return planes
    }

    /// As ``word(firstChild:parents:isActive:)``, right for the children in `chosen` only; of few,
    /// no others are looked up.
    @inline(__always)
    static func word(
        firstChild: Int, parents: Span<UInt16>, isActive: Span<UInt8>, of chosen: UInt64
    ) -> (any: UInt64, both: UInt64) {
        guard chosen.nonzeroBitCount <= fewChildren else {
            return word(firstChild: firstChild, parents: parents, isActive: isActive)
        }
        var (any, both): (UInt64, UInt64) = (0, 0)
        var rest = chosen
        while rest != 0 {
            let child = UInt64(truncatingIfNeeded: rest.trailingZeroBitCount)
            let count = count(firstChild &+ Int(child), parents, isActive)
            any |= ((count | count &>> 1) & 1) &<< child
            both |= (count &>> 1) &<< child
            rest &= rest &- 1
        }
        return (any, both)
    }

    /// Up to so many of 64 children are looked up one by one: a guess from the instructions that
    /// either way takes, not measured. No result depends on it.
    private static let fewChildren = 20

    /// The low bits of eight bytes side by side: byte `k` moves from bit 8k to bit 56 + k, and no
    /// two partial products meet on the way.
    @inline(__always)
    private static func pack(_ bytes: UInt64) -> UInt64 {
        (bytes &* 0x0102_0408_1020_4080) &>> 56
    }

    private static let lowBits: UInt64 = 0x0101_0101_0101_0101

    /// Active parents of eight children, a byte each.
    @inline(__always)
    private static func eightCounts(
        _ first: Int, _ parents: Span<UInt16>, _ isActive: Span<UInt8>
    ) -> UInt64 {
        // Written out, so that the shifts are constants; in two halves, which do not wait for
        // each other.
        let low =
            count(first, parents, isActive)
            | count(first &+ 1, parents, isActive) &<< 8
            | count(first &+ 2, parents, isActive) &<< 16
            | count(first &+ 3, parents, isActive) &<< 24
        let high =
            count(first &+ 4, parents, isActive)
            | count(first &+ 5, parents, isActive) &<< 8
            | count(first &+ 6, parents, isActive) &<< 16
            | count(first &+ 7, parents, isActive) &<< 24
        return low | high &<< 32
    }

    private static func lastCounts(
        _ first: Int, _ childCount: Int, _ parents: Span<UInt16>, _ isActive: Span<UInt8>
    ) -> UInt64 {
        var counts: UInt64 = 0
        for child in 0..<childCount {
            counts |= count(first + child, parents, isActive) << UInt64(8 * child)
        }
        return counts
    }

    /// Not bounds-checked, which takes a third of the time: callers name existing children only,
    /// the table's parents were checked when it was made, and there is a byte for each of them.
    @inline(__always)
    private static func count(
        _ child: Int, _ parents: Span<UInt16>, _ isActive: Span<UInt8>
    ) -> UInt64 {
        let first = unsafe Int(parents[unchecked: 2 &* child])
        let second = unsafe Int(parents[unchecked: 2 &* child &+ 1])
        return unsafe UInt64(isActive[unchecked: first] &+ isActive[unchecked: second])
    }
}
