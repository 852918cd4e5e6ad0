// What the builders of tiny models share: a tokenizer, and random weights.

import SeededRandom
import WeightFormats

extension GGUFBuilder {
    /// The tokenizer of ``TinyLlama``, which cuts text into words by the rule named.
    mutating func addByteLevelTokenizer(vocabulary: Int, preTokenizer: String) {
        let normal: Int32 = 1
        let control: Int32 = 3
        let unused: Int32 = 5
        var tokens = TinyLlama.byteAlphabet().map { Array(String($0).utf8) }
        tokens += ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map { Array($0.utf8) }
        var types = [Int32](repeating: normal, count: 256) + [control, control, control]
        for number in TinyLlama.smallestVocabulary..<vocabulary {
            tokens.append(Array("<|unused_\(number)|>".utf8))
            types.append(unused)
        }
        self["tokenizer.ggml.model"] = .text("gpt2")
        self["tokenizer.ggml.pre"] = .text(preTokenizer)
        self["tokenizer.ggml.tokens"] = .strings(tokens)
        self["tokenizer.ggml.token_type"] = .int32s(types)
        self["tokenizer.ggml.merges"] = .strings([])
        self["tokenizer.ggml.bos_token_id"] = .uint32(UInt32(TinyLlama.turnStart))
        self["tokenizer.ggml.eos_token_id"] = .uint32(UInt32(TinyLlama.turnEnd))
        self["tokenizer.ggml.unknown_token_id"] = .uint32(UInt32(TinyLlama.endOfText))
        self["tokenizer.ggml.add_bos_token"] = .bool(0)
        self["tokenizer.ggml.add_space_prefix"] = .bool(0)
    }
}

/// Draws random weights and adds them to a file.
struct WeightWriter {
    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// - Parameter spread: standard deviation, in units of 1 / √columns.
    mutating func addMatrix(
        _ name: String, _ columns: Int, _ rows: Int, _ format: WeightFormat, spread: Float = 1,
        to file: inout GGUFBuilder
    ) {
        precondition(columns.isMultiple(of: format.elementsPerBlock))
        // A uniform variable on ±b has variance b²/3.
        let bound = spread * (3 / Float(columns)).squareRoot()
        let values = (0..<columns * rows).map { _ in bound * symmetric() }
        file.tensors.append(
            .init(
                name: name + ".weight", typeCode: format.typeCode,
                dimensions: [UInt64(columns), UInt64(rows)], bytes: format.encode(values)))
    }

    /// Norm weights near 1.
    mutating func addNorm(_ name: String, _ count: Int, to file: inout GGUFBuilder) {
        addVector(name + ".weight", count, around: 1, to: &file)
    }

    /// Uniform in `center` ± 0.25, float32.
    mutating func addVector(
        _ name: String, _ count: Int, around center: Float, to file: inout GGUFBuilder
    ) {
        let values = (0..<count).map { _ in center + 0.25 * symmetric() }
        file.tensors.append(
            .init(
                name: name, typeCode: WeightFormat.f32.typeCode, dimensions: [UInt64(count)],
                bytes: WeightFormat.f32.encode(values)))
    }

    /// Uniform in [-1, 1).
    private mutating func symmetric() -> Float { Float(2 * random.nextUnitInterval() - 1) }
}
