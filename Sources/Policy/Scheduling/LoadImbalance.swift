/// How unevenly work falls on the DIMMs: the load of the busiest over the mean, for every block of
/// every layer of every token, since each of them waits for the slowest DIMM.
package struct LoadImbalance: Equatable, Sendable {
    private var sum = 0.0
    /// Blocks with any work at all: the others have no balance.
    package private(set) var sampleCount = 0
    /// The worst of all; 1 is perfect, the number of DIMMs the worst possible; 0 without samples.
    package private(set) var maximum = 0.0
    private var busiestLoads = 0
    private var meanLoads = 0.0

    package init() {}

    /// The busiest DIMM's load over the mean; nil without any load.
    package static func ratio(loads: [Int]) -> Double? {
        let total = loads.reduce(0, +)
        guard total > 0, let highest = loads.max() else { return nil }
        return Double(highest * loads.count) / Double(total)
    }

    /// Adds one block at one token, [dimms].
    package mutating func add(loads: [Int]) {
        guard let ratio = Self.ratio(loads: loads) else { return }
        sum += ratio
        sampleCount += 1
        maximum = max(maximum, ratio)
        busiestLoads += loads.max() ?? 0
        meanLoads += Double(loads.reduce(0, +)) / Double(loads.count)
    }

    /// 0 without samples.
    package var mean: Double { sampleCount == 0 ? 0 : sum / Double(sampleCount) }

    /// The busiest DIMMs' loads of all blocks over the mean loads of all: by what factor uneven
    /// spreading lengthens the whole work. Unlike ``mean``, a block with little work weighs
    /// little. 0 without samples.
    package var weighted: Double { sampleCount == 0 ? 0 : Double(busiestLoads) / meanLoads }

    package static func += (total: inout Self, other: Self) {
        total.sum += other.sum
        total.sampleCount += other.sampleCount
        total.maximum = max(total.maximum, other.maximum)
        total.busiestLoads += other.busiestLoads
        total.meanLoads += other.meanLoads
    }
}
