import ActivationPredictor
import PackedSets
import SeededRandom
import Testing

/// Sixty-four states at once against one state at a time.
@Suite struct NeuronStateTableTests {
    static let neuronCounts = [0, 1, 15, 16, 17, 63, 64, 65, 130, 1536]

    private func table(_ states: [Int]) -> NeuronStateTable {
        var table = NeuronStateTable(neuronCount: states.count)
        for (neuron, state) in states.enumerated() { table.setState(state, of: neuron) }
        return table
    }

    /// The paper's update of one neuron.
    private func next(_ state: Int, isActive: Bool, gain: Int, decay: Int) -> Int {
        min(max(isActive ? state + gain : state - decay, 0), 15)
    }

    @Test func `Every state meets every gain and decay without leaving 0 to 15`() {
        let states = Array(0...15)
        for gain in 0...15 {
            for decay in 0...15 {
                for isActive in [false, true] {
                    var packed = table(states)
                    let active =
                        isActive
                        ? PackedSet.full(elementCount: 16) : PackedSet(elementCount: 16)
                    packed.update(active: active, gain: gain, decay: decay)
                    let expected = states.map {
                        next($0, isActive: isActive, gain: gain, decay: decay)
                    }
                    if packed != table(expected) {
                        Issue.record("gain \(gain), decay \(decay), active \(isActive)")
                    }
                }
            }
        }
    }

    @Test(arguments: neuronCounts)
    func `The packed update equals a scalar model`(neuronCount: Int) {
        var random = SplitMix64(seed: UInt64(neuronCount) + 1)
        var model = (0..<neuronCount).map { _ in Int.random(in: 0...15, using: &random) }
        var packed = table(model)
        for token in 0..<200 {
            let active = RandomActivity.set(elementCount: neuronCount, using: &random)
            let observed =
                Bool.random(using: &random)
                ? RandomActivity.set(elementCount: neuronCount, using: &random) : nil
            let gain = Int.random(in: 0...15, using: &random)
            let decay = Int.random(in: 0...15, using: &random)
            packed.update(active: active, observed: observed, gain: gain, decay: decay)
            for neuron in model.indices where observed?.contains(neuron) ?? true {
                model[neuron] = next(
                    model[neuron], isActive: active.contains(neuron), gain: gain, decay: decay)
            }
            // Equal tables: also nothing in the bits past the last neuron.
            if packed != table(model) {
                Issue.record("token \(token): the packed states differ")
                return
            }
        }
        #expect((0..<neuronCount).map { packed.state(of: $0) } == model)
    }

    @Test(arguments: neuronCounts)
    func `Who is above a threshold is found 64 at a time`(neuronCount: Int) {
        var random = SplitMix64(seed: UInt64(neuronCount) + 2)
        let states = (0..<neuronCount).map { _ in Int.random(in: 0...15, using: &random) }
        let packed = table(states)
        for threshold in -2...17 {
            let above = states.indices.filter { states[$0] > threshold }
            #expect(packed.neurons(above: threshold).members == above)
            let equal = states.indices.filter { states[$0] == threshold }
            #expect(packed.neurons(inState: threshold).members == equal)
        }
    }

    /// (activeCount, tokenCount, state); 0.02 and 0.9 themselves belong to the steps between.
    @Test(arguments: [
        (0, 0, 0), (0, 100, 0), (1, 100, 0), (2, 100, 1), (8, 100, 1), (9, 100, 2),
        (46, 100, 8), (83, 100, 13), (84, 100, 14), (89, 100, 14), (90, 100, 14), (91, 100, 15),
        (100, 100, 15), (1, 1, 15), (64, 128, 8),
    ])
    func `The frequency after prefill chooses one of 16 states`(
        activeCount: Int, tokenCount: Int, state: Int
    ) {
        #expect(
            NeuronStateTable.initialState(activeCount: activeCount, tokenCount: tokenCount)
                == state)
    }

    @Test func `Initialising sets every state, and more activity never gives a lower one`() {
        var packed = table(Array(repeating: 15, count: 129))
        packed.initialise(activeCounts: (0...128).map(UInt32.init), tokenCount: 128)
        let states = (0...128).map { packed.state(of: $0) }
        #expect(zip(states, states.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(Set(states) == Set(0...15))
    }

    /// 32 layers × (4096 + 11008) neurons × 4 bit = 241,664 bytes; the paper rounds to 232 KB.
    @Test func `The states of LLaMA-7B take 236 KiB`() {
        let layout = NeuronLayout(layerCount: 32, neuronCounts: [4096, 11008])
        #expect(NeuronStates(layout: layout).byteCount == 236 * 1024)
    }

    @Test func `Each 64 neurons take four words`() {
        #expect(NeuronStateTable(neuronCount: 0).byteCount == 0)
        #expect(NeuronStateTable(neuronCount: 64).byteCount == 32)
        #expect(NeuronStateTable(neuronCount: 65).byteCount == 64)
    }
}
