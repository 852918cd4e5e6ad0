import ModelFile
import TestModels
import Testing
import Transformer
import WeightFormats

/// The reference forward pass against a naive one in double precision.
@Suite struct ReferenceTransformerTests {
    private typealias Sizes = NaiveLlama.Sizes

    private static let shapes = [
        Sizes(), Sizes(layers: 1, kvHeads: 1), Sizes(layers: 3, kvHeads: 4),
        Sizes(hidden: 96, heads: 6, kvHeads: 3, feedForward: 32),
        Sizes(layers: 1, hidden: 32, heads: 1, kvHeads: 1, feedForward: 160),
    ]

    private func builder(
        _ sizes: Sizes, _ format: WeightFormat = .f32, seed: UInt64 = 1, isOutputTied: Bool = true
    ) -> GGUFBuilder {
        TinyLlama.builder(
            layers: sizes.layers, hidden: sizes.hidden, heads: sizes.heads,
            kvHeads: sizes.kvHeads, feedForward: sizes.feedForward, format: format, seed: seed,
            isOutputTied: isOutputTied)
    }

    /// Compares the logits of every token, and the cache at the end.
    private func expectAgreement(
        _ builder: GGUFBuilder, _ sizes: Sizes, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let tokens = randomTokens(20, seed: 5)
        var naive = NaiveLlama(builder, sizes)
        var transformer = ReferenceTransformer(
            model: try builder.model(), contextCapacity: tokens.count, rule: nil, threadCount: 1)
        for (position, token) in tokens.enumerated() {
            let expected = naive.step(Int(token))
            let logits = transformer.forward([token], at: position, isDense: false)
            let error = relativeError(logits, expected)
            #expect(error < 2e-6, "position \(position)", sourceLocation: sourceLocation)
        }
        let cache = transformer.cache
        for layer in 0..<sizes.layers {
            for head in 0..<sizes.kvHeads {
                let matrix = cache.index(layer: layer, head: head)
                let keys = naive.keys[layer][head].flatMap { $0 }
                let values = naive.values[layer][head].flatMap { $0 }
                let error = max(
                    relativeError(cache.keys[matrix], keys),
                    relativeError(cache.values[matrix], values))
                #expect(error < 2e-6, sourceLocation: sourceLocation)
            }
        }
    }

    @Test(arguments: WeightFormat.allCases)
    func `Logits are those of double precision, in every format`(format: WeightFormat) throws {
        try expectAgreement(builder(Sizes(), format), Sizes())
    }

    @Test(arguments: shapes.indices)
    func `Logits are those of double precision, however heads are grouped`(shape: Int) throws {
        let sizes = Self.shapes[shape]
        try expectAgreement(builder(sizes, .q8_0, seed: 9), sizes)
    }

    @Test func `An output matrix of its own is used`() throws {
        try expectAgreement(builder(Sizes(), .q4_1, isOutputTied: false), Sizes())
    }

    @Test func `Partial rotation, scaled positions and factors are followed`() throws {
        var sizes = Sizes(rotaryDimensions: 8)
        var file = builder(sizes)
        file["llama.rope.dimension_count"] = .uint32(8)
        try expectAgreement(file, sizes)
        sizes.rotaryDivisor = 4
        file["llama.rope.scaling.type"] = .text("linear")
        file["llama.rope.scaling.factor"] = .float32(4)
        try expectAgreement(file, sizes)
        let factors: [Float] = [1, 2, 0.5, 8]
        sizes.rotaryFactors = factors.map(Double.init)
        file.tensors.append(
            .init(
                name: "rope_freqs.weight", typeCode: 0, dimensions: [4],
                bytes: WeightFormat.f32.encode(factors)))
        try expectAgreement(file, sizes)
    }

