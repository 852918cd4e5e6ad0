import ModelFile
import TestModels
import Testing
import Transformer
import WeightFormats

/// The reference forward pass of the OPT architecture against a naive one in double precision.
@Suite struct OPTForwardTests {
    private typealias Sizes = NaiveOPT.Sizes

    private static let shapes = [
        Sizes(), Sizes(layers: 1, heads: 1), Sizes(layers: 3, hidden: 96, heads: 6),
        Sizes(layers: 1, hidden: 32, heads: 2, feedForward: 160),
    ]

    private func builder(
        _ sizes: Sizes, _ format: WeightFormat, isDownTransposed: Bool = false
    ) -> GGUFBuilder {
        TinyOPT.builder(
            layers: sizes.layers, hidden: sizes.hidden, heads: sizes.heads,
            feedForward: sizes.feedForward, format: format, seed: 3,
            isDownTransposed: isDownTransposed)
    }

    /// Compares the logits of every token, the cache at the end, and the activity.
    private func expectAgreement(
        _ builder: GGUFBuilder, _ sizes: Sizes, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let tokens = randomTokens(20, seed: 5)
        var naive = NaiveOPT(builder, sizes)
        var transformer = ReferenceTransformer(
            model: try builder.model(), contextCapacity: tokens.count, rule: nil, threadCount: 1)
        for (position, token) in tokens.enumerated() {
            let expected = naive.step(Int(token))
            let logits = transformer.forward([token], at: position, isDense: false)
            let error = relativeError(logits, expected)
            #expect(error < 2e-6, "position \(position)", sourceLocation: sourceLocation)
        }
        for layer in 0..<sizes.layers {
            for head in 0..<sizes.heads {
                let matrix = transformer.cache.index(layer: layer, head: head)
                let keys = naive.keys[layer][head].flatMap { $0 }
                let values = naive.values[layer][head].flatMap { $0 }
                let error = max(
                    relativeError(transformer.cache.keys[matrix], keys),
                    relativeError(transformer.cache.values[matrix], values))
                #expect(error < 2e-6, sourceLocation: sourceLocation)
            }
            let active = (0..<sizes.feedForward).map { neuron in
                UInt32(naive.activations[layer].count { $0[neuron] > 0 })
            }
            #expect(transformer.activityCounts[layer] == active, sourceLocation: sourceLocation)
            let share = Double(active.reduce(0, +)) / Double(20 * sizes.feedForward)
            #expect((0.1..<0.6).contains(share), sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: WeightFormat.allCases, [false, true])
    func `Logits are those of double precision, in every format`(
        format: WeightFormat, isDownTransposed: Bool
    ) throws {
        try expectAgreement(
            builder(Sizes(), format, isDownTransposed: isDownTransposed), Sizes())
    }

    @Test(arguments: shapes.indices, [false, true])
    func `Logits are those of double precision, whatever the sizes`(
        shape: Int, isDownTransposed: Bool
    ) throws {
        let sizes = Self.shapes[shape]
        try expectAgreement(
            builder(sizes, .f16, isDownTransposed: isDownTransposed), sizes)
    }

    /// 128 tokens go through the layers together: one batch, one and a bit.
    @Test(arguments: [2, 128, 129], [false, true])
    func `A prefill in batches is token by token, up to rounding`(
        tokenCount: Int, isDownTransposed: Bool
    ) throws {
        let model = try builder(Sizes(), .f16, isDownTransposed: isDownTransposed).model()
        let tokens = randomTokens(tokenCount, seed: 6)
        var single = ReferenceTransformer(
            model: model, contextCapacity: tokenCount, rule: nil, threadCount: 1)
        var logits: [Float] = []
        for (position, token) in tokens.enumerated() {
            logits = single.forward([token], at: position, isDense: false)
        }
        var batch = ReferenceTransformer(
            model: model, contextCapacity: tokenCount, rule: nil, threadCount: 3)
        let batchLogits = batch.forward(tokens, at: 0, isDense: true)
        #expect(relativeError(batchLogits, logits.map(Double.init)) < 4e-6)
        for matrix in single.cache.keys.indices {
            let keys = single.cache.keys[matrix].map(Double.init)
            #expect(relativeError(batch.cache.keys[matrix], keys) < 4e-6)
        }
    }

    /// Without its position row, two positions of the same token would have equal keys.
    @Test func `Equal tokens at different positions have different keys`() throws {
        let model = try builder(Sizes(), .f32).model()
        var transformer = ReferenceTransformer(
            model: model, contextCapacity: 2, rule: nil, threadCount: 1)
        _ = transformer.forward([7, 7], at: 0, isDense: true)
        let keys = transformer.cache.keys[0]
        #expect(Array(keys[..<16]) != Array(keys[16...]))
    }

    @Test func `Neurons cost what their rows, bias and column take`() throws {
        for isDownTransposed in [false, true] {
            let model = try builder(Sizes(), .f16, isDownTransposed: isDownTransposed).model()
            #expect(model.qkvNeuronByteCount == 3 * 64 * 2)
            #expect(model.selectingByteCount == 64 * 2 + 4)
            #expect(model.feedForwardNeuronByteCount == 2 * 64 * 2 + 4)
            #expect(model.feedForwardNeuronWeightCount == 2 * 64)
            #expect(model.feedForwardMACCount(candidateCount: 10, activeCount: 3) == 13 * 64)
        }
        let gated = try TinyLlama.builder(format: .f16).model()
        #expect(gated.selectingByteCount == 64 * 2)
        #expect(gated.feedForwardNeuronByteCount == 3 * 64 * 2)
        #expect(gated.feedForwardNeuronWeightCount == 3 * 64)
        #expect(gated.feedForwardMACCount(candidateCount: 10, activeCount: 3) == 16 * 64)
    }

    @Test func `A rule about gates, and a calibration of them, trap`() async {
        await #expect(processExitsWith: .failure) {
            _ = Calibrator(model: try TinyOPT.builder().model(), threadCount: 1)
        }
        await #expect(processExitsWith: .failure) { try Self.useRule(with: TinyOPT.builder()) }
        await #expect(processExitsWith: .success) { try Self.useRule(with: TinyLlama.builder()) }
    }

    /// A gated model's rule, given to the model of `builder`.
    private static func useRule(with builder: GGUFBuilder) throws {
        let gated = try TinyLlama.builder().model()
        let tables = Calibrator(model: gated, threadCount: 1).tables(windows: [[1, 2, 3]])
        _ = ReferenceTransformer(
            model: try builder.model(), contextCapacity: 4,
            rule: ActivityRule(calibration: try tables.opened(), sparsity: 0.5), threadCount: 1)
    }
}
