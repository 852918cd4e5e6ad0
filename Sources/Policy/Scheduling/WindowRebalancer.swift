package import ActivationPredictor
package import PackedSets

/// The paper's window-based scheduling: every few tokens the most and the least loaded DIMM, the
/// second most and the second least, and so on, form pairs, and within each pair the most
/// activated neurons move from the one to the other while it is the heavier.
///
/// A DIMM's load Z is the sum over its cold neurons of how often each was active in the window.
/// Each block of each layer is balanced on its own, since each ends with a wait for the slowest
/// DIMM. A move that would not bring the pair closer together is not made, so a pair's difference
/// never grows. Ties go to the lower index.
///
/// Source: Liu et al., HPCA 2025, arXiv 2502.16963, Algorithm 1, by the intent that its text
/// states: the printed loop condition has the comparison the other way round.
package struct WindowRebalancer: Rebalancer {
    package let name: String
    package let windowTokenCount: Int
    /// A DIMM gives neurons away only when its load is above this many percent of the mean; nil
    /// lets every pair balance.
    package let minimumLoadPercent: Int?
    private var window: WindowCounts

    package init(
        name: String? = nil, layout: NeuronLayout, windowTokenCount: Int = 5,
        minimumLoadPercent: Int? = nil
    ) {
        precondition(minimumLoadPercent ?? 0 >= 0)
        self.name =
            name ?? "window \(windowTokenCount)"
            + (minimumLoadPercent.map { ", above \($0) % of the mean" } ?? "")
        self.windowTokenCount = windowTokenCount
        self.minimumLoadPercent = minimumLoadPercent
        window = WindowCounts(layout: layout, windowTokenCount: windowTokenCount)
    }

    package mutating func observe(layer: Int, block: Int, activeCold: PackedSet) {
        window.add(activeCold, layer: layer, block: block)
    }

    package mutating func endToken(homes: HomeTable) -> [Remap] {
        guard window.endToken() else { return [] }
        defer { window.clear() }
        var remaps: [Remap] = []
        for layer in window.counts.indices {
            for block in window.counts[layer].indices {
                appendRemaps(layer: layer, block: block, homes: homes, to: &remaps)
            }
        }
        return remaps
    }

    private func appendRemaps(
        layer: Int, block: Int, homes: HomeTable, to remaps: inout [Remap]
    ) {
        let counts = window.counts[layer][block]
        let counted = window.counted[layer][block]
        let loads = Self.loads(
            counts, counted: counted, homes: homes.homes(layer: layer, block: block),
            dimmCount: homes.dimmCount)
        let total = loads.reduce(0, +)
        let order = loads.indices.sorted { (loads[$1], $0) < (loads[$0], $1) }
        for rank in 0..<loads.count / 2 {
            let donor = order[rank]
            let receiver = order[loads.count - 1 - rank]
            if let percent = minimumLoadPercent,
                100 * loads[donor] * loads.count <= percent * total
            {
                continue
            }
            var active = homes.residents(layer: layer, block: block, dimm: donor)
            active.formIntersection(counted)
            let given = Self.neuronsToGive(
                active, counts: counts, difference: loads[donor] - loads[receiver])
            for neuron in given {
                remaps.append(
                    Remap(layer: layer, block: block, neuron: neuron, from: donor, to: receiver))
            }
        }
    }

    /// Z, [dimms].
    private static func loads(
        _ counts: [UInt32], counted: PackedSet, homes: [UInt16], dimmCount: Int
    ) -> [Int] {
        var loads = Array(repeating: 0, count: dimmCount)
        for (index, word) in counted.words.enumerated() {
            var rest = word
            while rest != 0 {
                let neuron = 64 * index + rest.trailingZeroBitCount
                loads[Int(homes[neuron])] += Int(counts[neuron])
                rest &= rest - 1
            }
        }
        return loads
    }

    /// The most activated neurons first, as long as the donor is the heavier and the move brings
    /// the two closer: a neuron of count A changes the difference by 2A, so A < difference.
    private static func neuronsToGive(
        _ active: PackedSet, counts: [UInt32], difference: Int
    ) -> [Int] {
        guard difference > 1 else { return [] }
        let neurons = active.members
        // Several sequences together can count a neuron more often than the window has tokens.
        let highestCount = neurons.reduce(0) { max($0, Int(counts[$1])) }
        var rest = difference
        var given: [Int] = []
        for count in stride(from: highestCount, to: 0, by: -1) where count < rest {
            for neuron in neurons where Int(counts[neuron]) == count {
                guard count < rest else { break }
                given.append(neuron)
                rest -= 2 * count
            }
        }
        return given
    }
}
