/// Sizes and constants of a llama-architecture model, read from its metadata and validated.
///
/// What the values permit was checked once: later code may multiply and divide them freely.
/// Source: the keys of the GGUF specification; defaults as the llama family's reference code.
package struct LlamaShape: Equatable, Sendable {
    package let layerCount: Int
    /// Positions that the model was trained for.
    package let contextLength: Int
    /// Length of the residual stream.
    package let hiddenSize: Int
    /// Neurons of one MLP.
    package let feedForwardSize: Int
    /// Query heads of a layer.
    package let headCount: Int
    /// Key/value heads of a layer; divides ``headCount``.
    package let keyValueHeadCount: Int
    /// Elements of one query, key or value head.
    package let headSize: Int
    package let vocabularySize: Int
    /// Leading elements of a head that are rotated, in interleaved pairs; even.
    package let rotaryDimensionCount: Int
    package let rotaryBase: Float
    /// Positions are divided by this (linear scaling); 1 where the model is not scaled.
    package let rotaryPositionDivisor: Float
    package let normEpsilon: Float

    /// Query heads that share one key/value head.
    package var queryGroupSize: Int { headCount / keyValueHeadCount }

    /// Length of all query heads of a layer together.
    package var querySize: Int { headCount * headSize }

    /// Length of all key (or value) heads of a layer together.
    package var keyValueSize: Int { keyValueHeadCount * headSize }
}

extension LlamaShape {
    private static let architecture = "llama"
    private static let architectureKey = "general.architecture"
    private static let headSizes = 1...4096

    /// Reads the hyperparameters of a file whose architecture is `llama`.
    package static func read(from file: ModelFile) throws(ModelFileError) -> LlamaShape {
        let metadata = file.metadata
        let found = try metadata.requiredString(architectureKey)
        guard found == architecture else {
            throw metadata.refusal(
                architectureKey, .unsupported(found: found, supported: architecture))
        }
        try requirePlainArchitecture(metadata)
        let hiddenSize = try metadata.requiredInteger("llama.embedding_length", in: 1...65_536)
        let headCount = try metadata.requiredInteger("llama.attention.head_count", in: 1...4096)
        let headSize = try headSize(metadata, hiddenSize: hiddenSize, headCount: headCount)
        return LlamaShape(
            layerCount: try metadata.requiredInteger("llama.block_count", in: 1...1024),
            contextLength: try metadata.requiredInteger("llama.context_length", in: 1...(1 << 24)),
            hiddenSize: hiddenSize,
            feedForwardSize: try metadata.requiredInteger(
                "llama.feed_forward_length", in: 1...(1 << 20)),
            headCount: headCount,
            keyValueHeadCount: try keyValueHeadCount(metadata, headCount: headCount),
            headSize: headSize,
            vocabularySize: try vocabularySize(metadata),
            rotaryDimensionCount: try rotaryDimensionCount(metadata, headSize: headSize),
            rotaryBase: try metadata.float("llama.rope.freq_base", in: 1...1e12) ?? 10_000,
            rotaryPositionDivisor: try rotaryPositionDivisor(metadata),
            normEpsilon: try metadata.requiredFloat(
                "llama.attention.layer_norm_rms_epsilon", in: 1e-12...1))
    }

    /// Variants that share the name `llama` but compute something else.
    private static func requirePlainArchitecture(
        _ metadata: ModelMetadata
    ) throws(ModelFileError) {
        let expertKey = "llama.expert_count"
        let expertCount = try metadata.integer(expertKey, in: 0...Int.max) ?? 0
        guard expertCount == 0 else {
            throw metadata.refusal(
                expertKey,
                .unsupported(
                    found: "mixture of \(expertCount) experts", supported: "dense models"))
        }
        let causalKey = "llama.attention.causal"
        guard try metadata.boolean(causalKey) ?? true else {
            throw metadata.refusal(
                causalKey, .unsupported(found: "non-causal attention", supported: "causal"))
        }
    }

    private static func headSize(
        _ metadata: ModelMetadata, hiddenSize: Int, headCount: Int
    ) throws(ModelFileError) -> Int {
        let keyLength = try metadata.integer("llama.attention.key_length", in: headSizes)
        let valueLength = try metadata.integer("llama.attention.value_length", in: headSizes)
        guard let size = keyLength ?? evenQuotient(hiddenSize, headCount) else {
            throw metadata.refusal(
                "llama.attention.head_count",
                .inconsistent("\(headCount) heads do not divide embedding_length \(hiddenSize)"))
        }
        guard valueLength == nil || valueLength == size else {
            throw metadata.refusal(
                "llama.attention.value_length",
                .inconsistent("is \(valueLength ?? 0), but keys have \(size) elements"))
        }
        guard headSizes.contains(size) else {
            throw metadata.refusal(
                "llama.attention.head_count",
                .inconsistent("gives heads of \(size) elements; allowed: 1 to 4096"))
        }
        return size
    }

    private static func evenQuotient(_ dividend: Int, _ divisor: Int) -> Int? {
        dividend.isMultiple(of: divisor) ? dividend / divisor : nil
    }

    private static func keyValueHeadCount(
        _ metadata: ModelMetadata, headCount: Int
    ) throws(ModelFileError) -> Int {
        let key = "llama.attention.head_count_kv"
        guard let count = try metadata.integer(key, in: 1...4096) else { return headCount }
        guard headCount.isMultiple(of: count) else {
            throw metadata.refusal(
                key, .inconsistent("\(count) key/value heads do not divide \(headCount) heads"))
        }
        return count
    }

    /// The tokens decide where the file has them: some files lack, or misstate, the size.
    private static func vocabularySize(_ metadata: ModelMetadata) throws(ModelFileError) -> Int {
        let allowed = 1...TokenizerMetadata.tokenCountLimit
        let key = "tokenizer.ggml.tokens"
        guard let count = try metadata.arrayCount(key) else {
            return try metadata.requiredInteger("llama.vocab_size", in: allowed)
        }
        guard allowed.contains(count) else {
            throw metadata.refusal(
                key,
                .outOfRange(value: "\(count) elements", allowed: "1 to \(allowed.upperBound)"))
        }
        return count
    }

    private static func rotaryDimensionCount(
        _ metadata: ModelMetadata, headSize: Int
    ) throws(ModelFileError) -> Int {
        let key = "llama.rope.dimension_count"
        let count = try metadata.integer(key, in: 1...headSize) ?? headSize
        guard count.isMultiple(of: 2) else {
            throw metadata.refusal(key, .inconsistent("\(count) elements do not form pairs"))
        }
        return count
    }

    private static func rotaryPositionDivisor(
        _ metadata: ModelMetadata
    ) throws(ModelFileError) -> Float {
        let typeKey = "llama.rope.scaling.type"
        let type = try metadata.string(typeKey) ?? "linear"
        guard ["none", "linear"].contains(type) else {
            throw metadata.refusal(
                typeKey, .unsupported(found: type, supported: "none, linear"))
        }
        let magnitudeKey = "llama.rope.scaling.attn_factor"
        let magnitude = try metadata.float(magnitudeKey, in: 0...1e6) ?? 1
        guard magnitude == 1 else {
            throw metadata.refusal(
                magnitudeKey, .unsupported(found: "\(magnitude)", supported: "1"))
        }
        let oldFactor = try metadata.float("llama.rope.scale_linear", in: 0...1e6)
        let factor = try metadata.float("llama.rope.scaling.factor", in: 0...1e6) ?? oldFactor
        // Writers use 0 for "not scaled".
        guard type == "linear", let factor, factor > 0 else { return 1 }
        return factor
    }
}
