import ActivationPredictor
import PackedSets
import SeededRandom
import Testing

/// Each predictor against its rule, neuron by neuron.
@Suite struct PredictorTests {
    static let layout = NeuronLayout(layerCount: 4, neuronCounts: [70, 129])

    private func prefill(_ tokens: [[[PackedSet]]], layout: NeuronLayout) -> PrefillActivity {
        var prefill = PrefillActivity(layout: layout)
        for token in tokens { prefill.add(token: token) }
        return prefill
    }

    /// What the rule says of each neuron, from states of one byte each.
    private func predicted(
        _ rule: StatePredictor.Rule, states: [Int], parents: [UInt16], below: PackedSet?,
        constants: PredictorConstants
    ) -> [Int] {
        guard let below else { return Array(states.indices) }
        return states.indices.filter { neuron in
            let active = parents[2 * neuron...2 * neuron + 1].count { below.contains(Int($0)) }
            return switch rule {
            case .combined:
                states[neuron] + constants.correlationWeight * active
                    > constants.activeThreshold
            case .tokenOnly: states[neuron] > constants.hotThreshold
            case .layerOnly: active == 2
            }
        }
    }

    /// lambda, T, T_h, gain, decay: the paper's; a lower T; a T that parents alone pass; one that
    /// nothing passes.
    static let constants = [
        [6, 15, 10, 4, 1], [6, 9, 10, 4, 1], [10, 8, 3, 2, 3], [0, 45, 15, 15, 15],
    ]

    @Test(arguments: StatePredictor.Rule.allCases, constants)
    func `The paper's rules hold for every neuron of every token`(
        rule: StatePredictor.Rule, values: [Int]
    ) throws {
        let layout = Self.layout
        let constants = try PredictorConstants(
            correlationWeight: values[0], activeThreshold: values[1], hotThreshold: values[2],
            gain: values[3], decay: values[4])
        let tokens = RandomActivity.tokens(40, layout: layout, seed: 3)
        let table = try RandomActivity.correlations(layout: layout, seed: 4)
        let prompt = prefill(Array(tokens.prefix(10)), layout: layout)
        var predictor = StatePredictor(
            name: "paper", layout: layout, rule: rule, constants: constants, correlations: table)
        predictor.beginDecode(after: prompt)
        var model = layout.map { layer, block in
            prompt.activeCounts(layer: layer, block: block).map {
                NeuronStateTable.initialState(activeCount: Int($0), tokenCount: 10)
            }
        }
        for (number, token) in tokens.enumerated().dropFirst(10) {
            predictor.beginToken()
            for layer in 0..<layout.layerCount {
                for block in 0..<layout.blockCount {
                    let below = layer == 0 ? nil : token[layer - 1][block]
                    let answer = predictor.predict(
                        layer: layer, block: block, neuronCount: layout.neuronCounts[block],
                        parents: below)
                    let expected = predicted(
                        rule, states: model[layer][block],
                        parents: table.parents(layer: layer, block: block), below: below,
                        constants: constants)
                    if answer.members != expected {
                        Issue.record("token \(number), layer \(layer), block \(block)")
                        return
                    }
                    let active = token[layer][block]
                    predictor.observe(layer: layer, block: block, active: active, observed: nil)
                    model[layer][block] = model[layer][block].enumerated().map {
                        active.contains($0.offset)
                            ? min(15, $0.element + constants.gain)
                            : max(0, $0.element - constants.decay)
                    }
                }
            }
        }
    }

