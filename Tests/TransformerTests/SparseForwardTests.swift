import ModelFile
import TestModels
import Testing
import Transformer
import WeightFormats

/// Decoding by the activity rule, against the naive model with the same rule.
@Suite struct SparseForwardTests {
    private struct Setting {
        let builder: GGUFBuilder
        let model: DecoderModel
        let rule: ActivityRule

        /// A tiny model, calibrated on a random text.
        init(_ format: WeightFormat, sparsity: Double) throws {
            builder = TinyLlama.builder(format: format, seed: 3)
            model = try builder.model()
            let tables = Calibrator(model: model, threadCount: 1).tables(
                windows: [randomTokens(120, seed: 21), randomTokens(80, seed: 22)])
            rule = ActivityRule(calibration: try tables.opened(), sparsity: sparsity)
        }
    }

    /// The distance of the nearest W·|silu(gate) − C| to its threshold: far above the rounding
    /// of float, so that both sides mean the same neurons.
    private func margin(_ naive: NaiveLlama, _ rule: ActivityRule) -> Double {
        var least = Double.infinity
        for layer in rule.thresholds.indices {
            for spread in naive.spreads(layer: layer, rule: .init(rule)).joined() {
                least = min(least, abs(spread - Double(rule.thresholds[layer])))
            }
        }
        return least
    }

    @Test(arguments: [WeightFormat.f32, .q8_0, .q4_1], [0.3, 0.7, 0.95])
    func `Inactive neurons contribute their mean, active ones everything`(
        format: WeightFormat, sparsity: Double
    ) throws {
        let setting = try Setting(format, sparsity: sparsity)
        let tokens = randomTokens(12, seed: 31)
        var naive = NaiveLlama(setting.builder, .init())
        var transformer = ReferenceTransformer(
            model: setting.model, contextCapacity: 64, rule: setting.rule, threadCount: 1)
        _ = naive.run(tokens)
        _ = transformer.forward(tokens, at: 0, isDense: true)
        for (step, token) in randomTokens(8, seed: 32).enumerated() {
            let expected = naive.step(Int(token), rule: .init(setting.rule))
            let logits = transformer.forward([token], at: 12 + step, isDense: false)
            // The shift matrix is in half precision: 11 bits.
            #expect(relativeError(logits, expected) < 5e-4, "step \(step)")
        }
        #expect(margin(naive, setting.rule) > 1e-6, "the comparison needs clear decisions")
    }

    @Test func `At sparsity 0 nothing is left out`() throws {
        let setting = try Setting(.f32, sparsity: 0)
        let tokens = randomTokens(10, seed: 33)
        var naive = NaiveLlama(setting.builder, .init())
        var transformer = ReferenceTransformer(
            model: setting.model, contextCapacity: 64, rule: setting.rule, threadCount: 1)
        for (position, token) in tokens.enumerated() {
            let logits = transformer.forward([token], at: position, isDense: false)
            #expect(relativeError(logits, naive.step(Int(token))) < 5e-4)
        }
    }

    @Test func `At sparsity 1 the means are all that is left`() throws {
        let setting = try Setting(.f32, sparsity: 1)
        var naive = NaiveLlama(setting.builder, .init())
        var transformer = ReferenceTransformer(
            model: setting.model, contextCapacity: 8, rule: setting.rule, threadCount: 1)
        let everythingInactive = NaiveLlama.Rule(
            means: setting.rule.means, weights: setting.rule.weights,
            thresholds: [.infinity, .infinity])
        for (position, token) in randomTokens(8, seed: 34).enumerated() {
            let logits = transformer.forward([token], at: position, isDense: false)
            let expected = naive.step(Int(token), rule: everythingInactive)
            #expect(relativeError(logits, expected) < 5e-4)
        }
    }

    @Test(arguments: [0.3, 0.7, 0.95])
    func `A dense pass computes everything and counts what the rule calls active`(
        sparsity: Double
    ) throws {
        let setting = try Setting(.q8_0, sparsity: sparsity)
        let tokens = randomTokens(150, seed: 35)
        var naive = NaiveLlama(setting.builder, .init())
        let expected = naive.run(tokens)
        var transformer = ReferenceTransformer(
            model: setting.model, contextCapacity: 160, rule: setting.rule, threadCount: 1)
        let logits = transformer.forward(tokens, at: 0, isDense: true)
        #expect(relativeError(logits, expected) < 4e-6)
        let rule = NaiveLlama.Rule(setting.rule)
        var undecided = 0
        for layer in 0..<2 {
            let threshold = Double(setting.rule.thresholds[layer])
            var least = [UInt32](repeating: 0, count: 96)
            var most = least
            for spreads in naive.spreads(layer: layer, rule: rule) {
                for neuron in 0..<96 {
                    if spreads[neuron] > threshold + 1e-6 { least[neuron] += 1 }
                    if spreads[neuron] > threshold - 1e-6 { most[neuron] += 1 }
                }
            }
            let counts = transformer.activityCounts[layer]
            #expect(counts.indices.allSatisfy { least[$0] <= counts[$0] && counts[$0] <= most[$0] })
            undecided += zip(least, most).reduce(0) { $0 + Int($1.1 - $1.0) }
        }
        #expect(undecided < 5, "of 28800 decisions")
        // Decoding by the rule is not counted: frequencies are those of the prefill.
        let before = transformer.activityCounts
        _ = transformer.forward([3], at: 150, isDense: false)
        #expect(transformer.activityCounts == before)
    }

    @Test func `Several tokens at once cannot follow the rule`() async {
        await #expect(processExitsWith: .failure) {
            let setting = try Setting(.f32, sparsity: 0.5)
            var transformer = ReferenceTransformer(
                model: setting.model, contextCapacity: 8, rule: setting.rule, threadCount: 1)
            _ = transformer.forward([1, 2], at: 0, isDense: false)
        }
    }
}
