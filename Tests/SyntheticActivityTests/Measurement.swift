import Foundation
import ModelCatalogue
import PackedSets
import Quantities
import SyntheticActivity

/// What the suites measure on generated activity.
enum Measurement {
    /// One layer of one block, large enough that chance moves the statistics by well under their
    /// tolerances.
    static let shape = ActivityShape(layerCount: 1, neuronCounts: [131_072])

    static func process(
        _ family: ModelFamily, _ shape: ActivityShape, seed: UInt64 = 1
    ) throws -> ActivityProcess {
        try ActivityProcess(shape: shape, statistics: family.statistics(), seed: seed)
    }

    /// The active neurons of layer 0, block 0, [tokens].
    static func history(
        _ process: ActivityProcess, tokenCount: Int, seed: UInt64
    ) -> [PackedSet] {
        var sequence = ActivitySequence(process: process, seed: seed)
        var history: [PackedSet] = []
        for _ in 0..<tokenCount {
            history.append(sequence.activeNeurons(layer: 0, block: 0))
            sequence.advance()
        }
        return history
    }

    static func density(_ history: [PackedSet]) -> Double {
        let active = history.reduce(0) { $0 + $1.memberCount }
        return Double(active) / Double(history.count * history[0].elementCount)
    }

    /// The share of a token's active neurons that are active `distance` tokens later.
    static func similarity(_ history: [PackedSet], at distance: Int) -> Double {
        var shared = 0
        var active = 0
        for token in 0..<history.count - distance {
            shared += history[token].intersectionCount(history[token + distance])
            active += history[token].memberCount
        }
        return Double(shared) / Double(active)
    }

    /// How often each neuron is active in some tokens, [neurons].
    static func counts(_ sets: some Sequence<PackedSet>, neuronCount: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: neuronCount)
        for set in sets { set.forEachMember { counts[$0] += 1 } }
        return counts
    }

    /// The share of the neurons, most active first, that carries 80 % of the activations.
    static func frequentShare<Amount: BinaryFloatingPoint>(_ amounts: [Amount]) -> Amount {
        let sorted = amounts.sorted(by: >)
        let wanted = sorted.reduce(0, +) * 4 / 5
        var carried: Amount = 0
        for (index, amount) in sorted.enumerated() {
            carried += amount
            if carried >= wanted { return Amount(index + 1) / Amount(amounts.count) }
        }
        return 1
    }

    /// Of the neurons active in at least half of the prompt's tokens, the share that is active in
    /// less than half of at least one window of the tokens that follow.
    static func changedShare(
        _ history: [PackedSet], promptLength: Int, windowLength: Int
    ) -> Double {
        let neuronCount = history[0].elementCount
        let prompt = counts(history[..<promptLength], neuronCount: neuronCount)
        let hot = prompt.indices.filter { 2 * prompt[$0] >= promptLength }
        var changed = PackedSet(elementCount: neuronCount)
        for start in stride(from: promptLength, to: history.count, by: windowLength) {
            let window = counts(
                history[start..<start + windowLength], neuronCount: neuronCount)
            for neuron in hot where 2 * window[neuron] < windowLength { changed.insert(neuron) }
        }
        return Double(changed.memberCount) / Double(hot.count)
    }
}

extension ModelFamily {
    /// As the catalogue's file has them.
    func statistics() throws -> ActivityStatistics {
        let name = "topology/models/families/\(rawValue).yaml"
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return try ActivityStatistics.parse(
            String(contentsOf: root.appending(path: name), encoding: .utf8), of: self,
            fileName: name)
    }
}
