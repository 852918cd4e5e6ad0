package import Quantities

/// How many wall seconds one emulated second takes in a paced run: a whole number of thousandths.
///
/// Not a `Double`, so that every process derives the same wall deadline from the same instant.
package struct Dilation: Comparable, Hashable, Sendable, CustomStringConvertible {
    package static let one = Dilation(thousandths: 1_000)
    /// A million: one emulated second takes eleven and a half days.
    package static let maximum = Dilation(thousandths: 1_000_000_000)

    package let thousandths: UInt64

    /// - Precondition: above zero and at most ``maximum``.
    package init(thousandths: UInt64) {
        precondition(thousandths > 0)
        precondition(thousandths <= 1_000_000_000)
        self.thousandths = thousandths
    }

    /// Reads `4` or `2.125`: a plain decimal number from 0.001 to 1000000, three decimals at most.
    package init(parsing text: String) throws(PacingError) {
        let rule = "a number from 0.001 to 1000000 with at most 3 decimals"
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : ""
        guard let whole = parts.first, !whole.isEmpty, whole.count <= 7, parts.count <= 2,
            parts.count == 1 || !fraction.isEmpty, fraction.count <= 3,
            (whole + fraction).utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")) ~= $0 }),
            let thousandths = UInt64(
                whole + fraction + String(repeating: "0", count: 3 - fraction.count)),
            thousandths > 0, thousandths <= Self.maximum.thousandths
        else { throw .notADilation(text, rule: rule) }
        self.init(thousandths: thousandths)
    }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.thousandths < rhs.thousandths }

    /// The wall nanoseconds that `span` takes, rounded up, so that nothing is ever early; `nil`
    /// when they do not fit 64 bits.
    package func wallNanoseconds(of span: EmulatedDuration) -> UInt64? {
        // Picoseconds × thousandths are millionths of a nanosecond; below 2⁹⁴.
        let millionths = UInt128(span.picoseconds) * UInt128(thousandths)
        return UInt64(exactly: (millionths + 999_999) / 1_000_000)
    }

    /// The emulated seconds that a measured wall span stands for; for reports alone, never a
    /// timestamp.
    package func emulatedSeconds(ofWall span: Duration) -> Double {
        span / .nanoseconds(1) * 1e-6 / Double(thousandths)
    }

    /// `2.125`; exact, reads back as the same value.
    package var description: String {
        let (whole, rest) = thousandths.quotientAndRemainder(dividingBy: 1_000)
        guard rest > 0 else { return "\(whole)" }
        var digits = String(String(1_000 + rest).dropFirst())
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(whole).\(digits)"
    }
}
