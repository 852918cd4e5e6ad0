import ModelFile
import TestModels
import Testing
import WeightFormats

/// Files of the OPT architecture: hyperparameters and tensors.
@Suite struct OPTFileTests {
    private func read(
        _ builder: GGUFBuilder
    ) throws -> (shape: DecoderShape, weights: DecoderWeights) {
        let file = try ModelFile.parse(builder.build(), name: "test")
        let shape = try DecoderShape.read(from: file)
        return (shape, try DecoderWeights.read(from: file, shape: shape))
    }

    /// Expects one exact refusal from a tiny OPT model that was changed in one way.
    private func expectRefusal(
        _ place: ModelFileError.Place, _ rule: ModelFileError.Rule, isDownTransposed: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout GGUFBuilder) -> Void
    ) {
        var builder = TinyOPT.builder(isDownTransposed: isDownTransposed)
        change(&builder)
        #expect(
            throws: ModelFileError(file: "test", place: place, rule: rule),
            sourceLocation: sourceLocation
        ) { try readWhole(builder.build()) }
    }

    @Test func `Every hyperparameter is read from its key`() throws {
        let shape = try read(TinyOPT.builder(layers: 3, contextLength: 40)).shape
        #expect(shape.architecture == .opt)
        #expect(shape.layerCount == 3)
        #expect(shape.contextLength == 40)
        #expect(shape.hiddenSize == 64)
        #expect(shape.feedForwardSize == 96)
        #expect(shape.headCount == 4)
        #expect(shape.keyValueHeadCount == 4)
        #expect(shape.headSize == 16)
        #expect(shape.vocabularySize == 288)
        #expect(shape.positions == .learned(rowOffset: 2))
        #expect(shape.rotary == nil)
        #expect(shape.normEpsilon == 1e-5)
    }

    @Test(arguments: [
        "opt.block_count", "opt.context_length", "opt.embedding_length", "opt.feed_forward_length",
        "opt.attention.head_count", "opt.attention.layer_norm_epsilon",
    ])
    func `A required key is missed by name`(key: String) {
        expectRefusal(.key(key), .missing) { $0[key] = nil }
    }

    @Test func `Each role gets the tensor of its name and layer`() throws {
        let weights = try read(TinyOPT.builder()).weights
        let layer = weights.layers[1]
        #expect(layer.attentionNorm.weight.name == "blk.1.attn_norm.weight")
        #expect(layer.attentionNorm.bias?.name == "blk.1.attn_norm.bias")
        #expect(layer.feedForwardNorm.bias?.name == "blk.1.ffn_norm.bias")
        #expect(layer.biases?.query.name == "blk.1.attn_q.bias")
        #expect(layer.biases?.key.name == "blk.1.attn_k.bias")
        #expect(layer.biases?.value.name == "blk.1.attn_v.bias")
        #expect(layer.biases?.attentionOutput.name == "blk.1.attn_output.bias")
        #expect(layer.biases?.up.name == "blk.1.ffn_up.bias")
        #expect(layer.biases?.down.name == "blk.1.ffn_down.bias")
        #expect(layer.gate == nil)
        #expect(layer.up.name == "blk.1.ffn_up.weight")
        #expect(layer.down.name == "blk.1.ffn_down.weight")
        #expect(layer.down.dimensions == [96, 64])
        #expect(!layer.isDownTransposed)
        #expect(weights.positionEmbedding?.name == "position_embd.weight")
        #expect(weights.outputNorm.bias?.name == "output_norm.bias")
        #expect(weights.isOutputTied)
    }

    @Test(arguments: WeightFormat.allCases, [false, true])
    func `Byte counts add up to all tensors of the file`(
        format: WeightFormat, isDownTransposed: Bool
    ) throws {
        let builder = TinyOPT.builder(
            layers: 3, format: format, isDownTransposed: isDownTransposed)
        let counts = try read(builder).weights.byteCounts
        #expect(counts.total == builder.tensors.reduce(0) { $0 + $1.bytes.count })
        // q, k, v, output and down, 64 floats each: the up bias goes with its neurons.
        #expect(counts.biases == 3 * 5 * 64 * 4)
        #expect(counts.positionEmbedding == 258 * 64 * 2)
    }

    @Test func `A down projection stored by neurons is accepted under its name`() throws {
        let layer = try read(TinyOPT.builder(isDownTransposed: true)).weights.layers[0]
        #expect(layer.down.name == "blk.0.ffn_down_t.weight")
        #expect(layer.down.dimensions == [64, 96])
        #expect(layer.isDownTransposed)
        let name = "blk.1.ffn_down_t.weight"
        expectRefusal(
            .tensor(name), .wrongShape(found: [96, 64], expected: [64, 96]),
            isDownTransposed: true
        ) { $0.editTensor(name) { $0.dimensions = [96, 64] } }
        // One of the two would be ignored.
        expectRefusal(
            .tensor("blk.0.ffn_down.weight"),
            .unexpectedTensor(reason: "has no place in the opt architecture as computed here"),
            isDownTransposed: true
        ) { builder in
            let other = TinyOPT.builder()
            builder.tensors += other.tensors.filter {
                text($0.name) == "blk.0.ffn_down.weight"
            }
        }
    }

    @Test func `Every tensor is missed by name`() {
        for tensor in TinyOPT.builder().tensors {
            let name = text(tensor.name)
            expectRefusal(.tensor(name), .missing) { $0.removeTensor(name) }
        }
    }

    @Test func `Every tensor of a wrong shape is refused with both shapes`() {
        for tensor in TinyOPT.builder().tensors {
            let right = tensor.dimensions.map(Int.init)
            let wrong = [right[0] / 2] + right.dropFirst()
            expectRefusal(
                .tensor(text(tensor.name)), .wrongShape(found: wrong, expected: right)
            ) { $0.editTensor(text(tensor.name)) { $0.dimensions = wrong.map(UInt64.init) } }
        }
    }

    /// Positions use rows 2 and up: a table as long as the context is two rows too short.
    @Test func `A position table without the two unused rows is refused`() {
        expectRefusal(
            .tensor("position_embd.weight"), .wrongShape(found: [64, 256], expected: [64, 258])
        ) { $0.editTensor("position_embd.weight") { $0.dimensions = [64, 256] } }
    }

    @Test(arguments: ["blk.0.ffn_up.bias", "blk.1.attn_q.bias", "output_norm.bias"])
    func `Biases may be F16 but not quantised`(name: String) throws {
        let count = name == "blk.0.ffn_up.bias" ? 96 : 64
        let ones = [Float](repeating: 1, count: count)
        var builder = TinyOPT.builder()
        builder.editTensor(name) {
            $0.typeCode = WeightFormat.f16.typeCode
            $0.bytes = WeightFormat.f16.encode(ones)
        }
        _ = try read(builder)
        expectRefusal(.tensor(name), .quantised(typeName: "Q8_0")) {
            $0.editTensor(name) {
                $0.typeCode = WeightFormat.q8_0.typeCode
                $0.bytes = WeightFormat.q8_0.encode(ones)
            }
        }
    }

    @Test(arguments: [
        ("blk.0.ffn_gate.weight", "has no place in the opt architecture as computed here"),
        ("rope_freqs.weight", "has no place in the opt architecture as computed here"),
        ("token_embd.bias", "has no place in the opt architecture as computed here"),
        ("blk.2.ffn_up.bias", "belongs to layer 2, but opt.block_count is 2"),
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
