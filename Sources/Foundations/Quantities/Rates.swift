/// A clock rate above zero, in whole hertz.
package struct Frequency: Comparable, Hashable, Sendable, CustomStringConvertible {
    package let hertz: UInt64

    package init(hertz: UInt64) {
        precondition(hertz > 0)
        self.hertz = hertz
    }

    /// Reads `1 GHz`, `1600 MHz`, exactly.
    package init(parsing text: String) throws(QuantityError) {
        let count = try DecimalText.count(text, units: Self.units, smallest: "Hz")
        guard count > 0 else { throw .zero(text) }
        self.init(hertz: count)
    }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.hertz < rhs.hertz }

    /// How long `cycleCount` cycles take, rounded up once for all of them: no drift.
    ///
    /// - Precondition: the result fits 213 days.
    package func duration(ofCycles cycleCount: UInt64) -> EmulatedDuration {
        let picoseconds = cycleCount.multipliedThenDividedRoundingUp(
            by: EmulatedDuration.picosecondsPerSecond, hertz)
        guard let picoseconds else {
            preconditionFailure("\(cycleCount) cycles at \(self) exceed 213 days")
        }
        return EmulatedDuration(picoseconds: picoseconds)
    }

    static let units = [
        Unit("Hz", 1), Unit("kHz", 1_000), Unit("MHz", 1_000_000), Unit("GHz", 1_000_000_000),
    ]

    /// For people, four significant digits: `1.6 GHz`.
    package var description: String {
        let unit = DecimalText.fitting(hertz, in: Self.units)
        return "\(DecimalText.rounded(hertz, dividedBy: unit.factor)) \(unit.symbol)"
    }

    /// With all decimals; reads back as the same value.
    package var exactDescription: String {
        let unit = DecimalText.fitting(hertz, in: Self.units)
        return "\(DecimalText.exact(hertz, dividedBy: unit.factor)) \(unit.symbol)"
    }
}

/// Arithmetic throughput above zero, in floating-point operations per second (a MAC is two).
package struct ComputeRate: Comparable, Hashable, Sendable, CustomStringConvertible {
    package let operationsPerSecond: UInt64

    package init(operationsPerSecond: UInt64) {
        precondition(operationsPerSecond > 0)
        self.operationsPerSecond = operationsPerSecond
    }

    /// Reads `330 TFLOPS`, exactly.
    package init(parsing text: String) throws(QuantityError) {
        let count = try DecimalText.count(text, units: Self.units, smallest: "FLOPS")
        guard count > 0 else { throw .zero(text) }
        self.init(operationsPerSecond: count)
    }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.operationsPerSecond < rhs.operationsPerSecond
    }

    /// How long `operationCount` operations take, rounded up.
    ///
    /// - Precondition: the result fits 213 days.
    package func duration(ofOperations operationCount: UInt64) -> EmulatedDuration {
        let picoseconds = operationCount.multipliedThenDividedRoundingUp(
            by: EmulatedDuration.picosecondsPerSecond, operationsPerSecond)
        guard let picoseconds else {
            preconditionFailure("\(operationCount) operations at \(self) exceed 213 days")
        }
        return EmulatedDuration(picoseconds: picoseconds)
    }

    /// The rate at an efficiency, rounded down, at least 1 FLOPS.
    ///
    /// - Precondition: `efficiency` is above zero.
    package func scaled(by efficiency: Proportion) -> ComputeRate {
        precondition(efficiency.millionths > 0)
        return ComputeRate(
            operationsPerSecond: max(1, efficiency.roundingDown(operationsPerSecond)))
    }

    static let units = [
        Unit("FLOPS", 1), Unit("KFLOPS", 1_000), Unit("MFLOPS", 1_000_000),
        Unit("GFLOPS", 1_000_000_000), Unit("TFLOPS", 1_000_000_000_000),
        Unit("PFLOPS", 1_000_000_000_000_000),
    ]

    /// For people, four significant digits: `330 TFLOPS`.
    package var description: String {
        let unit = DecimalText.fitting(operationsPerSecond, in: Self.units)
        return "\(DecimalText.rounded(operationsPerSecond, dividedBy: unit.factor)) \(unit.symbol)"
    }

    /// With all decimals; reads back as the same value.
    package var exactDescription: String {
        let unit = DecimalText.fitting(operationsPerSecond, in: Self.units)
        return "\(DecimalText.exact(operationsPerSecond, dividedBy: unit.factor)) \(unit.symbol)"
    }
}
