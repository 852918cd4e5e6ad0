/// Sizes and constants of a decoder model, read from its metadata and validated.
///
/// What the values permit was checked once: later code may multiply and divide them freely.
/// Source: the keys of the GGUF specification; defaults as the families' reference code.
package struct DecoderShape: Equatable, Sendable {
    package let architecture: DecoderArchitecture
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
    package let positions: PositionEncoding
    package let normEpsilon: Float

    /// Query heads that share one key/value head.
    package var queryGroupSize: Int { headCount / keyValueHeadCount }

    /// Length of all query heads of a layer together.
    package var querySize: Int { headCount * headSize }

    /// Length of all key (or value) heads of a layer together.
    package var keyValueSize: Int { keyValueHeadCount * headSize }

    /// The rotation's constants, `nil` where positions are learned.
    package var rotary: RotaryEncoding? {
        switch positions {
        case .rotary(let encoding): encoding
        case .learned: nil
        }
    }
}

extension DecoderShape {
    /// Reads the hyperparameters of a file of any ``DecoderArchitecture``.
    package static func read(from file: ModelFile) throws(ModelFileError) -> DecoderShape {
        let reader = HyperparameterReader(
            metadata: file.metadata, architecture: try architecture(file.metadata))
        return try reader.shape()
    }

    private static func architecture(
        _ metadata: ModelMetadata
    ) throws(ModelFileError) -> DecoderArchitecture {
        let key = "general.architecture"
        let found = try metadata.requiredString(key)
        guard let architecture = DecoderArchitecture(rawValue: found) else {
            let known = DecoderArchitecture.allCases.map(\.rawValue).joined(separator: ", ")
            throw metadata.refusal(key, .unsupported(found: found, supported: known))
        }
        return architecture
    }
}

/// Reads the keys that begin with the architecture's name.
private struct HyperparameterReader {
    let metadata: ModelMetadata
    let architecture: DecoderArchitecture
    private static let headSizes = 1...4096
    /// OPT's table begins with two rows that no position uses: a relic of its padding token.
    private static let learnedRowOffset = 2

    init(metadata: ModelMetadata, architecture: DecoderArchitecture) {
        self.metadata = metadata
        self.architecture = architecture
    }

    private func key(_ name: String) -> String { "\(architecture.rawValue).\(name)" }

    func shape() throws(ModelFileError) -> DecoderShape {
        try requirePlainArchitecture()
        let hiddenSize = try metadata.requiredInteger(key("embedding_length"), in: 1...65_536)
        let headCount = try metadata.requiredInteger(key("attention.head_count"), in: 1...4096)
        let headSize = try headSize(hiddenSize: hiddenSize, headCount: headCount)
        return DecoderShape(
            architecture: architecture,
            layerCount: try metadata.requiredInteger(key("block_count"), in: 1...1024),
            contextLength: try metadata.requiredInteger(key("context_length"), in: 1...(1 << 24)),
            hiddenSize: hiddenSize,
            feedForwardSize: try metadata.requiredInteger(
                key("feed_forward_length"), in: 1...(1 << 20)),
            headCount: headCount, keyValueHeadCount: try keyValueHeadCount(headCount: headCount),
            headSize: headSize, vocabularySize: try vocabularySize(),
            positions: try positions(headSize: headSize),
            normEpsilon: try metadata.requiredFloat(
                key(architecture.normEpsilonKey), in: 1e-12...1))
    }

    private func positions(headSize: Int) throws(ModelFileError) -> PositionEncoding {
        switch architecture {
        case .llama:
            .rotary(
                RotaryEncoding(
                    dimensionCount: try rotaryDimensionCount(headSize: headSize),
                    base: try metadata.float(key("rope.freq_base"), in: 1...1e12) ?? 10_000,
                    positionDivisor: try rotaryPositionDivisor()))
        case .opt: .learned(rowOffset: Self.learnedRowOffset)
        }
    }

