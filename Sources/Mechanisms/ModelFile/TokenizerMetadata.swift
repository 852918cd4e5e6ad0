/// What a model file says about its tokenizer, copied out and checked for consistency.
///
/// Plain data: the tokenizer itself lives elsewhere and knows nothing of files.
package struct TokenizerMetadata: Sendable {
    /// As the file numbers them; a number beyond these is refused.
    package enum TokenType: Int, Sendable {
        case undefined, normal, unknown, control, userDefined, unused, byte
    }

    /// `gpt2` (byte-level BPE) or `llama` (SentencePiece-style), among others.
    package let model: String
    /// Name of the pre-tokenizer, such as `smollm`, where the file has one.
    package let preTokenizer: String?
    /// The vocabulary: token id to bytes, as stored (not yet byte-decoded).
    package let tokens: [[UInt8]]
    /// One per token, or none at all.
    package let scores: [Float]
    /// One per token, or none at all.
    package let tokenTypes: [TokenType]
    /// Pairs in order of rank, each as stored: two tokens with a space between them.
    package let merges: [[UInt8]]

    /// Token ids; each lies inside the vocabulary.
    package let beginOfText: Int?
    package let endOfText: Int?
    package let endOfTurn: Int?
    package let endOfMessage: Int?
    package let unknown: Int?
    package let padding: Int?

    /// `nil` where the file does not say; the default depends on the model.
    package let addsBeginOfText: Bool?
    package let addsEndOfText: Bool?
    package let addsSpacePrefix: Bool?

    /// Jinja source, where the model has one.
    package let chatTemplate: String?
}

extension TokenizerMetadata {
    /// No published vocabulary is a quarter of this; more is a damaged file.
    package static let tokenCountLimit = 1 << 22

    /// Copies the tokenizer's tables out of a file.
    ///
    /// - Complexity: linear in the tables; allocates every token and merge.
    package static func read(from file: ModelFile) throws(ModelFileError) -> TokenizerMetadata {
        let metadata = file.metadata
        let prefix = "tokenizer.ggml."
        let tokensKey = prefix + "tokens"
        let model = try metadata.requiredString(prefix + "model")
        guard let tokens = try metadata.byteStrings(tokensKey, maximumCount: tokenCountLimit)
        else { throw metadata.refusal(tokensKey, .missing) }
        guard !tokens.isEmpty else {
            throw metadata.refusal(
                tokensKey, .outOfRange(value: "0 elements", allowed: "at least 1"))
        }
        func identifier(_ key: String) throws(ModelFileError) -> Int? {
            try metadata.integer(prefix + key + "_token_id", in: 0...tokens.count - 1)
        }
        return TokenizerMetadata(
            model: model,
            preTokenizer: try metadata.string(prefix + "pre"),
            tokens: tokens,
            scores: try onePerToken(
                metadata, prefix + "scores", tokens.count,
                try metadata.floats(prefix + "scores", maximumCount: tokenCountLimit)),
            tokenTypes: try onePerToken(
                metadata, prefix + "token_type", tokens.count, try tokenTypes(metadata)),
            merges: try metadata.byteStrings(
                prefix + "merges", maximumCount: tokenCountLimit) ?? [],
            beginOfText: try identifier("bos"),
            endOfText: try identifier("eos"),
            endOfTurn: try identifier("eot"),
            endOfMessage: try identifier("eom"),
            unknown: try identifier("unknown"),
            padding: try identifier("padding"),
            addsBeginOfText: try metadata.boolean(prefix + "add_bos_token"),
            addsEndOfText: try metadata.boolean(prefix + "add_eos_token"),
            addsSpacePrefix: try metadata.boolean(prefix + "add_space_prefix"),
            chatTemplate: try metadata.string("tokenizer.chat_template"))
    }

    private static func tokenTypes(
        _ metadata: ModelMetadata
    ) throws(ModelFileError) -> [TokenType]? {
        try metadata.integers(
            "tokenizer.ggml.token_type", maximumCount: tokenCountLimit,
            in: 0...TokenType.byte.rawValue
        )?.map { TokenType(rawValue: $0) ?? .undefined }
    }

    private static func onePerToken<Element>(
        _ metadata: ModelMetadata, _ key: String, _ tokenCount: Int, _ elements: [Element]?
    ) throws(ModelFileError) -> [Element] {
        guard let elements else { return [] }
        guard elements.count == tokenCount else {
            throw metadata.refusal(
                key, .inconsistent("has \(elements.count) elements for \(tokenCount) tokens"))
        }
        return elements
    }
}
