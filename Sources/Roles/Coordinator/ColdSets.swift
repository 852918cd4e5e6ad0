import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
import Transformer

/// Which slots each DIMM computes: its neurons that are not hot.
struct ColdSets {
    /// [layers][DIMMs]
    let qkv: [[SlotSet]]
    let feedForward: [[SlotSet]]

    init(model: LlamaModel, hot: NeuronAssignment, dimmCount: Int) {
        qkv = Self.sets(
            hot: hot.qkv,
            home: HomeMap(neuronCount: model.shape.hiddenSize, dimmCount: dimmCount))
        feedForward = Self.sets(
            hot: hot.feedForward,
            home: HomeMap(neuronCount: model.shape.feedForwardSize, dimmCount: dimmCount))
    }

    private static func sets(hot: [[UInt32]], home: HomeMap) -> [[SlotSet]] {
        hot.map { hotNeurons in
            var sets = (0..<home.dimmCount).map { dimm in
                SlotSet(slotCount: home.slotCount(ofDIMM: dimm))
            }
            let isHot = Set(hotNeurons)
            for neuron in 0..<home.neuronCount where !isHot.contains(UInt32(neuron)) {
                sets[home.dimm(ofNeuron: neuron)].insert(home.slot(ofNeuron: neuron))
            }
            return sets
        }
    }
}
