import ModelFile
import TestModels
import Testing
import WeightFormats

/// The table of a model's tensors.
@Suite struct DecoderWeightsTests {
    private func weights(_ builder: GGUFBuilder) throws -> DecoderWeights {
        let file = try ModelFile.parse(builder.build(), name: "test")
        return try DecoderWeights.read(from: file, shape: try DecoderShape.read(from: file))
    }

    @Test func `Each role gets the tensor of its name and layer`() throws {
        let weights = try weights(TinyLlama.builder(isOutputTied: false))
        #expect(weights.layers.count == 2)
        let layer = weights.layers[1]
        #expect(layer.attentionNorm.weight.name == "blk.1.attn_norm.weight")
        #expect(layer.query.name == "blk.1.attn_q.weight")
        #expect(layer.key.name == "blk.1.attn_k.weight")
        #expect(layer.value.name == "blk.1.attn_v.weight")
        #expect(layer.attentionOutput.name == "blk.1.attn_output.weight")
        #expect(layer.feedForwardNorm.weight.name == "blk.1.ffn_norm.weight")
        #expect(layer.gate?.name == "blk.1.ffn_gate.weight")
        #expect(layer.up.name == "blk.1.ffn_up.weight")
        #expect(layer.down.name == "blk.1.ffn_down.weight")
        #expect(weights.tokenEmbedding.name == "token_embd.weight")
        #expect(weights.outputNorm.weight.name == "output_norm.weight")
        #expect(weights.output.name == "output.weight")
        #expect(!weights.isOutputTied)
        #expect(weights.rotaryFactors == nil)
        #expect(weights.positionEmbedding == nil)
        #expect(weights.outputNorm.bias == nil)
        #expect(layer.biases == nil)
        #expect(!layer.isDownTransposed)
    }

    @Test func `Without an output matrix the embedding is used twice and counted once`() throws {
        let weights = try weights(TinyLlama.builder(format: .q4_1, embeddingFormat: .q8_0))
        #expect(weights.isOutputTied)
        #expect(weights.output == weights.tokenEmbedding)
        // Q8_0: 2 blocks of 34 bytes a row; Q4_1: 20 bytes per 32 elements.
        let counts = weights.byteCounts
        #expect(counts.tokenEmbedding == 288 * 2 * 34)
        #expect(counts.output == 0)
        #expect(counts.queryKeyValue == 2 * (64 + 32 + 32) * 2 * 20)
        #expect(counts.attentionOutput == 2 * 64 * 2 * 20)
        #expect(counts.feedForward == 2 * (2 * 96 * 2 + 64 * 3) * 20)
        #expect(counts.norms == (2 * 2 + 1) * 64 * 4)
        #expect(counts.total == 19_584 + 10_240 + 5_120 + 23_040 + 1_280)
    }

    @Test(arguments: WeightFormat.allCases)
    func `Byte counts add up to all tensors of the file`(format: WeightFormat) throws {
        let builder = TinyLlama.builder(layers: 3, format: format, isOutputTied: false)
        let total = builder.tensors.reduce(0) { $0 + $1.bytes.count }
        #expect(try weights(builder).byteCounts.total == total)
    }

    @Test func `Rotation factors are found and shaped by the rotated pairs`() throws {
        var builder = TinyLlama.builder()
        let factors = WeightFormat.f32.encode([Float](repeating: 1, count: 8))
        builder.tensors.append(
            .init(name: "rope_freqs.weight", typeCode: 0, dimensions: [8], bytes: factors))
        #expect(try weights(builder).rotaryFactors?.elementCount == 8)
        builder["llama.rope.dimension_count"] = .uint32(8)
        #expect(refusal(of: builder)?.rule == .wrongShape(found: [8], expected: [4]))
    }

    @Test func `Trailing dimensions of one change nothing`() throws {
        var builder = TinyLlama.builder()
        builder.editTensor("output_norm.weight") { $0.dimensions = [64, 1, 1] }
        #expect(try weights(builder).outputNorm.weight.elementCount == 64)
    }

    @Test func `Norm weights may be F16 but not quantised`() throws {
        var builder = TinyLlama.builder()
        let ones = [Float](repeating: 1, count: 64)
        builder.editTensor("output_norm.weight") {
            $0.typeCode = WeightFormat.f16.typeCode
            $0.bytes = WeightFormat.f16.encode(ones)
        }
        #expect(try weights(builder).outputNorm.weight.format == .f16)
        builder.editTensor("output_norm.weight") {
            $0.typeCode = WeightFormat.q8_0.typeCode
            $0.bytes = WeightFormat.q8_0.encode(ones)
        }
        #expect(
            refusal(of: builder)
                == ModelFileError(
                    file: "test", place: .tensor("output_norm.weight"),
                    rule: .quantised(typeName: "Q8_0")))
    }

    @Test func `Every tensor but the output is missed by name`() {
        for tensor in TinyLlama.builder().tensors {
            let name = text(tensor.name)
            expectRefusal(.tensor(name), .missing) { $0.removeTensor(name) }
        }
    }

    @Test func `Every tensor of a wrong shape is refused with both shapes`() {
        for tensor in TinyLlama.builder(isOutputTied: false).tensors {
            var builder = TinyLlama.builder(isOutputTied: false)
            let right = tensor.dimensions.map(Int.init)
            let wrong = [right[0] / 2] + right.dropFirst()
            builder.editTensor(text(tensor.name)) { $0.dimensions = wrong.map(UInt64.init) }
            #expect(
                refusal(of: builder)
                    == ModelFileError(
                        file: "test", place: .tensor(text(tensor.name)),
                        rule: .wrongShape(found: wrong, expected: right)))
        }
        expectRefusal(
            .tensor("blk.0.attn_k.weight"), .wrongShape(found: [32, 64], expected: [64, 32])
        ) { $0.editTensor("blk.0.attn_k.weight") { $0.dimensions = [32, 64] } }
        expectRefusal(
            .tensor("output_norm.weight"), .wrongShape(found: [32, 2], expected: [64])
        ) { $0.editTensor("output_norm.weight") { $0.dimensions = [32, 2] } }
    }

    @Test(arguments: [
        ("blk.0.attn_q.bias", "biases are not supported yet"),
        ("blk.2.attn_q.weight", "belongs to layer 2, but llama.block_count is 2"),
        (
            "blk.0.attn_q_norm.weight",
            "has no place in the llama architecture as computed here"
        ),
    ])
    func `A tensor that would be ignored is refused with the reason`(
        name: String, reason: String
    ) {
        expectRefusal(.tensor(name), .unexpectedTensor(reason: reason)) {
            $0.tensors.append(
                .init(
                    name: name, typeCode: 0, dimensions: [1],
                    bytes: [UInt8](repeating: 0, count: 4)))
        }
    }
}
