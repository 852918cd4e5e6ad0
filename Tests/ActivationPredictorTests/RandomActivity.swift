import ActivationPredictor
import PackedSets
import SeededRandom

/// Activity drawn from a seed, for tests that hold the packed code to a plain model.
enum RandomActivity {
    /// Each neuron active with its own probability, so that states and frequencies differ.
    static func set(elementCount: Int, using random: inout SplitMix64) -> PackedSet {
        PackedSet(
            elementCount: elementCount,
            members: (0..<elementCount).filter {
                random.nextUnitInterval() < Double($0 % 7 + 1) / 9
            })
    }

    /// Tokens, each [layers][blocks].
    static func tokens(_ count: Int, layout: NeuronLayout, seed: UInt64) -> [[[PackedSet]]] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            layout.map { _, block in
                set(elementCount: layout.neuronCounts[block], using: &random)
            }
        }
    }

    static func correlations(layout: NeuronLayout, seed: UInt64) throws -> CorrelationTable {
        var random = SplitMix64(seed: seed)
        let parents = layout.map { layer, block -> [UInt16] in
            let neuronCount = layout.neuronCounts[block]
            return (0..<(layer == 0 ? 0 : 2 * neuronCount)).map { _ in
                UInt16(Int.random(in: 0..<neuronCount, using: &random))
            }
        }
        return try CorrelationTable(layout: layout, parents: parents)
    }
}
