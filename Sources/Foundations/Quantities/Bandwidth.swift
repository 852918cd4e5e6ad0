/// A data rate above zero. Decimal: 1 GB/s is 10⁹ bytes per second, as JEDEC and PCI-SIG count.
package struct Bandwidth: Comparable, Hashable, Sendable {
    package let bytesPerSecond: UInt64

    package init(bytesPerSecond: UInt64) {
        precondition(bytesPerSecond > 0)
        self.bytesPerSecond = bytesPerSecond
    }

    /// Reads `25.6 GB/s`, exactly. Rates count bytes: `Gb/s` is refused.
    package init(parsing text: String) throws(QuantityError) {
        let count = try DecimalText.count(text, units: Self.units + Self.aliases, smallest: "B/s")
        guard count > 0 else { throw .zero(text) }
        self.init(bytesPerSecond: count)
    }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.bytesPerSecond < rhs.bytesPerSecond }

    /// How long a transfer occupies the link, rounded up: a link never beats its rate.
    ///
    /// - Precondition: the result fits 213 days; see ``checkedDuration(of:)``.
    package func duration(of byteCount: ByteCount) -> EmulatedDuration {
        guard let duration = checkedDuration(of: byteCount) else {
            preconditionFailure("\(byteCount) at \(self) exceeds 213 days")
        }
        return duration
    }

    /// As the other, for a count that is an `Int`, at least zero.
    package func duration(of byteCount: Int) -> EmulatedDuration {
        precondition(byteCount >= 0)
        return duration(of: ByteCount(UInt64(byteCount)))
    }

    /// As ``duration(of:)``, or `nil` when the result does not fit.
    package func checkedDuration(of byteCount: ByteCount) -> EmulatedDuration? {
        byteCount.bytes
            .multipliedThenDividedRoundingUp(
                by: EmulatedDuration.picosecondsPerSecond, bytesPerSecond
            )
            .map { EmulatedDuration(picoseconds: $0) }
    }

    /// The most that can pass in a span: whole bytes, rounded down. Inverse of `duration(of:)`.
    package func byteCount(in duration: EmulatedDuration) -> ByteCount {
        let bytes = duration.picoseconds.multipliedThenDividedRoundingDown(
            by: bytesPerSecond, EmulatedDuration.picosecondsPerSecond)
        guard let bytes else { preconditionFailure("byte count exceeds 64 bits") }
        return ByteCount(bytes)
    }

    /// The rate at an efficiency, rounded down to whole bytes per second, at least 1 B/s.
    ///
    /// - Precondition: `efficiency` is above zero.
    package func scaled(by efficiency: Proportion) -> Bandwidth {
        precondition(efficiency.millionths > 0)
        let rate = efficiency.roundingDown(bytesPerSecond)
        return Bandwidth(bytesPerSecond: max(1, rate))
    }

    /// `count` equal paths side by side; traps on overflow.
    package static func * (lhs: Self, count: UInt64) -> Self {
        Self(bytesPerSecond: lhs.bytesPerSecond * count)
    }
}

extension Bandwidth: CustomStringConvertible {
    static let units = [
        Unit("B/s", 1), Unit("KB/s", 1_000), Unit("MB/s", 1_000_000),
        Unit("GB/s", 1_000_000_000), Unit("TB/s", 1_000_000_000_000),
    ]
    static let aliases = [Unit("kB/s", 1_000)]

    /// For people, four significant digits: `25.6 GB/s`.
    package var description: String {
        let unit = DecimalText.fitting(bytesPerSecond, in: Self.units)
        return "\(DecimalText.rounded(bytesPerSecond, dividedBy: unit.factor)) \(unit.symbol)"
    }

    /// With all decimals; reads back as the same value.
    package var exactDescription: String {
        let unit = DecimalText.fitting(bytesPerSecond, in: Self.units)
        return "\(DecimalText.exact(bytesPerSecond, dividedBy: unit.factor)) \(unit.symbol)"
    }
}
