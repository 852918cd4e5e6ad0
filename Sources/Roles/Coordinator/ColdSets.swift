import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
import PackedSets
import Transformer

/// Which slots each DIMM computes: its neurons that are not hot.
struct ColdSets {
    /// [layers][DIMMs]
    let qkv: [[PackedSet]]
    var feedForward: [[PackedSet]]

    init(model: DecoderModel, hot: NeuronAssignment, dimmCount: Int) {
        qkv = Self.sets(
            hot: hot.qkv,
            home: HomeMap(neuronCount: model.shape.hiddenSize, dimmCount: dimmCount))
        feedForward = Self.sets(
            hot: hot.feedForward,
            home: HomeMap(neuronCount: model.shape.feedForwardSize, dimmCount: dimmCount))
    }

    private static func sets(hot: [[UInt32]], home: HomeMap) -> [[PackedSet]] {
        hot.map { hotNeurons in
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
