/// A share of a whole, 0 to 1, in whole millionths: efficiencies and the hot share.
///
/// Not a `Double`, so that 0.8 of 64 GB/s is exactly 51.2 GB/s on every machine.
package struct Proportion: Comparable, Hashable, Sendable, CustomStringConvertible {
    package static let scale: UInt64 = 1_000_000
    package static let zero = Proportion(millionths: 0)
    package static let one = Proportion(millionths: scale)

    package let millionths: UInt64

    package init(millionths: UInt64) {
        precondition(millionths <= Self.scale)
        self.millionths = millionths
    }

    /// Reads `0.85` or `85 %`, exactly; more than six decimals or a value above 1 is an error.
    package init(parsing text: String) throws(QuantityError) {
        var number = text.trimmingBlanks()
        guard !number.isEmpty else { throw .empty }
        var factor = Self.scale
        if number.hasSuffix("%") {
            factor = Self.scale / 100
            number = String(number.dropLast()).trimmingBlanks()
        }
        let count = try DecimalText.scaled(
            number, by: factor, text: text, smallest: "millionths")
        guard count <= Self.scale else { throw .tooLarge(text, largest: "1") }
        self.init(millionths: count)
    }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.millionths < rhs.millionths }

    /// This share of `count`, rounded down.
    package func roundingDown(_ count: UInt64) -> UInt64 {
        // Fits: the share is at most one.
        UInt64(UInt128(count) * UInt128(millionths) / UInt128(Self.scale))
    }

    /// Nearest `Double`; for reports.
    package var doubleValue: Double { Double(millionths) / Double(Self.scale) }

    /// `0.85`; exact, reads back as the same value.
    package var description: String { DecimalText.exact(millionths, dividedBy: Self.scale) }
}