    /// Variants that share the name but compute something else.
    private func requirePlainArchitecture() throws(ModelFileError) {
        let expertKey = key("expert_count")
        let expertCount = try metadata.integer(expertKey, in: 0...Int.max) ?? 0
        guard expertCount == 0 else {
            throw metadata.refusal(
                expertKey,
                .unsupported(
                    found: "mixture of \(expertCount) experts", supported: "dense models"))
        }
        let causalKey = key("attention.causal")
        guard try metadata.boolean(causalKey) ?? true else {
            throw metadata.refusal(
                causalKey, .unsupported(found: "non-causal attention", supported: "causal"))
        }
    }

    private func headSize(hiddenSize: Int, headCount: Int) throws(ModelFileError) -> Int {
        let keyLength = try metadata.integer(key("attention.key_length"), in: Self.headSizes)
        let valueLength = try metadata.integer(key("attention.value_length"), in: Self.headSizes)
        guard let size = keyLength ?? evenQuotient(hiddenSize, headCount) else {
            throw metadata.refusal(
                key("attention.head_count"),
                .inconsistent("\(headCount) heads do not divide embedding_length \(hiddenSize)"))
        }
        guard valueLength == nil || valueLength == size else {
            throw metadata.refusal(
                key("attention.value_length"),
                .inconsistent("is \(valueLength ?? 0), but keys have \(size) elements"))
        }
        guard Self.headSizes.contains(size) else {
            throw metadata.refusal(
                key("attention.head_count"),
                .inconsistent("gives heads of \(size) elements; allowed: 1 to 4096"))
        }
        return size
    }

    private func evenQuotient(_ dividend: Int, _ divisor: Int) -> Int? {
        dividend.isMultiple(of: divisor) ? dividend / divisor : nil
    }

    private func keyValueHeadCount(headCount: Int) throws(ModelFileError) -> Int {
        let countKey = key("attention.head_count_kv")
        guard let count = try metadata.integer(countKey, in: 1...4096) else { return headCount }
        guard headCount.isMultiple(of: count) else {
            throw metadata.refusal(
                countKey, .inconsistent("\(count) key/value heads do not divide \(headCount) heads")
            )
        }
        return count
    }

    /// The tokens decide where the file has them: some files lack, or misstate, the size.
    private func vocabularySize() throws(ModelFileError) -> Int {
        let allowed = 1...TokenizerMetadata.tokenCountLimit
        let tokensKey = "tokenizer.ggml.tokens"
        guard let count = try metadata.arrayCount(tokensKey) else {
            return try metadata.requiredInteger(key("vocab_size"), in: allowed)
        }
        guard allowed.contains(count) else {
            throw metadata.refusal(
                tokensKey,
                .outOfRange(value: "\(count) elements", allowed: "1 to \(allowed.upperBound)"))
        }
        return count
    }

    private func rotaryDimensionCount(headSize: Int) throws(ModelFileError) -> Int {
        let countKey = key("rope.dimension_count")
        let count = try metadata.integer(countKey, in: 1...headSize) ?? headSize
        guard count.isMultiple(of: 2) else {
            throw metadata.refusal(
                countKey, .inconsistent("\(count) elements do not form pairs"))
        }
        return count
    }

    private func rotaryPositionDivisor() throws(ModelFileError) -> Float {
        let typeKey = key("rope.scaling.type")
        let type = try metadata.string(typeKey) ?? "linear"
        guard ["none", "linear"].contains(type) else {
            throw metadata.refusal(
                typeKey, .unsupported(found: type, supported: "none, linear"))
        }
        let magnitudeKey = key("rope.scaling.attn_factor")
        let magnitude = try metadata.float(magnitudeKey, in: 0...1e6) ?? 1
        guard magnitude == 1 else {
            throw metadata.refusal(
                magnitudeKey, .unsupported(found: "\(magnitude)", supported: "1"))
        }
        let oldFactor = try metadata.float(key("rope.scale_linear"), in: 0...1e6)
        let factor = try metadata.float(key("rope.scaling.factor"), in: 0...1e6) ?? oldFactor
        // Writers use 0 for "not scaled".
        guard type == "linear", let factor, factor > 0 else { return 1 }
        return factor
    }
}
