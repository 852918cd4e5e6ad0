import ModelFile
import PackedSets
import TestModels
import Testing
import Transformer
import WeightFormats

/// Recorded activity against the transformer's own counts, token by token.
@Suite struct ActivityRecorderTests {
    private func model(isGated: Bool) throws -> DecoderModel {
        isGated
            ? try TinyLlama.builder(format: .q8_0, seed: 3).model()
            : try TinyOPT.builder(format: .f16, seed: 3).model()
    }

    private func rule(_ model: DecoderModel) throws -> ActivityRule? {
        guard model.shape.architecture.isGated else { return nil }
        let tables = Calibrator(model: model, threadCount: 1).tables(
            windows: [randomTokens(120, seed: 21)])
        return ActivityRule(calibration: try tables.opened(), sparsity: 0.6)
    }

    /// [layers, neurons]
    private func counts(_ tokens: [[PackedSet]]) -> [[UInt32]] {
        var counts = tokens[0].map { [UInt32](repeating: 0, count: $0.elementCount) }
        for sets in tokens {
            for (layer, set) in sets.enumerated() {
                set.forEachMember { counts[layer][$0] += 1 }
            }
        }
        return counts
    }

    @Test(arguments: [true, false])
    func `A dense pass records what the transformer counts`(isGated: Bool) throws {
        let model = try model(isGated: isGated)
        let rule = try rule(model)
        let recorder = ActivityRecorder(model: model, rule: rule)
        var transformer = ReferenceTransformer(
            model: model, contextCapacity: 200, rule: rule, threadCount: 1)
        // More than one batch.
        let prompt = randomTokens(150, seed: 5)
        _ = transformer.forward(prompt, at: 0, isDense: true, observer: recorder)
        let tokens = recorder.takeTokens()
        #expect(tokens.count == 150)
        #expect(counts(tokens) == transformer.activityCounts)
        #expect(recorder.takeTokens().isEmpty)
        let share =
            Double(tokens.joined().reduce(0) { $0 + $1.memberCount })
            / Double(tokens.count * tokens[0].count * model.shape.feedForwardSize)
        #expect(share > 0.1 && share < 0.9)
    }

    @Test(arguments: [true, false])
    func `Token by token it records what a batch records`(isGated: Bool) throws {
        let model = try model(isGated: isGated)
        let rule = try rule(model)
        let prompt = randomTokens(9, seed: 6)
        var recorded: [[[PackedSet]]] = []
        for batch in [prompt.count, 1] {
            let recorder = ActivityRecorder(model: model, rule: rule)
            var transformer = ReferenceTransformer(
                model: model, contextCapacity: 16, rule: rule, threadCount: 1)
            for first in stride(from: 0, to: prompt.count, by: batch) {
                _ = transformer.forward(
                    Array(prompt[first..<first + batch]), at: first, isDense: true,
                    observer: recorder)
            }
            recorded.append(recorder.takeTokens())
        }
        #expect(recorded[0] == recorded[1])
    }

    @Test func `A sparse step records the neurons it computes`() throws {
        let model = try model(isGated: true)
        let rule = try rule(model)
        let recorder = ActivityRecorder(model: model, rule: rule)
        var transformer = ReferenceTransformer(
            model: model, contextCapacity: 16, rule: rule, threadCount: 1)
        _ = transformer.forward(randomTokens(8, seed: 7), at: 0, isDense: true)
        _ = transformer.forward([3], at: 8, isDense: false, observer: recorder)
        let tokens = recorder.takeTokens()
        #expect(tokens.count == 1)
        // The first layer's input knows nothing yet of the rule's losses.
        var dense = ReferenceTransformer(
            model: model, contextCapacity: 16, rule: rule, threadCount: 1)
        _ = dense.forward(randomTokens(8, seed: 7), at: 0, isDense: true)
        let other = ActivityRecorder(model: model, rule: rule)
        _ = dense.forward([3], at: 8, isDense: true, observer: other)
        #expect(tokens[0][0] == other.takeTokens()[0][0])
    }

    @Test func `Without a rule every gated neuron is active`() throws {
        let model = try model(isGated: true)
        let recorder = ActivityRecorder(model: model, rule: nil)
        var transformer = ReferenceTransformer(
            model: model, contextCapacity: 4, rule: nil, threadCount: 1)
        _ = transformer.forward([1, 2], at: 0, isDense: true, observer: recorder)
        let everyone = PackedSet.full(elementCount: model.shape.feedForwardSize)
        #expect(recorder.takeTokens().joined().allSatisfy { $0 == everyone })
    }

    @Test(arguments: [true, false])
    func `The truth of an input is what its gates and up projections say`(isGated: Bool) throws {
        let model = try model(isGated: isGated)
        let rule = try rule(model)
        let truth = ActivityTruth(model: model, rule: rule, threadCount: 2)
        var random = randomTokens(model.shape.hiddenSize, seed: 8).makeIterator()
        let input = (0..<model.shape.hiddenSize).map { _ in
            Float(random.next() ?? 0) / 128 - 1
        }
        for layer in 0..<model.shape.layerCount {
            let weights = model.weights.layers[layer]
            var values = [Float](repeating: 0, count: model.shape.feedForwardSize)
            model.multiply(
                weights.gate ?? weights.up, input, into: &values, tokenCount: 1, threadCount: 1)
            let biases = try weights.biases.map { try model.file.floats(of: $0.up) }
            let expected = values.indices.filter { neuron in
                guard let rule else { return values[neuron] + (biases?[neuron] ?? 0) > 0 }
                let value = values[neuron]
                let deviation = value / (1 + exponential(-value)) - rule.means[layer][neuron]
                return rule.weights[layer][neuron] * abs(deviation) > rule.thresholds[layer]
            }
            let found = truth.active(layer: layer, input: input)
            // One neuron may lie within a rounding of its threshold.
            let differing = PackedSet(elementCount: found.elementCount, members: expected)
            let common = found.intersectionCount(differing)
            #expect(found.memberCount + expected.count - 2 * common <= 1)
            #expect(!expected.isEmpty)
        }
    }

    private func exponential(_ value: Float) -> Float {
        // e^x by squaring (1 + x/2^20)^(2^20), in double: exact enough for a comparison.
        var power = 1 + Double(value) / 1_048_576
        for _ in 0..<20 { power *= power }
        return Float(power)
    }
}
