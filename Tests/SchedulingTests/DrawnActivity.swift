import ActivationPredictor
import PackedSets
import Scheduling
import SeededRandom

/// Activity and placements drawn from a seed.
enum DrawnActivity {
    /// Each neuron active with its own probability, rising with its index modulo 11, so that
    /// placements differ in their balance.
    static func tokens(_ count: Int, layout: NeuronLayout, seed: UInt64) -> [[[PackedSet]]] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            layout.map { _, block in
                let neuronCount = layout.neuronCounts[block]
                return PackedSet(
                    elementCount: neuronCount,
                    members: (0..<neuronCount).filter {
                        random.nextUnitInterval() < Double($0 % 11) / 14
                    })
            }
        }
    }

    static func homes(
        layout: NeuronLayout, dimmCount: Int, using random: inout SplitMix64
    ) -> [[[UInt16]]] {
        layout.map { _, block in
            (0..<layout.neuronCounts[block]).map { _ in
                UInt16(Int.random(in: 0..<dimmCount, using: &random))
            }
        }
    }
}
