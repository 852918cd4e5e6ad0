/// Which DIMM each neuron of one block of one layer is at home on.
///
/// The DIMMs hold every neuron, hot ones too (the GPU's are copies). On its DIMM a neuron has a
/// *slot*: its rank among the DIMM's neurons.
package struct HomeMap: Equatable, Sendable {
    /// DIMMs that 16 bits tell apart.
    package static let dimmLimit = 1 << 16

    package let dimmCount: Int
    private let dimms: [UInt16]  // [neurons]
    private let slots: [UInt32]  // [neurons]
    private let neurons: [[UInt32]]  // [DIMMs][slots], ascending

    /// - Parameter dimms: each neuron's home, below `dimmCount`, [neurons].
    package init(dimms: [UInt16], dimmCount: Int) {
        precondition(dimmCount >= 1 && dimmCount <= Self.dimmLimit)
        self.dimmCount = dimmCount
        self.dimms = dimms
        var slots: [UInt32] = []
        slots.reserveCapacity(dimms.count)
        var neurons = Array(repeating: [UInt32](), count: dimmCount)
        for (neuron, dimm) in dimms.enumerated() {
            slots.append(UInt32(neurons[Int(dimm)].count))
            neurons[Int(dimm)].append(UInt32(neuron))
        }
        self.slots = slots
        self.neurons = neurons
    }

    /// Round-robin: neuron `i` lives on DIMM `i mod J`.
    package init(neuronCount: Int, dimmCount: Int) {
        precondition(neuronCount >= 0)
        precondition(dimmCount >= 1)
        self.init(
            dimms: (0..<neuronCount).map { UInt16($0 % dimmCount) }, dimmCount: dimmCount)
    }

    package var neuronCount: Int { dimms.count }

    package func dimm(ofNeuron neuron: Int) -> Int { Int(dimms[neuron]) }

    package func slot(ofNeuron neuron: Int) -> Int { Int(slots[neuron]) }

    package func neuron(inSlot slot: Int, ofDIMM dimm: Int) -> Int { Int(neurons[dimm][slot]) }

    /// How many neurons are at home on `dimm`.
    package func slotCount(ofDIMM dimm: Int) -> Int { neurons[dimm].count }

    /// The neurons at home on `dimm`, ascending.
    package func neurons(ofDIMM dimm: Int) -> [UInt32] { neurons[dimm] }
}

/// The homes of all neurons of a model.
package struct HomePlan: Equatable, Sendable {
    /// [layers]
    package let qkv: [HomeMap]
    package let feedForward: [HomeMap]

    /// - Precondition: at least one layer, and all maps are of equally many DIMMs.
    package init(qkv: [HomeMap], feedForward: [HomeMap]) {
        precondition(!qkv.isEmpty && qkv.count == feedForward.count)
        precondition((qkv + feedForward).allSatisfy { $0.dimmCount == qkv[0].dimmCount })
        self.qkv = qkv
        self.feedForward = feedForward
    }

    /// Round-robin in every layer.
    package init(
        layerCount: Int, qkvNeuronCount: Int, feedForwardNeuronCount: Int, dimmCount: Int
    ) {
        self.init(
            qkv: Array(
                repeating: HomeMap(neuronCount: qkvNeuronCount, dimmCount: dimmCount),
                count: layerCount),
            feedForward: Array(
                repeating: HomeMap(neuronCount: feedForwardNeuronCount, dimmCount: dimmCount),
                count: layerCount))
    }

    package var dimmCount: Int { qkv[0].dimmCount }
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
