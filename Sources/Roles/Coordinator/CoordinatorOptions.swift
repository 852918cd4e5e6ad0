import ModelFile
package import NeuronPlacement
import NeuronShards
package import Transformer

/// What a run asks of the coordinator.
package struct CoordinatorOptions: Sendable {
    /// Positions that the KV caches hold.
    package let contextCapacity: Int
    /// Which neurons count as active in decode; `nil` computes all.
    package let rule: ActivityRule?
    /// How many neurons may be hot.
    package let hotSet: HotSetSelection
    /// Threads of the GPU role's large products.
    package let threadCount: Int
    /// The topology as YAML, from which the workers build their own models.
    package let topologyText: String

    package init(
        contextCapacity: Int, rule: ActivityRule?, hotSet: HotSetSelection, threadCount: Int,
        topologyText: String = ""
    ) {
        precondition(contextCapacity >= 1)
        precondition(threadCount >= 1)
        self.contextCapacity = contextCapacity
        self.rule = rule
        self.hotSet = hotSet
        self.threadCount = threadCount
        self.topologyText = topologyText
    }

    /// The hot neurons by their frequency in the prefill.
    ///
    /// A QKV neuron is an element of the normed state, which no ReLU makes zero in a llama
    /// model: all are equally frequent, and the lowest indices win.
    func chooseHot(model: LlamaModel, activityCounts: [[UInt32]]) -> NeuronAssignment {
        let shape = model.shape
        let alwaysActive = [UInt32](repeating: 1, count: shape.hiddenSize)
        let sets = hotSet.choose(from: [
            BlockActivity(
                counts: Array(repeating: alwaysActive, count: shape.layerCount),
                bytesPerNeuron: model.qkvNeuronByteCount),
            BlockActivity(
                counts: activityCounts, bytesPerNeuron: model.feedForwardNeuronByteCount),
        ])
        return NeuronAssignment(qkv: sets[0], feedForward: sets[1])
    }
}
