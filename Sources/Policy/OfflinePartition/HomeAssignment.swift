/// Gives the neurons of one step their homes so that the slowest DIMM is done early.
///
/// Hot neurons need a home too but load no DIMM, so they fill up whatever room is left.
struct HomeAssignment {
    private let times: [UInt64]
    private let quotas: [Int]
    /// Loads by rank: activation counts of cold neurons, zero for hot ones.
    private let loads: [UInt64]
    /// Neuron of each rank, loads descending.
    private let order: [UInt32]
    private var homes: [UInt16]
    private var activity: [UInt64]
    private var used: [Int]

    /// - Parameters:
    ///   - curve: the step's neurons.
    ///   - isHot: by rank.
    ///   - times: ps of one active neuron, [DIMMs].
    ///   - quotas: neurons that each DIMM may take, together at least all.
    init(curve: FrequencyCurve, isHot: [Bool], times: [UInt64], quotas: [Int]) {
        precondition(quotas.reduce(0, +) >= curve.neuronCount)
        let cold = isHot.indices.filter { !isHot[$0] }
        let hot = isHot.indices.filter { isHot[$0] }
        loads = cold.map { UInt64(curve.counts[$0]) } + hot.map { _ in 0 }
        order = Self.scattered(cold.map { curve.order[$0] } + hot.map { curve.order[$0] }, loads)
        self.times = times
        self.quotas = quotas
        homes = Array(repeating: 0, count: curve.neuronCount)
        activity = Array(repeating: 0, count: times.count)
        used = Array(repeating: 0, count: times.count)
    }

    /// Neurons of equal load in an order that has nothing to do with their indices.
    ///
    /// They are dealt to the DIMMs in turn. By index, every other DIMM would get the lower index of
    /// each two alike, and who later prefers the lowest index would drain these DIMMs alone.
    private static func scattered(_ order: [UInt32], _ loads: [UInt64]) -> [UInt32] {
        // An odd factor: no two neurons have the same key. Fibonacci hashing (Knuth 1998, 6.4).
        func key(_ neuron: UInt32) -> UInt32 { neuron &* 2_654_435_769 }
        var result = order
        var first = 0
        while first < order.count {
            var end = first + 1
            while end < order.count, loads[end] == loads[first] { end += 1 }
            result[first..<end].sort { key($0) < key($1) }
            first = end
        }
        return result
    }

    /// Homes by neuron: longest processing time first (Graham 1969), then exchanges.
    ///
    /// - Parameter goal: ps × samples; a DIMM that is done by then needs no further care.
    mutating func balanced(goal: UInt64) -> [UInt16] {
        for rank in loads.indices { place(rank) }
        var exchangeCount = 0
        while exchangeCount < 8 * times.count, exchange(goal: goal) { exchangeCount += 1 }
        return homes(byNeuron: order)
    }

    private func homes(byNeuron order: [UInt32]) -> [UInt16] {
        var result = homes
        for (rank, neuron) in order.enumerated() { result[Int(neuron)] = homes[rank] }
        return result
    }

    /// On the DIMM that is done first with it; of those alike, on the emptiest.
    private mutating func place(_ rank: Int) {
        let load = loads[rank]
        var best = -1
        var bestTime = UInt64.max
        for dimm in times.indices where used[dimm] < quotas[dimm] {
            let time = load == 0 ? 0 : (activity[dimm] + load) * times[dimm]
            let isBetter =
                best < 0 || time < bestTime
                || (time == bestTime && isEmptier(dimm, than: best))
            if isBetter { (best, bestTime) = (dimm, time) }
        }
        homes[rank] = UInt16(best)
        activity[best] += load
        used[best] += 1
    }

    private func isEmptier(_ dimm: Int, than other: Int) -> Bool {
        UInt64(used[dimm]) * UInt64(quotas[other]) < UInt64(used[other]) * UInt64(quotas[dimm])
    }

    /// Moves load from the slowest DIMM to another, a neuron for a lighter one or for free room.
    ///
    /// - Returns: whether that made the slowest one faster.
    private mutating func exchange(goal: UInt64) -> Bool {
        let finish = times.indices.map { activity[$0] * times[$0] }
        let byFinish = finish.indices.sorted { (finish[$0], $0) < (finish[$1], $1) }
        guard let slowest = byFinish.last, finish[slowest] > goal else { return false }
        for other in byFinish.dropLast() where finish[other] < finish[slowest] {
            guard let pair = bestPair(from: slowest, to: other) else { continue }
            let load = loads[pair.given] - (pair.taken.map { loads[$0] } ?? 0)
            activity[slowest] -= load
            activity[other] += load
            homes[pair.given] = UInt16(other)
            if let taken = pair.taken {
                homes[taken] = UInt16(slowest)
            } else {
                used[slowest] -= 1
                used[other] += 1
            }
            return true
        }
        return false
    }

    /// The exchange after which the later of the two is done earliest, if earlier than now.
    private func bestPair(from slow: Int, to other: Int) -> (given: Int, taken: Int?)? {
        let (slowTime, otherTime) = (times[slow], times[other])
        var bestFinish = activity[slow] * slowTime
        var best: (given: Int, taken: Int?)?
        let given = loads.indices.filter { homes[$0] == UInt16(slow) }
        var taken = loads.indices.filter { homes[$0] == UInt16(other) }.map { Optional($0) }
        if used[other] < quotas[other] { taken.append(nil) }
        guard !taken.isEmpty else { return nil }
        // Both descend, so the taken one that fits a given one best moves one way only.
        var index = 0
        for candidate in given {
            func finish(_ takenIndex: Int) -> UInt64? {
                let takenLoad = taken[takenIndex].map { loads[$0] } ?? 0
                guard loads[candidate] > takenLoad else { return nil }
                let load = loads[candidate] - takenLoad
                return max(
                    (activity[slow] - load) * slowTime, (activity[other] + load) * otherTime)
            }
            while index + 1 < taken.count, finish(index) == nil { index += 1 }
            while index + 1 < taken.count, let now = finish(index), let next = finish(index + 1),
                next <= now
            {
                index += 1
            }
            for near in [index, max(0, index - 1)] {
                guard let time = finish(near), time < bestFinish else { continue }
                bestFinish = time
                best = (candidate, taken[near])
            }
        }
        return best
    }
}
