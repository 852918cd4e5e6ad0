import ModelFile
import TestModels
import Testing

/// Hyperparameters: what is read, what is assumed, what is refused.
@Suite struct DecoderShapeTests {
    private func shape(_ change: (inout GGUFBuilder) -> Void = { _ in }) throws -> DecoderShape {
        var builder = TinyLlama.builder()
        change(&builder)
        return try DecoderShape.read(from: try ModelFile.parse(builder.build(), name: "test"))
    }

    @Test func `Every hyperparameter is read from its key`() throws {
        let shape = try shape {
            $0["llama.rope.dimension_count"] = .uint32(8)
            $0["llama.rope.freq_base"] = .float32(500_000)
            $0["llama.rope.scaling.type"] = .text("linear")
            $0["llama.rope.scaling.factor"] = .float32(4)
        }
        #expect(shape.architecture == .llama)
        #expect(shape.layerCount == 2)
        #expect(shape.contextLength == 256)
        #expect(shape.hiddenSize == 64)
        #expect(shape.feedForwardSize == 96)
        #expect(shape.headCount == 4)
        #expect(shape.keyValueHeadCount == 2)
        #expect(shape.headSize == 16)
        #expect(shape.queryGroupSize == 2)
        #expect(shape.querySize == 64)
        #expect(shape.keyValueSize == 32)
        #expect(shape.vocabularySize == 288)
        #expect(shape.rotary?.dimensionCount == 8)
        #expect(shape.rotary?.base == 500_000)
        #expect(shape.rotary?.positionDivisor == 4)
        #expect(shape.normEpsilon == 1e-5)
    }

    @Test func `Optional keys have the family's defaults`() throws {
        let shape = try shape {
            $0["llama.attention.head_count_kv"] = nil
            $0["llama.rope.dimension_count"] = nil
            $0["llama.rope.freq_base"] = nil
            $0["llama.vocab_size"] = nil
        }
        #expect(shape.keyValueHeadCount == 4)
        #expect(shape.rotary?.dimensionCount == 16)
        #expect(shape.rotary?.base == 10_000)
        #expect(shape.rotary?.positionDivisor == 1)
        #expect(shape.vocabularySize == 288)
    }

    @Test func `The vocabulary is as large as the list of tokens, else as its key says`() throws {
        #expect(try shape { $0["llama.vocab_size"] = .uint32(7) }.vocabularySize == 288)
        #expect(try shape { $0["tokenizer.ggml.tokens"] = nil }.vocabularySize == 288)
        expectRefusal(.key("llama.vocab_size"), .missing) {
            $0["tokenizer.ggml.tokens"] = nil
            $0["llama.vocab_size"] = nil
        }
    }

    @Test func `A key length overrides the quotient of hidden size and heads`() throws {
        let shape = try shape {
            $0["llama.attention.key_length"] = .uint32(32)
            $0["llama.attention.value_length"] = .uint32(32)
        }
        #expect(shape.headSize == 32)
        #expect(shape.querySize == 128)
        expectRefusal(
            .key("llama.attention.value_length"),
            .inconsistent("is 8, but keys have 16 elements")
        ) { $0["llama.attention.value_length"] = .uint32(8) }
    }

    @Test func `Another architecture is refused by its name`() {
        expectRefusal(
            .key("general.architecture"), .unsupported(found: "qwen2", supported: "llama, opt")
        ) { $0["general.architecture"] = .text("qwen2") }
        expectRefusal(.key("general.architecture"), .missing) {
            $0["general.architecture"] = nil
        }
    }

    @Test func `Variants that compute something else are refused by name`() {
        expectRefusal(
            .key("llama.expert_count"),
            .unsupported(found: "mixture of 8 experts", supported: "dense models")
        ) { $0["llama.expert_count"] = .uint32(8) }
        expectRefusal(
            .key("llama.attention.causal"),
            .unsupported(found: "non-causal attention", supported: "causal")
        ) { $0["llama.attention.causal"] = .bool(0) }
        for type in ["yarn", "longrope"] {
            expectRefusal(
                .key("llama.rope.scaling.type"),
                .unsupported(found: type, supported: "none, linear")
            ) { $0["llama.rope.scaling.type"] = .text(type) }
        }
        expectRefusal(
            .key("llama.rope.scaling.attn_factor"), .unsupported(found: "1.5", supported: "1")
        ) { $0["llama.rope.scaling.attn_factor"] = .float32(1.5) }
    }

    @Test func `Zero experts and a scaling factor of zero mean none`() throws {
        let shape = try shape {
            $0["llama.expert_count"] = .uint32(0)
            $0["llama.rope.scaling.factor"] = .float32(0)
        }
        #expect(shape.rotary?.positionDivisor == 1)
    }

    @Test func `Linear scaling is found under its old key, and ignored where its type is none`()
        throws
    {
        #expect(
            try shape { $0["llama.rope.scale_linear"] = .float32(2) }.rotary?.positionDivisor == 2)
        let unscaled = try shape {
            $0["llama.rope.scaling.type"] = .text("none")
            $0["llama.rope.scaling.factor"] = .float32(2)
        }
        #expect(unscaled.rotary?.positionDivisor == 1)
    }

    @Test(arguments: [
        "llama.block_count", "llama.context_length", "llama.embedding_length",
        "llama.feed_forward_length", "llama.attention.head_count",
        "llama.attention.layer_norm_rms_epsilon",
    ])
    func `A required key is missed by name`(key: String) {
        expectRefusal(.key(key), .missing) { $0[key] = nil }
    }

    @Test(arguments: [
        ("llama.block_count", 1024), ("llama.context_length", 1 << 24),
        ("llama.embedding_length", 65_536), ("llama.feed_forward_length", 1 << 20),
        ("llama.attention.head_count", 4096), ("llama.attention.head_count_kv", 4096),
        ("llama.attention.key_length", 4096), ("llama.rope.dimension_count", 16),
    ])
    func `Zero and absurd sizes are refused with the range`(key: String, largest: Int) {
        for value in [0, UInt64(largest) + 1, .max] as [UInt64] {
            expectRefusal(
                .key(key), .outOfRange(value: "\(value)", allowed: "1 to \(largest)")
            ) { $0[key] = .uint64(value) }
        }
    }

    @Test func `Sizes that do not divide are refused`() {
        expectRefusal(
            .key("llama.attention.head_count"),
            .inconsistent("3 heads do not divide embedding_length 64")
        ) { $0["llama.attention.head_count"] = .uint32(3) }
        expectRefusal(
            .key("llama.attention.head_count_kv"),
            .inconsistent("3 key/value heads do not divide 4 heads")
        ) { $0["llama.attention.head_count_kv"] = .uint32(3) }
        expectRefusal(
            .key("llama.rope.dimension_count"), .inconsistent("7 elements do not form pairs")
        ) { $0["llama.rope.dimension_count"] = .uint32(7) }
        expectRefusal(
            .key("llama.attention.head_count"),
            .inconsistent("gives heads of 65536 elements; allowed: 1 to 4096")
        ) {
            $0["llama.embedding_length"] = .uint32(65_536)
            $0["llama.attention.head_count"] = .uint32(1)
        }
    }

    @Test(arguments: [0, -1, .nan, 2] as [Float])
    func `An epsilon that is not a small positive number is refused`(epsilon: Float) {
        expectRefusal(
            .key("llama.attention.layer_norm_rms_epsilon"),
            .outOfRange(value: "\(epsilon)", allowed: "1e-12 to 1.0")
        ) { $0["llama.attention.layer_norm_rms_epsilon"] = .float32(epsilon) }
    }
}