    @Test func `An unobserved neuron is held or decremented, as the constants say`() throws {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [3])
        let everyone = PackedSet.full(elementCount: 3)
        let prompt = prefill([[[everyone]]], layout: layout)
        for rule in UnobservedStates.allCases {
            let constants = try PredictorConstants(unobserved: rule)
            var predictor = StatePredictor(
                name: "token", layout: layout, rule: .tokenOnly, constants: constants)
            predictor.beginDecode(after: prompt)
            // Neuron 0 was computed and active, 1 computed and not, 2 not computed.
            predictor.observe(
                layer: 0, block: 0, active: PackedSet(elementCount: 3, members: [0]),
                observed: PackedSet(elementCount: 3, members: [0, 1]))
            let table = predictor.states?.table(layer: 0, block: 0)
            let states = (0..<3).compactMap { table?.state(of: $0) }
            #expect(states == [15, 14, rule == .held ? 15 : 14])
        }
    }

    @Test func `A layer-only predictor keeps no states`() throws {
        let table = try RandomActivity.correlations(layout: Self.layout, seed: 1)
        let predictor = StatePredictor(
            name: "layer", layout: Self.layout, rule: .layerOnly, correlations: table)
        #expect(predictor.states == nil)
        #expect(predictor.byteCount == table.byteCount)
        #expect(table.byteCount == 3 * (70 + 129) * 4)
    }

    @Test func `A copy of a predictor goes its own way`() {
        let layout = NeuronLayout(layerCount: 2, neuronCounts: [1])
        let one = PackedSet.full(elementCount: 1)
        var original = StatePredictor(name: "token", layout: layout, rule: .tokenOnly)
        original.beginDecode(after: prefill([[[one], [one]]], layout: layout))
        var copy = original
        for _ in 0..<9 {
            copy.observe(
                layer: 1, block: 0, active: PackedSet(elementCount: 1), observed: nil)
        }
        #expect(
            original.predict(layer: 1, block: 0, neuronCount: 1, parents: one).members == [0])
        #expect(copy.predict(layer: 1, block: 0, neuronCount: 1, parents: one).isEmpty)
    }

    @Test func `The simple predictors answer what they are called`() {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [4])
        func set(_ members: [Int]) -> PackedSet { PackedSet(elementCount: 4, members: members) }
        let prompt = prefill([[[set([0, 1])]], [[set([0, 2])]]], layout: layout)
        func answer(
            _ predictor: any ActivityPredictor, observing active: [Int]? = nil
        ) -> [Int] {
            var predictor = predictor
            predictor.beginDecode(after: prompt)
            predictor.beginToken()
            if let active {
                predictor.observe(layer: 0, block: 0, active: set(active), observed: nil)
            }
            let truth = predictor.needsTruth ? set([3]) : nil
            return predictor.predict(
                layer: 0, block: 0, neuronCount: 4, parents: nil, truth: truth
            ).members
        }
        #expect(answer(LastTokenPredictor(layout: layout)) == [0, 2])
        #expect(answer(LastTokenPredictor(layout: layout), observing: [1]) == [1])
        #expect(answer(FrequencyPredictor(layout: layout), observing: [3]) == [0, 1, 2])
        #expect(answer(FrequencyPredictor(layout: layout, thresholdPercent: 50)) == [0])
        #expect(answer(FrequencyPredictor(layout: layout, thresholdPercent: 100)) == [])
        #expect(answer(ConstantPredictor(isActive: true)) == [0, 1, 2, 3])
        #expect(answer(ConstantPredictor(isActive: false)) == [])
        #expect(answer(OraclePredictor(), observing: [1]) == [3])
    }

    @Test func `The oracle without the truth is a broken contract`() async {
        await #expect(processExitsWith: .failure) {
            var oracle = OraclePredictor()
            _ = oracle.predict(layer: 0, block: 0, neuronCount: 1, parents: nil)
        }
    }

    @Test(arguments: [("lambda", 0), ("T", 1), ("T_h", 2), ("gain", 3), ("decay", 4)])
    func `A constant that 4-bit states cannot express is refused`(name: String, place: Int) {
        for value in [-1, 16, 46] where name != "T" || value != 16 {
            var values = [6, 15, 10, 4, 1]
            values[place] = value
            let highest = name == "T" ? 45 : 15
            let error = PredictorError.constantOutOfRange(
                name: name, value: value, allowed: 0...highest)
            #expect(throws: error) {
                try PredictorConstants(
                    correlationWeight: values[0], activeThreshold: values[1],
                    hotThreshold: values[2], gain: values[3], decay: values[4])
            }
            #expect(error.description.contains("\(name) is \(value)"))
        }
    }

    @Test func `The closed loop differs from the paper in T and in what is held`() throws {
        #expect(
            try PredictorConstants(activeThreshold: 9, unobserved: .held) == .closedLoop)
    }

    @Test func `The defaults are the paper's`() throws {
        #expect(try PredictorConstants() == .paper)
        let paper = PredictorConstants.paper
        #expect(paper.correlationWeight == 6)
        #expect(paper.activeThreshold == 15)
        #expect(paper.hotThreshold == 10)
        #expect(paper.gain == 4)
        #expect(paper.decay == 1)
        #expect(paper.unobserved == .decremented)
    }
}
