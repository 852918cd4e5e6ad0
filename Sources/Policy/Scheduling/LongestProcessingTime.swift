package import ActivationPredictor
package import PackedSets

/// Graham's longest-processing-time rule: the heaviest first, each to the DIMM with the least load
/// so far. At most 4/3 - 1/(3J) of the best possible.
///
/// Source: Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 1969.
enum LongestProcessingTime {
    /// Remaps that bring the neurons with a weight above 0 to where the rule puts them; the others
    /// stay. Of equally loaded DIMMs a neuron prefers its own, then the lower index.
    static func appendRemaps(
        layer: Int, block: Int, weights: [Int], homes: [UInt16], dimmCount: Int,
        to remaps: inout [Remap]
    ) {
        var loads = Array(repeating: 0, count: dimmCount)
        let order = weights.indices.filter { weights[$0] > 0 }
            .sorted { (weights[$1], $0) < (weights[$0], $1) }
        for neuron in order {
            let home = Int(homes[neuron])
            var best = home
            for dimm in 0..<dimmCount where loads[dimm] < loads[best] { best = dimm }
            loads[best] += weights[neuron]
            if best != home {
                remaps.append(
                    Remap(layer: layer, block: block, neuron: neuron, from: home, to: best))
            }
        }
    }
}

/// At the end of each window puts all cold neurons active in it anew, by the rule of the longest
/// processing time: better balanced than pairs, at the price of moving most of them.
package struct LongestProcessingTimeRebalancer: Rebalancer {
    package let name: String
    private var window: WindowCounts

    package init(name: String? = nil, layout: NeuronLayout, windowTokenCount: Int = 5) {
        self.name = name ?? "longest processing time \(windowTokenCount)"
        window = WindowCounts(layout: layout, windowTokenCount: windowTokenCount)
    }

    package mutating func observe(layer: Int, block: Int, activeCold: PackedSet) {
        window.add(activeCold, layer: layer, block: block)
    }

    package mutating func endToken(homes: HomeTable) -> [Remap] {
        guard window.endToken() else { return [] }
        defer { window.clear() }
        var remaps: [Remap] = []
        for (layer, blocks) in window.counts.enumerated() {
            for (block, counts) in blocks.enumerated() {
                LongestProcessingTime.appendRemaps(
                    layer: layer, block: block, weights: counts.map(Int.init),
                    homes: homes.homes(layer: layer, block: block), dimmCount: homes.dimmCount,
                    to: &remaps)
            }
        }
        return remaps
    }
}

/// After the first token balances the DIMMs once, by how often each cold neuron was active in the
/// prompt, and then leaves them alone.
package struct StaticFrequencyRebalancer: Rebalancer {
    package let name: String
    private let weights: [[[Int]]]  // [layers][blocks][neurons]; 0 for the hot
    private var isDone = false

    /// - Parameter hot: neurons that the GPU computes, [layers][blocks]; they weigh nothing.
    package init(name: String = "static by frequency", prefill: PrefillActivity, hot: [[PackedSet]])
    {
        self.name = name
        weights = prefill.layout.map { layer, block in
            prefill.activeCounts(layer: layer, block: block).enumerated().map {
                hot[layer][block].contains($0.offset) ? 0 : Int($0.element)
            }
        }
    }

    package mutating func observe(layer: Int, block: Int, activeCold: PackedSet) {}

    package mutating func endToken(homes: HomeTable) -> [Remap] {
        guard !isDone else { return [] }
        isDone = true
        var remaps: [Remap] = []
        for (layer, blocks) in weights.enumerated() {
            for (block, weights) in blocks.enumerated() {
                LongestProcessingTime.appendRemaps(
                    layer: layer, block: block, weights: weights,
                    homes: homes.homes(layer: layer, block: block), dimmCount: homes.dimmCount,
                    to: &remaps)
            }
        }
        return remaps
    }
}
