package import WeightFormats

/// Small random models of the llama architecture, whole and valid, as GGUF files in memory.
///
/// Weights are uniform with a variance of 1 / columns, so that activations keep their size
/// through the layers; the embedding is three times that wide, so that logits differ clearly.
/// The tokenizer is byte-level: token `b` below 256 is the byte `b`, then come
/// ``endOfText``, ``turnStart``, ``turnEnd`` and unused tokens. Equal arguments, equal bytes.
package enum TinyLlama {
    package static let endOfText = 256
    package static let turnStart = 257
    package static let turnEnd = 258
    package static let smallestVocabulary = 259

    /// A complete model file.
    ///
    /// - Parameters:
    ///   - format: of all matrices but the embedding; hidden, heads × head size and feedForward
    ///     must then be multiples of 32 where it is quantised.
    ///   - embeddingFormat: of the embedding and the output, `format` unless given.
    package static func build(
        layers: Int = 2, hidden: Int = 64, heads: Int = 4, kvHeads: Int = 2,
        feedForward: Int = 96, vocabulary: Int = 288, format: WeightFormat = .f32,
        seed: UInt64 = 1, embeddingFormat: WeightFormat? = nil, isOutputTied: Bool = true,
        contextLength: Int = 256, chatTemplate: String? = nil
    ) -> [UInt8] {
        builder(
            layers: layers, hidden: hidden, heads: heads, kvHeads: kvHeads,
            feedForward: feedForward, vocabulary: vocabulary, format: format, seed: seed,
            embeddingFormat: embeddingFormat, isOutputTied: isOutputTied,
            contextLength: contextLength, chatTemplate: chatTemplate
        ).build()
    }

    /// The same before it is written, for tests that want it changed.
    package static func builder(
        layers: Int = 2, hidden: Int = 64, heads: Int = 4, kvHeads: Int = 2,
        feedForward: Int = 96, vocabulary: Int = 288, format: WeightFormat = .f32,
        seed: UInt64 = 1, embeddingFormat: WeightFormat? = nil, isOutputTied: Bool = true,
        contextLength: Int = 256, chatTemplate: String? = nil
    ) -> GGUFBuilder {
        precondition(layers > 0)
        precondition(hidden.isMultiple(of: heads))
        precondition(heads.isMultiple(of: kvHeads))
        precondition((hidden / heads).isMultiple(of: 2), "rotation works on pairs")
        precondition(vocabulary >= smallestVocabulary)
        var file = GGUFBuilder()
        file["general.architecture"] = .text("llama")
        file["general.name"] = .text("tiny")
        file["llama.block_count"] = .uint32(UInt32(layers))
        file["llama.context_length"] = .uint32(UInt32(contextLength))
        file["llama.embedding_length"] = .uint32(UInt32(hidden))
        file["llama.feed_forward_length"] = .uint32(UInt32(feedForward))
        file["llama.attention.head_count"] = .uint32(UInt32(heads))
        file["llama.attention.head_count_kv"] = .uint32(UInt32(kvHeads))
        file["llama.attention.layer_norm_rms_epsilon"] = .float32(1e-5)
        file["llama.rope.dimension_count"] = .uint32(UInt32(hidden / heads))
        file["llama.rope.freq_base"] = .float32(10_000)
        file["llama.vocab_size"] = .uint32(UInt32(vocabulary))
        file.addByteLevelTokenizer(vocabulary: vocabulary, preTokenizer: "smollm")
        if let chatTemplate { file["tokenizer.chat_template"] = .text(chatTemplate) }

        var writer = WeightWriter(seed: seed)
        let outer = embeddingFormat ?? format
        writer.addMatrix("token_embd", hidden, vocabulary, outer, spread: 3, to: &file)
        for layer in 0..<layers {
            let prefix = "blk.\(layer)."
            let keyValueSize = hidden / heads * kvHeads
            writer.addNorm(prefix + "attn_norm", hidden, to: &file)
            writer.addMatrix(prefix + "attn_q", hidden, hidden, format, to: &file)
            writer.addMatrix(prefix + "attn_k", hidden, keyValueSize, format, to: &file)
            writer.addMatrix(prefix + "attn_v", hidden, keyValueSize, format, to: &file)
            writer.addMatrix(prefix + "attn_output", hidden, hidden, format, to: &file)
            writer.addNorm(prefix + "ffn_norm", hidden, to: &file)
            writer.addMatrix(prefix + "ffn_gate", hidden, feedForward, format, to: &file)
            writer.addMatrix(prefix + "ffn_up", hidden, feedForward, format, to: &file)
            writer.addMatrix(prefix + "ffn_down", feedForward, hidden, format, to: &file)
        }
        writer.addNorm("output_norm", hidden, to: &file)
        if !isOutputTied {
            writer.addMatrix("output", hidden, vocabulary, outer, spread: 3, to: &file)
        }
        return file
    }

    /// The visible character that stands for each byte in byte-level vocabularies: itself where
    /// Latin-1 prints it, otherwise the next one from U+0100 on. Source: GPT-2's encoder.
    package static func byteAlphabet() -> [Unicode.Scalar] {
        let printable: [ClosedRange<UInt8>] = [33...126, 161...172, 174...255]
        var replacements: UInt8 = 0
        return (UInt8.min...UInt8.max).map { byte in
            if printable.contains(where: { $0.contains(byte) }) { return Unicode.Scalar(byte) }
            // U+0100 + n: two bytes of UTF-8 in Latin Extended-A, never a surrogate.
            defer { replacements += 1 }
            return Unicode.Scalar(0x100 + UInt16(replacements)) ?? Unicode.Scalar(byte)
        }
    }
}
