import NeuronPlacement
import NeuronShards
import PackedSets

/// Which slots each DIMM computes: its neurons that are not hot.
struct ColdSets {
    /// [layers][DIMMs]
    let qkv: [[PackedSet]]
    var feedForward: [[PackedSet]]

    init(homes: HomePlan, hot: NeuronAssignment) {
        qkv = Self.sets(hot: hot.qkv, homes: homes.qkv)
        feedForward = Self.sets(hot: hot.feedForward, homes: homes.feedForward)
    }

    private static func sets(hot: [[UInt32]], homes: [HomeMap]) -> [[PackedSet]] {
        zip(hot, homes).map { hotNeurons, home in
            var sets = (0..<home.dimmCount).map { dimm in
                PackedSet(elementCount: home.slotCount(ofDIMM: dimm))
            }
            let isHot = Set(hotNeurons)
            for neuron in 0..<home.neuronCount where !isHot.contains(UInt32(neuron)) {
                sets[home.dimm(ofNeuron: neuron)].insert(home.slot(ofNeuron: neuron))
            }
            return sets
        }
    }
}
