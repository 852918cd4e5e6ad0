/// A step's neurons by descending activation count (ties by lowest index), with prefix sums.
///
/// `sum(k)` is the most activity that k neurons can have: concave in k, so each of its segments,
/// prolonged, lies nowhere below it.
struct FrequencyCurve {
    /// Neuron of each rank.
    let order: [UInt32]
    /// Activation count of each rank, descending.
    let counts: [UInt32]
    private let sums: [UInt64]

    init(_ activationCounts: [UInt32]) {
        var keys = activationCounts.enumerated().map { neuron, count in
            UInt64(~count) << 32 | UInt64(neuron)
        }
        keys.sort()
        order = keys.map { UInt32(truncatingIfNeeded: $0) }
        counts = keys.map { ~UInt32($0 >> 32) }
        var sums: [UInt64] = [0]
        sums.reserveCapacity(keys.count + 1)
        var sum: UInt64 = 0
        for count in counts {
            sum += UInt64(count)
            sums.append(sum)
        }
        self.sums = sums
    }

    var neuronCount: Int { counts.count }

    /// Activity of all neurons.
    var total: UInt64 { sums[neuronCount] }

    /// Activity of the `rankCount` most frequent neurons.
    func sum(_ rankCount: Int) -> UInt64 { sums[rankCount] }

    /// The most ranks whose activity is at most `activity`.
    func rankCount(withinActivity activity: Double) -> Int {
        partitioningIndex(0..<neuronCount) { Double(sums[$0 + 1]) > activity }
    }

    /// The first rank from `start` on with a count of at most `limit`; `neuronCount` if none.
    func firstRank(withCountAtMost limit: UInt64, from start: Int) -> Int {
        partitioningIndex(start..<neuronCount) { UInt64(counts[$0]) <= limit }
    }

    /// The first index that satisfies `predicate`, which holds from some index on.
    private func partitioningIndex(_ range: Range<Int>, _ predicate: (Int) -> Bool) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if predicate(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
