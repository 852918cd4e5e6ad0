/// Sixteen 4-bit lanes in a 64-bit word, lane `k` in bits 4k to 4k+3, worked on all at once.
///
/// Carries are kept inside their lane by adding the lower three bits of each lane apart from its
/// top bit. Source: Lamport, "Multiple byte processing with full-word instructions", CACM 1975.
enum StateLanes {
    static let laneCount = 16
    static let lowBits: UInt64 = 0x1111_1111_1111_1111
    private static let topBits: UInt64 = 0x8888_8888_8888_8888

    /// `value`, 0...15, in every lane.
    @inline(__always)
    static func broadcast(_ value: Int) -> UInt64 { UInt64(truncatingIfNeeded: value) &* lowBits }

    /// Bit `k` of the lower 16 goes to the low bit of lane `k`.
    @inline(__always)
    static func spread(_ bits: UInt64) -> UInt64 {
        var lanes = bits & 0xFFFF
        lanes = (lanes | lanes &<< 24) & 0x0000_00FF_0000_00FF
        lanes = (lanes | lanes &<< 12) & 0x000F_000F_000F_000F
        lanes = (lanes | lanes &<< 6) & 0x0303_0303_0303_0303
        return (lanes | lanes &<< 3) & lowBits
    }

    /// The low bit of lane `k` goes to bit `k`; the other bits of `lanes` are zero.
    @inline(__always)
    static func gather(_ lanes: UInt64) -> UInt64 {
        var bits = lanes
        bits = (bits | bits &>> 3) & 0x0303_0303_0303_0303
        bits = (bits | bits &>> 6) & 0x000F_000F_000F_000F
        bits = (bits | bits &>> 12) & 0x0000_00FF_0000_00FF
        return (bits | bits &>> 24) & 0xFFFF
    }

    /// Whole lanes where the low bit is set; the other bits of `lowBits` are zero.
    @inline(__always)
    static func fill(_ lowBits: UInt64) -> UInt64 { (lowBits &<< 4) &- lowBits }

    /// Lane by lane the sum, at most 15.
    @inline(__always)
    static func addSaturating(_ states: UInt64, _ amounts: UInt64) -> UInt64 {
        let sum = ((states & ~topBits) &+ (amounts & ~topBits)) ^ ((states ^ amounts) & topBits)
        return sum | fill(carries(states, amounts, sum))
    }

    /// Lane by lane the difference, at least 0.
    @inline(__always)
    static func subtractSaturating(_ states: UInt64, _ amounts: UInt64) -> UInt64 {
        let difference =
            ((states | topBits) &- (amounts & ~topBits)) ^ ((states ^ ~amounts) & topBits)
        let borrows = ((~states & amounts) | ((~states | amounts) & difference)) & topBits
        return difference & ~fill(borrows &>> 3)
    }

    /// One in the low bit of each lane above `15 - complements`: what the addition carries out.
    @inline(__always)
    static func above(_ states: UInt64, complements: UInt64) -> UInt64 {
        let sum =
            ((states & ~topBits) &+ (complements & ~topBits))
            ^ ((states ^ complements) & topBits)
        return carries(states, complements, sum)
    }

    @inline(__always)
    private static func carries(_ left: UInt64, _ right: UInt64, _ sum: UInt64) -> UInt64 {
        (((left & right) | ((left | right) & ~sum)) & topBits) &>> 3
    }
}
