/// The vocabulary of a model as its GGUF file carries it, not yet checked.
///
/// The caller reads these from the keys `tokenizer.ggml.*`; `Tokenizer.init` decides whether they
/// make sense. Source of names and values: the GGUF specification, section "Tokenizer".
package struct TokenizerTables: Sendable {
    /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece-style BPE).
    package var model: String
    /// `tokenizer.ggml.pre`: how BPE cuts text into words. Not used by `llama`.
    package var preTokenizer: String
    /// Text of each token, index = token id, bytes exactly as stored, [vocabulary].
    package var tokens: [[UInt8]]
    /// Merge priority of each token for `llama`, higher first, [vocabulary]; `gpt2` needs none.
    package var scores: [Float]
    /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte, [vocabulary].
    /// Empty means that all are normal.
    package var tokenTypes: [Int32]
    /// Pairs `left right` joined by one space, most important first; only for `gpt2`.
    package var merges: [[UInt8]]
    package var beginToken: Int32?
    package var endToken: Int32?
    package var endOfTurnToken: Int32?
    package var unknownToken: Int32?
    /// `tokenizer.ggml.add_bos_token`: the model expects `beginToken` before its input.
    package var addsBeginToken: Bool
    /// `tokenizer.ggml.add_space_prefix`: `llama` writes a space before the first word.
    package var addsSpacePrefix: Bool

    /// Leaving out `addsBeginToken` or `addsSpacePrefix` gives what a file without the key means.
    package init(
        model: String, preTokenizer: String = "default", tokens: [[UInt8]],
        scores: [Float] = [], tokenTypes: [Int32] = [], merges: [[UInt8]] = [],
        beginToken: Int32? = nil, endToken: Int32? = nil, endOfTurnToken: Int32? = nil,
        unknownToken: Int32? = nil, addsBeginToken: Bool? = nil, addsSpacePrefix: Bool? = nil
    ) {
        self.model = model
        self.preTokenizer = preTokenizer
        self.tokens = tokens
        self.scores = scores
        self.tokenTypes = tokenTypes
        self.merges = merges
        self.beginToken = beginToken
        self.endToken = endToken
        self.endOfTurnToken = endOfTurnToken
        self.unknownToken = unknownToken
        self.addsBeginToken =
            addsBeginToken
            ?? (beginToken != nil
                && Self.addsBeginTokenByDefault(
                    model: model, preTokenizer: preTokenizer))
        self.addsSpacePrefix = addsSpacePrefix ?? (model == "llama")
    }

    /// Whether a file that does not say so wants `beginToken` prepended: SentencePiece models and
    /// the Llama 3 family do, other byte-level models do not. Source: llama.cpp, `llama-vocab`.
    package static func addsBeginTokenByDefault(model: String, preTokenizer: String) -> Bool {
        model == "llama" || WordRule(preTokenizer: preTokenizer)?.prefersWholeWords == true
    }
}

/// What a token stands for; the raw values are GGUF's.
enum TokenKind: Int32, Sendable {
    case normal = 1
    case unknown = 2
    case control = 3
    case userDefined = 4
    case unused = 5
    case byte = 6
}
