/// How evenly a run's work fell on its units (DIMMs), and what perfect division would have taken.
///
/// A *divided step* (QKV, MLP) ends when its slowest unit has answered, so what counts is the
/// slowest unit of each step. A unit's cost of a step is its busy time, or a count of neurons where
/// no time is kept. With the costs c of a step's J units and their slowdowns s:
///
/// * imbalance of a token: the sum over its divided steps of max c, over that of mean c; 1 is
///   perfect, J the worst. ``LoadImbalance/weighted`` in Scheduling is the same over a run;
/// * perfect division of a step: sum(c/s) / sum(1/s), which is mean c where no unit is slow: no
///   division of that work ends earlier;
/// * waiting share: 1 - sum c / (J x sum of max c): what units wait within divided steps for their
///   slowest;
/// * idle share: 1 - sum of all busy time / (J x elapsed);
/// * straggler of a step: its slowest unit, the lowest index of equals; its excess is max c minus
///   the perfect division;
/// * bound of a layer's time: its time, with max(GPU, slowest unit) of each divided step replaced
///   by max(GPU, perfect division): messages stay as they were.
package struct BalanceMeter: Codable, Sendable {
    /// Of each unit: how many times longer it takes for equal work.
    package let slowdowns: [Double]
    package private(set) var imbalances: [Double] = []  // [tokens]
    package private(set) var layerTimes = TimeHistogram()
    package private(set) var layerBounds = TimeHistogram()
    package private(set) var roundTrips = TimeHistogram()
    /// Divided steps with any work.
    package private(set) var stepCount = 0
    package private(set) var stragglerCounts: [Int]  // [units]
    package private(set) var stragglerExcess: [Double]  // [units]
    package private(set) var busy: [UInt64]  // [units], all steps
    package private(set) var elapsed: UInt64 = 0
    private var slowest = 0.0
    private var total = 0.0
    private var perfect = 0.0
    private var token = (slowest: 0.0, total: 0.0)
    private var layer = (time: UInt64(0), bound: 0.0, isOpen: false)

    private enum CodingKeys: CodingKey {
        case slowdowns, imbalances, layerTimes, layerBounds, roundTrips, stepCount
        case stragglerCounts, stragglerExcess, busy, elapsed, slowest, total, perfect
    }

    /// - Parameter slowdowns: one for each unit, above 0.
    package init(slowdowns: [Double]) {
        precondition(!slowdowns.isEmpty)
        precondition(slowdowns.allSatisfy { $0 > 0 })
        self.slowdowns = slowdowns
        stragglerCounts = Array(repeating: 0, count: slowdowns.count)
        stragglerExcess = Array(repeating: 0, count: slowdowns.count)
        busy = Array(repeating: 0, count: slowdowns.count)
    }

    package var unitCount: Int { slowdowns.count }

    // MARK: Adding

    /// A step in which the units share the work.
    ///
    /// - Parameters:
    ///   - duration: of the whole step, messages included.
    ///   - kernel: of the GPU's part.
    ///   - costs: of each unit, in the duration's unit; [units].
    package mutating func addDividedStep(duration: UInt64, kernel: UInt64, costs: [UInt64]) {
        addStep(duration: duration, costs: costs)
        let (most, bound) = addShares(costs)
        layer.bound += max(Double(kernel), bound) - max(Double(kernel), most)
    }

    /// The same where costs are counts and say nothing of time.
    package mutating func addDividedStep(duration: UInt64, counts: [UInt64]) {
        addStep(duration: duration, costs: [])
        _ = addShares(counts)
    }

    private mutating func addShares(_ costs: [UInt64]) -> (slowest: Double, perfect: Double) {
        precondition(costs.count == unitCount)
        let sum = costs.reduce(0.0) { $0 + Double($1) }
        guard sum > 0, let most = costs.max(), let straggler = costs.firstIndex(of: most) else {
            return (0, 0)
        }
        let bound = perfectDivision(of: costs)
        stepCount += 1
        slowest += Double(most)
        total += sum
        perfect += bound
        token.slowest += Double(most)
        token.total += sum
        stragglerCounts[straggler] += 1
        stragglerExcess[straggler] += Double(most) - bound
        return (Double(most), bound)
    }

    /// What each unit would take if all ended at once.
    package func perfectDivision(of costs: [UInt64]) -> Double {
        let work = zip(costs, slowdowns).reduce(0.0) { $0 + Double($1.0) / $1.1 }
        return work / slowdowns.reduce(0.0) { $0 + 1 / $1 }
    }

    /// Any other step of a layer.
    ///
    /// - Parameter costs: busy time of each unit; empty for none.
    package mutating func addStep(duration: UInt64, costs: [UInt64] = []) {
        elapsed += duration
        layer.time += duration
        layer.bound += Double(duration)
        layer.isOpen = true
        for (unit, cost) in costs.enumerated() { busy[unit] += cost }
    }

    /// Time outside of layers.
    package mutating func pass(_ duration: UInt64) { elapsed += duration }

    package mutating func addRoundTrip(_ duration: UInt64) { roundTrips.record(duration) }

    /// - Parameter isTimed: whether the costs were times, so that there is a bound.
    package mutating func endLayer(isTimed: Bool = true) {
        guard layer.isOpen else { return }
        layerTimes.record(layer.time)
        if isTimed { layerBounds.record(UInt64(max(0, layer.bound).rounded())) }
        layer = (0, 0, false)
    }

    package mutating func endToken() {
        if token.total > 0 {
            imbalances.append(token.slowest * Double(unitCount) / token.total)
        }
        token = (0, 0)
    }

    /// Adds another run over equal units, such as a session at the same time.
    package static func += (sum: inout Self, other: Self) {
        precondition(sum.unitCount == other.unitCount)
        sum.imbalances += other.imbalances
        sum.layerTimes += other.layerTimes
        sum.layerBounds += other.layerBounds
        sum.roundTrips += other.roundTrips
        sum.stepCount += other.stepCount
        for unit in 0..<sum.unitCount {
            sum.stragglerCounts[unit] += other.stragglerCounts[unit]
            sum.stragglerExcess[unit] += other.stragglerExcess[unit]
            sum.busy[unit] += other.busy[unit]
        }
        sum.elapsed += other.elapsed
        sum.slowest += other.slowest
        sum.total += other.total
        sum.perfect += other.perfect
    }

    // MARK: Results; nil without any work

    /// Over all divided steps.
    package var imbalance: Double? { total > 0 ? slowest * Double(unitCount) / total : nil }

    /// The slowest units' time over perfect division's.
    package var overPerfect: Double? { perfect > 0 ? slowest / perfect : nil }

    package var waitingShare: Double? {
        slowest > 0 ? 1 - total / (Double(unitCount) * slowest) : nil
    }

    /// `nil` where costs were counts, too.
    package var idleShare: Double? {
        let sum = busy.reduce(0.0) { $0 + Double($1) }
        guard elapsed > 0, sum > 0 else { return nil }
        return 1 - sum / (Double(unitCount) * Double(elapsed))
    }

    /// The worst token's.
    package var greatestImbalance: Double? { imbalances.max() }

    /// The imbalance that so many percent of the tokens do not exceed (nearest rank).
    package func imbalance(percentile percent: Double) -> Double? {
        guard !imbalances.isEmpty else { return nil }
        let rank = Int((percent / 100 * Double(imbalances.count)).rounded(.up))
        return imbalances.sorted()[min(max(rank, 1), imbalances.count) - 1]
    }
}
