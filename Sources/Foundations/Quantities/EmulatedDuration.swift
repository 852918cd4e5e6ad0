/// A span of emulated time in whole picoseconds: one DDR5-4800 clock is 416.7 ps.
///
/// Never mixes with wall time, which is Swift's `Duration`: the two have no common operation.
/// 64 bits last 213 days. Operators trap on overflow; the `checked…` forms return `nil`.
package struct EmulatedDuration: Comparable, Hashable, Sendable {
    package static let zero = EmulatedDuration(picoseconds: 0)
    package static let picosecondsPerSecond: UInt64 = 1_000_000_000_000

    package let picoseconds: UInt64

    package init(picoseconds: UInt64) { self.picoseconds = picoseconds }

    /// Reads `17.6 us`, `30 ns`, `1 s`, exactly; finer than 1 ps is an error.
    package init(parsing text: String) throws(QuantityError) {
        let count = try DecimalText.count(text, units: Self.units + Self.aliases, smallest: "ps")
        self.init(picoseconds: count)
    }

    /// Nearest `Double`; for reports only, never for arithmetic on emulated time.
    package var seconds: Double { Double(picoseconds) / 1e12 }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.picoseconds < rhs.picoseconds }

    package static func + (lhs: Self, rhs: Self) -> Self {
        Self(picoseconds: lhs.picoseconds + rhs.picoseconds)
    }

    /// Traps when `rhs` is longer: a span is never negative.
    package static func - (lhs: Self, rhs: Self) -> Self {
        Self(picoseconds: lhs.picoseconds - rhs.picoseconds)
    }

    package static func * (lhs: Self, rhs: UInt64) -> Self {
        Self(picoseconds: lhs.picoseconds * rhs)
    }

    package static func += (lhs: inout Self, rhs: Self) { lhs = lhs + rhs }

    package func checkedAdding(_ other: Self) -> Self? {
        let (sum, overflow) = picoseconds.addingReportingOverflow(other.picoseconds)
        return overflow ? nil : Self(picoseconds: sum)
    }

    package func checkedMultiplied(by factor: UInt64) -> Self? {
        let (product, overflow) = picoseconds.multipliedReportingOverflow(by: factor)
        return overflow ? nil : Self(picoseconds: product)
    }

    /// `self ÷ share`: work at a share of full speed takes longer; rounded up.
    ///
    /// - Precondition: `share` is above zero and the result fits.
    package func stretched(by share: Proportion) -> Self {
        precondition(share.millionths > 0)
        let stretched = picoseconds.multipliedThenDividedRoundingUp(
            by: Proportion.scale, share.millionths)
        guard let stretched else { preconditionFailure("duration exceeds 213 days") }
        return Self(picoseconds: stretched)
    }
}

extension EmulatedDuration: CustomStringConvertible {
    static let units = [
        Unit("ps", 1), Unit("ns", 1_000), Unit("us", 1_000_000), Unit("ms", 1_000_000_000),
        Unit("s", picosecondsPerSecond),
    ]
    /// The micro sign and the Greek letter look alike; both are read, `us` is written.
    static let aliases = [Unit("µs", 1_000_000), Unit("μs", 1_000_000)]

    /// For people, four significant digits: `1.667 ns`.
    package var description: String {
        let unit = DecimalText.fitting(picoseconds, in: Self.units)
        return "\(DecimalText.rounded(picoseconds, dividedBy: unit.factor)) \(unit.symbol)"
    }

    /// With all decimals; reads back as the same value.
    package var exactDescription: String {
        let unit = DecimalText.fitting(picoseconds, in: Self.units)
        return "\(DecimalText.exact(picoseconds, dividedBy: unit.factor)) \(unit.symbol)"
    }
}

/// An instant of emulated time: picoseconds since the run began.
package struct EmulatedTime: Comparable, Hashable, Sendable, CustomStringConvertible {
    package static let start = EmulatedTime(picosecondsSinceStart: 0)

    package let picosecondsSinceStart: UInt64

    package init(picosecondsSinceStart: UInt64) {
        self.picosecondsSinceStart = picosecondsSinceStart
    }

    /// The span from the start of the run.
    package var sinceStart: EmulatedDuration {
        EmulatedDuration(picoseconds: picosecondsSinceStart)
    }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.picosecondsSinceStart < rhs.picosecondsSinceStart
    }

    package static func + (lhs: Self, rhs: EmulatedDuration) -> Self {
        Self(picosecondsSinceStart: lhs.picosecondsSinceStart + rhs.picoseconds)
    }

    package static func += (lhs: inout Self, rhs: EmulatedDuration) { lhs = lhs + rhs }

    /// Traps when `rhs` is the later one.
    package static func - (lhs: Self, rhs: Self) -> EmulatedDuration {
        EmulatedDuration(picoseconds: lhs.picosecondsSinceStart - rhs.picosecondsSinceStart)
    }

    /// For instants that a peer sent: `nil` instead of a trap on overflow.
    package func checkedAdding(_ duration: EmulatedDuration) -> Self? {
        let (sum, overflow) = picosecondsSinceStart.addingReportingOverflow(duration.picoseconds)
        return overflow ? nil : Self(picosecondsSinceStart: sum)
    }

    /// The span since `earlier`, or `nil` when `earlier` is in fact later.
    package func checkedDuration(since earlier: Self) -> EmulatedDuration? {
        guard earlier <= self else { return nil }
        return self - earlier
    }

    package var description: String { sinceStart.description }
}
