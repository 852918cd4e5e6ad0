package import Quantities

/// What simulation counted: bursts that one data bus carried, and the cycles that it took.
///
/// Exact integers, so that times derived from it are the same on every machine.
package struct DRAMEfficiency: Hashable, Sendable {
    /// Bursts on one path.
    package let requestCount: Int
    /// Memory clock cycles in which they passed.
    package let cycleCount: Int
    /// Equal paths that work side by side: 1, or the ranks of the DIMM.
    package let pathCount: Int
    /// Bus cycles of a burst (tBL).
    package let burstCycleCount: Int
    package let lineByteCount: Int
    package let clock: Frequency

    package init(
        requestCount: Int, cycleCount: Int, pathCount: Int, burstCycleCount: Int,
        lineByteCount: Int, clock: Frequency
    ) {
        precondition(requestCount > 0)
        precondition(cycleCount >= requestCount)
        precondition(pathCount > 0)
        precondition(burstCycleCount > 0)
        precondition(lineByteCount > 0)
        self.requestCount = requestCount
        self.cycleCount = cycleCount
        self.pathCount = pathCount
        self.burstCycleCount = burstCycleCount
        self.lineByteCount = lineByteCount
        self.clock = clock
    }

    /// Share of the cycles in which data pass, 0 to 1: requests x tBL / cycles.
    package var share: Double {
        Double(requestCount * burstCycleCount) / Double(cycleCount)
    }

    /// Of all paths together, in 10⁹ bytes per second; for reports.
    package var gigabytesPerSecond: Double {
        let bytesPerCycle = Double(pathCount * requestCount * lineByteCount) / Double(cycleCount)
        return bytesPerCycle * Double(clock.hertz) / 1e9
    }

    /// Time in which one path moves `lineCount` lines, rounded up once.
    ///
    /// Equation: lines x cycles / requests / f, in picoseconds.
    ///
    /// - Precondition: the result fits 213 days.
    package func duration(ofLinesOnOnePath lineCount: UInt64) -> EmulatedDuration {
        duration(scaledLines: UInt128(lineCount), paths: 1)
    }

    /// Time in which all paths together move `byteCount` bytes, evenly shared and in whole
    /// lines, rounded up once.
    ///
    /// Equation: ⌈bytes / line⌉ x cycles / (requests x paths) / f, in picoseconds.
    ///
    /// - Precondition: the result fits 213 days.
    package func duration(ofReading byteCount: ByteCount) -> EmulatedDuration {
        let line = UInt64(lineByteCount)
        let lineCount = byteCount.bytes / line + (byteCount.bytes % line == 0 ? 0 : 1)
        return duration(scaledLines: UInt128(lineCount), paths: UInt128(pathCount))
    }

    private func duration(scaledLines lineCount: UInt128, paths: UInt128) -> EmulatedDuration {
        let (perCycle, overflow) = (lineCount * UInt128(cycleCount))
            .multipliedReportingOverflow(by: UInt128(EmulatedDuration.picosecondsPerSecond))
        precondition(!overflow)
        let divisor = UInt128(requestCount) * paths * UInt128(clock.hertz)
        guard let picoseconds = UInt64(exactly: (perCycle + divisor - 1) / divisor) else {
            preconditionFailure("\(lineCount) lines exceed 213 days")
        }
        return EmulatedDuration(picoseconds: picoseconds)
    }
}

/// Efficiencies that were already simulated; a plain value, kept by whoever asks.
package struct DRAMEfficiencyTable: Sendable {
    private struct Entry {
        let configuration: DRAMConfiguration
        let efficiency: DRAMEfficiency
    }

    /// By workload; compared, a configuration costs less than to be hashed.
    private var known: [DRAMWorkload: [Entry]] = [:]

    package init() {}

    package var count: Int { known.values.reduce(0) { $0 + $1.count } }

    /// Simulates a workload once and remembers it.
    package mutating func efficiency(
        of workload: DRAMWorkload, in model: DRAMModel
    ) throws(HardwareModelError) -> DRAMEfficiency {
        let entries = known[workload] ?? []
        for entry in entries where entry.configuration == model.configuration {
            return entry.efficiency
        }
        let efficiency = try model.efficiency(of: workload)
        known[workload] =
            entries + [Entry(configuration: model.configuration, efficiency: efficiency)]
        return efficiency
    }
}
