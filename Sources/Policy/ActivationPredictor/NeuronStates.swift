package import PackedSets

/// The states of all neurons of a model. The predictor reads them, and so does whoever decides
/// which neurons are hot, under any predictor.
package struct NeuronStates: Equatable, Sendable {
    package let layout: NeuronLayout
    package let constants: PredictorConstants
    private var tables: [[NeuronStateTable]]  // [layers][blocks]

    /// All states 0.
    package init(layout: NeuronLayout, constants: PredictorConstants = .paper) {
        self.layout = layout
        self.constants = constants
        tables = layout.map { _, block in
            NeuronStateTable(neuronCount: layout.neuronCounts[block])
        }
    }

    package func table(layer: Int, block: Int) -> NeuronStateTable { tables[layer][block] }

    /// Memory of the states: half a byte per neuron, 64 at a time.
    package var byteCount: Int { tables.joined().reduce(0) { $0 + $1.byteCount } }

    /// Sets the states to what the prompt showed.
    package mutating func beginDecode(after prefill: PrefillActivity) {
        precondition(prefill.layout == layout)
        for layer in tables.indices {
            for block in tables[layer].indices {
                tables[layer][block] = NeuronStateTable(
                    after: prefill, layer: layer, block: block)
            }
        }
    }

    /// One block's activity at one token; `observed` nil means all neurons were observed.
    package mutating func observe(
        layer: Int, block: Int, active: PackedSet, observed: PackedSet?
    ) {
        tables[layer][block].update(
            active: active, observed: constants.unobserved == .held ? observed : nil,
            gain: constants.gain, decay: constants.decay)
    }
}
