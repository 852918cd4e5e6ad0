/// The states of 64 neurons, bit by bit: bit `n` of plane `p` is bit `p` of neuron `n`'s state. All
/// are added to, taken from and compared at once, as a ripple-carry adder does it with one bit.
struct StatePlanes {
    static let count = 4

    var (plane0, plane1, plane2, plane3): (UInt64, UInt64, UInt64, UInt64)

    /// A number 0...15 as masks: all ones in the planes where it has a bit, else zero.
    struct Constant {
        let (bit0, bit1, bit2, bit3): (UInt64, UInt64, UInt64, UInt64)

        init(_ value: Int) {
            precondition(value >= 0 && value < 1 << StatePlanes.count)
            let bits = UInt64(value)
            bit0 = 0 &- (bits & 1)
            bit1 = 0 &- (bits >> 1 & 1)
            bit2 = 0 &- (bits >> 2 & 1)
            bit3 = 0 &- (bits >> 3 & 1)
        }
    }

    /// Adds `amount` to the states in `mask`, at most 15.
    @inline(__always)
    mutating func add(_ amount: Constant, where mask: UInt64) {
        var carry = Self.add(amount.bit0 & mask, 0, to: &plane0)
        carry = Self.add(amount.bit1 & mask, carry, to: &plane1)
        carry = Self.add(amount.bit2 & mask, carry, to: &plane2)
        carry = Self.add(amount.bit3 & mask, carry, to: &plane3)
        plane0 |= carry
        plane1 |= carry
        plane2 |= carry
        plane3 |= carry
    }

    /// Takes `amount` from the states in `mask`, at least 0.
    @inline(__always)
    mutating func subtract(_ amount: Constant, where mask: UInt64) {
        var borrow = Self.subtract(amount.bit0 & mask, 0, from: &plane0)
        borrow = Self.subtract(amount.bit1 & mask, borrow, from: &plane1)
        borrow = Self.subtract(amount.bit2 & mask, borrow, from: &plane2)
        borrow = Self.subtract(amount.bit3 & mask, borrow, from: &plane3)
        plane0 &= ~borrow
        plane1 &= ~borrow
        plane2 &= ~borrow
        plane3 &= ~borrow
    }

    /// The states above `threshold`.
    @inline(__always)
    func above(_ threshold: Constant) -> UInt64 {
        // From the lowest plane up: the higher bit decides where it differs.
        var above = plane0 & ~threshold.bit0
        above = (plane1 & ~threshold.bit1) | (above & ~(plane1 ^ threshold.bit1))
        above = (plane2 & ~threshold.bit2) | (above & ~(plane2 ^ threshold.bit2))
        return (plane3 & ~threshold.bit3) | (above & ~(plane3 ^ threshold.bit3))
    }

    /// - Returns: what is carried to the next plane.
    @inline(__always)
    private static func add(_ bits: UInt64, _ carry: UInt64, to plane: inout UInt64) -> UInt64 {
        let half = plane ^ bits
        let carried = (plane & bits) | (carry & half)
        plane = half ^ carry
        return carried
    }

    /// - Returns: what is borrowed from the next plane.
    @inline(__always)
    private static func subtract(
        _ bits: UInt64, _ borrow: UInt64, from plane: inout UInt64
    ) -> UInt64 {
        let half = plane ^ bits
        let borrowed = (~plane & bits) | (borrow & ~half)
        plane = half ^ borrow
        return borrowed
    }
}