    /// 128 tokens go through the layers together: one batch, one and a bit, two and a bit.
    @Test(arguments: [2, 127, 128, 129, 256, 300], [WeightFormat.f32, .q4_1])
    func `A prefill in batches is token by token, up to rounding`(
        tokenCount: Int, format: WeightFormat
    ) throws {
        let model = try TinyLlama.builder(layers: 2, format: format, contextLength: 512).model()
        let tokens = randomTokens(tokenCount, seed: 6)
        var single = ReferenceTransformer(
            model: model, contextCapacity: tokenCount, rule: nil, threadCount: 1)
        var logits: [Float] = []
        for (position, token) in tokens.enumerated() {
            logits = single.forward([token], at: position, isDense: true)
        }
        var batch = ReferenceTransformer(
            model: model, contextCapacity: tokenCount, rule: nil, threadCount: 1)
        let batchLogits = batch.forward(tokens, at: 0, isDense: true)
        #expect(relativeError(batchLogits, logits.map(Double.init)) < 4e-6)
        for matrix in single.cache.keys.indices {
            let keys = single.cache.keys[matrix].map(Double.init)
            let values = single.cache.values[matrix].map(Double.init)
            #expect(relativeError(batch.cache.keys[matrix], keys) < 4e-6)
            #expect(relativeError(batch.cache.values[matrix], values) < 4e-6)
        }
        #expect(batch.activityCounts == single.activityCounts)
    }

    @Test func `A prefill in pieces, with decoding between, goes on where it was`() throws {
        let model = try TinyLlama.builder(format: .q8_0).model()
        let tokens = randomTokens(50, seed: 7)
        var whole = ReferenceTransformer(
            model: model, contextCapacity: 64, rule: nil, threadCount: 1)
        let expected = whole.forward(tokens, at: 0, isDense: true).map(Double.init)
        var pieces = ReferenceTransformer(
            model: model, contextCapacity: 50, rule: nil, threadCount: 1)
        var last: [Float] = []
        for range in [0..<20, 20..<21, 21..<23, 23..<50] {
            last = pieces.forward(
                Array(tokens[range]), at: range.lowerBound, isDense: range.count > 1)
        }
        #expect(relativeError(last, expected) < 4e-6)
    }

    @Test func `Results depend neither on threads nor on the run`() throws {
        let model = try TinyLlama.builder(format: .q4_0).model()
        let tokens = randomTokens(40, seed: 8)
        let logits = [1, 1, 2, 3, 7].map { threadCount in
            var transformer = ReferenceTransformer(
                model: model, contextCapacity: 64, rule: nil, threadCount: threadCount)
            _ = transformer.forward(tokens, at: 0, isDense: true)
            return transformer.forward([1], at: 40, isDense: false).map(\.bitPattern)
        }
        for other in logits.dropFirst() { #expect(other == logits[0]) }
    }

    @Test func `A position that is written again replaces what was there`() throws {
        let model = try TinyLlama.builder().model()
        var once = ReferenceTransformer(model: model, contextCapacity: 4, rule: nil, threadCount: 1)
        var twice = once.emptied()
        _ = once.forward([1], at: 0, isDense: true)
        _ = twice.forward([9], at: 0, isDense: true)
        _ = twice.forward([8], at: 1, isDense: true)
        _ = twice.forward([1], at: 0, isDense: true)
        #expect(
            once.forward([2], at: 1, isDense: true) == twice.forward([2], at: 1, isDense: true))
    }

    @Test func `Without a rule every neuron counts as active in every token`() throws {
        let model = try TinyLlama.builder().model()
        var transformer = ReferenceTransformer(
            model: model, contextCapacity: 200, rule: nil, threadCount: 1)
        _ = transformer.forward(randomTokens(150, seed: 1), at: 0, isDense: true)
        _ = transformer.forward([5], at: 150, isDense: false)
        let expected = [UInt32](repeating: 151, count: 96)
        #expect(transformer.activityCounts == [expected, expected])
    }

    @Test func `No token, one too many, and a rest of the context too short trap`() async {
        await #expect(processExitsWith: .failure) { try Self.forward(0, at: 0) }
        await #expect(processExitsWith: .failure) { try Self.forward(5, at: 0) }
        await #expect(processExitsWith: .failure) { try Self.forward(1, at: 4) }
        await #expect(processExitsWith: .success) { try Self.forward(1, at: 3) }
    }

    /// Runs so many tokens from a position of a context of four.
    private static func forward(_ tokenCount: Int, at position: Int) throws {
        var transformer = ReferenceTransformer(
            model: try TinyLlama.builder().model(), contextCapacity: 4, rule: nil,
            threadCount: 1)
        _ = transformer.forward(
            [Int32](repeating: 1, count: tokenCount), at: position, isDense: true)
    }
}

extension ReferenceTransformer {
    /// A transformer of the same model and capacity that has seen nothing.
    fileprivate borrowing func emptied() -> ReferenceTransformer {
        ReferenceTransformer(
            model: model, contextCapacity: cache.capacity, rule: nil, threadCount: 1)
    }
}
