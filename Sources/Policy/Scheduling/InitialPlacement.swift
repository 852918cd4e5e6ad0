package import ActivationPredictor
package import PackedSets
import SeededRandom

/// Where the neurons are at home before anything has moved.
package enum InitialPlacement: Hashable, Sendable, CustomStringConvertible {
    /// Neighbouring neurons together: the first share on DIMM 0, the next on DIMM 1.
    case contiguous
    /// Neuron i on DIMM i mod J.
    case roundRobin
    /// Equally many on each DIMM, drawn with a seed.
    case random(seed: UInt64)
    /// Cold neurons by the longest-processing-time rule on their frequency, no DIMM with more than
    /// its even share of neurons; the hot fill up the rest.
    case frequencyBalanced
    /// Sorted by frequency, then contiguous: the worst start, as in a file that was sorted for
    /// something else.
    case frequencySorted

    package var description: String {
        switch self {
        case .contiguous: "contiguous"
        case .roundRobin: "round-robin"
        case .random(let seed): "random (seed \(seed))"
        case .frequencyBalanced: "frequency-balanced"
        case .frequencySorted: "frequency-sorted"
        }
    }

    /// The homes of all neurons, [layers][blocks][neurons].
    ///
    /// - Parameters:
    ///   - frequencies: what the prompt showed; read by the last two placements only.
    ///   - hot: neurons that the GPU computes, [layers][blocks].
    package func homes(
        layout: NeuronLayout, dimmCount: Int, frequencies: PrefillActivity, hot: [[PackedSet]]
    ) -> [[[UInt16]]] {
        precondition(dimmCount >= 1 && dimmCount <= HomeTable.dimmLimit)
        var generator = SplitMix64(seed: 0)
        if case .random(let seed) = self { generator = SplitMix64(seed: seed) }
        return layout.map { layer, block in
            let neuronCount = layout.neuronCounts[block]
            let order: [Int]
            switch self {
            case .roundRobin:
                return (0..<neuronCount).map { UInt16($0 % dimmCount) }
            case .frequencyBalanced:
                return Self.balanced(
                    frequencies.activeCounts(layer: layer, block: block),
                    hot: hot[layer][block], dimmCount: dimmCount)
            case .contiguous:
                order = Array(0..<neuronCount)
            case .random:
                order = (0..<neuronCount).shuffled(using: &generator)
            case .frequencySorted:
                order = Self.byFrequency(frequencies.activeCounts(layer: layer, block: block))
            }
            return Self.contiguous(order, dimmCount: dimmCount)
        }
    }

    /// Neurons by descending frequency, ties by index.
    static func byFrequency(_ counts: [UInt32]) -> [Int] {
        counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }
    }

    private static func contiguous(_ order: [Int], dimmCount: Int) -> [UInt16] {
        var homes = Array(repeating: UInt16(0), count: order.count)
        for (rank, neuron) in order.enumerated() {
            homes[neuron] = UInt16(rank * dimmCount / order.count)
        }
        return homes
    }

    private static func balanced(
        _ counts: [UInt32], hot: PackedSet, dimmCount: Int
    ) -> [UInt16] {
        let evenShare = (counts.count + dimmCount - 1) / dimmCount
        var homes = Array(repeating: UInt16(0), count: counts.count)
        var loads = Array(repeating: 0, count: dimmCount)
        var neuronCounts = Array(repeating: 0, count: dimmCount)
        let order = byFrequency(counts)
        for neuron in order.filter({ !hot.contains($0) }) + order.filter({ hot.contains($0) }) {
            let weight = hot.contains(neuron) ? 0 : Int(counts[neuron])
            let rank = { (dimm: Int) in
                weight > 0
                    ? (loads[dimm], neuronCounts[dimm], dimm)
                    : (neuronCounts[dimm], loads[dimm], dimm)
            }
            let open = (0..<dimmCount).filter { neuronCounts[$0] < evenShare }
            let dimm = open.min { rank($0) < rank($1) } ?? 0
            loads[dimm] += weight
            neuronCounts[dimm] += 1
            homes[neuron] = UInt16(dimm)
        }
        return homes
    }
}
