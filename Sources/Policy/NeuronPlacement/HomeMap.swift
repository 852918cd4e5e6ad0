/// Which DIMM each neuron is at home on: round-robin, so neuron `i` lives on DIMM `i mod J`.
///
/// The DIMMs hold every neuron, hot ones too (the GPU's are copies). On its DIMM a neuron has a
/// *slot*: its rank among the DIMM's neurons, here `i / J`.
package struct HomeMap: Equatable, Sendable {
    package let neuronCount: Int
    package let dimmCount: Int

    package init(neuronCount: Int, dimmCount: Int) {
        precondition(neuronCount >= 0)
        precondition(dimmCount >= 1)
        self.neuronCount = neuronCount
        self.dimmCount = dimmCount
    }

    package func dimm(ofNeuron neuron: Int) -> Int { neuron % dimmCount }

    package func slot(ofNeuron neuron: Int) -> Int { neuron / dimmCount }

    package func neuron(inSlot slot: Int, ofDIMM dimm: Int) -> Int { slot * dimmCount + dimm }

    /// How many neurons are at home on `dimm`.
    package func slotCount(ofDIMM dimm: Int) -> Int {
        precondition(dimm >= 0 && dimm < dimmCount)
        return (neuronCount - dimm + dimmCount - 1) / dimmCount
    }

    /// The neurons at home on `dimm`, ascending.
    package func neurons(ofDIMM dimm: Int) -> [UInt32] {
        (0..<slotCount(ofDIMM: dimm)).map { UInt32(neuron(inSlot: $0, ofDIMM: dimm)) }
    }
}

/// Which DIMM holds the keys and values of a KV head, and so computes its query group.
///
/// Owner = (layer × KV heads + head) mod DIMMs: over the layers even 3 heads load 16 DIMMs.
package struct HeadMap: Equatable, Sendable {
    package let keyValueHeadCount: Int
    package let dimmCount: Int

    package init(keyValueHeadCount: Int, dimmCount: Int) {
        precondition(keyValueHeadCount >= 1)
        precondition(dimmCount >= 1)
        self.keyValueHeadCount = keyValueHeadCount
        self.dimmCount = dimmCount
    }

    package func dimm(layer: Int, head: Int) -> Int {
        (layer * keyValueHeadCount + head) % dimmCount
    }

    /// The KV heads of `layer` that `dimm` owns, ascending.
    package func heads(layer: Int, dimm: Int) -> [Int] {
        (0..<keyValueHeadCount).filter { self.dimm(layer: layer, head: $0) == dimm }
    }
}
