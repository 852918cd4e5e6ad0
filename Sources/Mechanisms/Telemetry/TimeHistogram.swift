import Histogram

/// The distribution of many times, as an HdrHistogram of three significant digits.
///
/// The unit is the caller's. Least, greatest and mean are exact; percentiles are to 0.1 %. Encoded
/// as its filled cells, so that what was kept can be added up later.
package struct TimeHistogram: Sendable {
    private var cells = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
    package private(set) var count: UInt64 = 0
    package private(set) var least = UInt64.max
    package private(set) var greatest: UInt64 = 0
    private var sum = 0.0

    package init() {}

    package mutating func record(_ value: UInt64) { record(value, times: 1) }

    private mutating func record(_ value: UInt64, times: UInt64) {
        _ = cells.record(value, count: times)
        count += times
        least = min(least, value)
        greatest = max(greatest, value)
        sum += Double(value) * Double(times)
    }

    /// `nil` without values.
    package var mean: Double? { count == 0 ? nil : sum / Double(count) }

    /// The least value that so many percent of all do not exceed, within 0.1 %; `nil` without
    /// values.
    package func percentile(_ percent: Double) -> UInt64? {
        guard count > 0 else { return nil }
        return min(greatest, max(least, cells.valueAtPercentile(percent)))
    }

    package static func += (total: inout Self, other: Self) {
        guard other.count > 0 else { return }
        total.cells.add(other.cells)
        total.count += other.count
        total.least = min(total.least, other.least)
        total.greatest = max(total.greatest, other.greatest)
        total.sum += other.sum
    }
}

extension TimeHistogram: Codable {
    private struct Form: Codable {
        /// Value and count, one after the other.
        var cells: [UInt64] = []
        var least: UInt64
        var greatest: UInt64
        var sum: Double
    }

    package init(from decoder: any Decoder) throws {
        let form = try Form(from: decoder)
        self.init()
        for index in stride(from: 0, to: form.cells.count - 1, by: 2) {
            record(form.cells[index], times: form.cells[index + 1])
        }
        least = form.least
        greatest = form.greatest
        sum = form.sum
    }

    package func encode(to encoder: any Encoder) throws {
        var form = Form(least: least, greatest: greatest, sum: sum)
        for cell in cells.recordedValues() { form.cells += [cell.value, cell.count] }
        try form.encode(to: encoder)
    }
}
