package import WeightFormats

/// Small random models of the OPT architecture, as ``TinyLlama``, with the same tokenizer cutting
/// words by GPT-2's rule.
///
/// Biases of up lie around -0.5, so that ReLU leaves about a third of the neurons active; the
/// others lie around 0.
package enum TinyOPT {
    /// Rows of the position table that no position uses.
    package static let unusedPositionRows = 2

    /// - Parameters:
    ///   - format: of all matrices but the embeddings.
    ///   - isDownTransposed: whether the down projection lies by neurons, as `ffn_down_t`.
    package static func builder(
        layers: Int = 2, hidden: Int = 64, heads: Int = 4, feedForward: Int = 96,
        vocabulary: Int = 288, format: WeightFormat = .f32, seed: UInt64 = 1,
        contextLength: Int = 256, isDownTransposed: Bool = false
    ) -> GGUFBuilder {
        precondition(layers > 0)
        precondition(hidden.isMultiple(of: heads))
        precondition(vocabulary >= TinyLlama.smallestVocabulary)
        var file = GGUFBuilder()
        file["general.architecture"] = .text("opt")
        file["general.name"] = .text("tiny")
        file["opt.block_count"] = .uint32(UInt32(layers))
        file["opt.context_length"] = .uint32(UInt32(contextLength))
        file["opt.embedding_length"] = .uint32(UInt32(hidden))
        file["opt.feed_forward_length"] = .uint32(UInt32(feedForward))
        file["opt.attention.head_count"] = .uint32(UInt32(heads))
        file["opt.attention.layer_norm_epsilon"] = .float32(1e-5)
        file.addByteLevelTokenizer(vocabulary: vocabulary, preTokenizer: "gpt-2")

        var writer = WeightWriter(seed: seed)
        writer.addMatrix("token_embd", hidden, vocabulary, .f16, spread: 3, to: &file)
        writer.addMatrix(
            "position_embd", hidden, contextLength + unusedPositionRows, .f16, spread: 2,
            to: &file)
        for layer in 0..<layers {
            let prefix = "blk.\(layer)."
            writer.addLayerNorm(prefix + "attn_norm", hidden, to: &file)
            for name in ["attn_q", "attn_k", "attn_v", "attn_output"] {
                writer.addMatrix(prefix + name, hidden, hidden, format, to: &file)
                writer.addVector(prefix + name + ".bias", hidden, around: 0, to: &file)
            }
            writer.addLayerNorm(prefix + "ffn_norm", hidden, to: &file)
            writer.addMatrix(prefix + "ffn_up", hidden, feedForward, format, to: &file)
            writer.addVector(prefix + "ffn_up.bias", feedForward, around: -0.5, to: &file)
            if isDownTransposed {
                writer.addMatrix(prefix + "ffn_down_t", hidden, feedForward, format, to: &file)
            } else {
                writer.addMatrix(prefix + "ffn_down", feedForward, hidden, format, to: &file)
            }
            writer.addVector(prefix + "ffn_down.bias", hidden, around: 0, to: &file)
        }
        writer.addLayerNorm("output_norm", hidden, to: &file)
        return file
    }
}

extension WeightWriter {
    fileprivate mutating func addLayerNorm(
        _ name: String, _ count: Int, to file: inout GGUFBuilder
    ) {
        addNorm(name, count, to: &file)
        addVector(name + ".bias", count, around: 0, to: &file)
    }
}
