// What is drawn from the random generator, in integers and by rules of our own: the standard
// library does not promise that its shuffles and ranges stay the same between versions.
import SeededRandom

/// 32 random bits.
///
/// `next()` alone would take its width from the context: next to a `UInt32` it gives one.
func drawWord(using random: inout SplitMix64) -> UInt32 {
    let word: UInt64 = random.next()
    return UInt32(truncatingIfNeeded: word >> 32)
}

/// 0 to `count - 1`, each equally likely but for `count` / 2³².
func drawIndex(below count: Int, using random: inout SplitMix64) -> Int {
    // Shifts bind tighter than products.
    Int((UInt64(drawWord(using: &random)) * UInt64(count)) >> 32)
}

/// Brings the first `count` elements into random order.
func shuffle<Element>(_ list: inout [Element], first count: Int, using random: inout SplitMix64) {
    for last in stride(from: count - 1, to: 0, by: -1) {
        list.swapAt(last, drawIndex(below: last + 1, using: &random))
    }
}

/// The length of a spell, 1 to `longest`, each equally likely.
func drawLength(upTo longest: Int, using random: inout SplitMix64) -> UInt16 {
    UInt16(drawIndex(below: longest, using: &random) + 1)
}

/// What is left of a spell that is under way: a rest of r belongs to `longest - r + 1` lengths.
func drawRest(ofLongest longest: Int, using random: inout SplitMix64) -> UInt16 {
    while true {
        let rest = drawLength(upTo: longest, using: &random)
        if rest <= drawLength(upTo: longest, using: &random) { return rest }
    }
}

/// 64 bits of which each is set with probability `share`/256.
@inline(__always)
func drawMask(per256 share: Int, using random: inout SplitMix64) -> UInt64 {
    guard share > 0 else { return 0 }
    var mask: UInt64 = 0
    // From the lowest set digit of the share on: "or" adds a half, "and" halves.
    for digit in share.trailingZeroBitCount..<8 {
        let word: UInt64 = random.next()
        let isSet = 0 &- UInt64(truncatingIfNeeded: share &>> digit & 1)
        mask = mask & word | isSet & (mask | word)
    }
    return mask
}
