/// Turns text into the token ids of one model and back.
///
/// Immutable and free of I/O: it is made from the tables that the model file carries, checks them
/// once, and then works for any text. Time is linear in the text but for the longest word, whose
/// n bytes cost n log n.
package struct Tokenizer: Sendable {
    package static let maximumTokenCount = 1 << 22
    package static let maximumMergeCount = 1 << 24
    package static let maximumVocabularyByteCount = 1 << 30
    /// Longest text in bytes that can be encoded.
    package static let maximumTextByteCount = 1 << 30

    private enum Model: Sendable {
        case bytePair(BytePairModel)
        case sentencePiece(SentencePieceModel)
    }

    private let model: Model
    private let vocabulary: Vocabulary
    private let specialTokens: SpecialTokenMatcher

    /// The token to put before the model's input; `nil` when the model wants none.
    package let beginToken: Int32?
    /// Tokens after which the model has nothing more to say: those that the file names as end of
    /// text and end of turn, and control tokens whose text is a known end marker.
    package let endOfGenerationTokens: Set<Int32>
    /// What a chat template knows as `bos_token`, empty if the model has none.
    package let beginText: String
    /// What a chat template knows as `eos_token`, empty if the model has none.
    package let endText: String
    /// Whether the text of a whole sequence begins with a space that encoding has added; pass it to
    /// `StreamingDecoder` when decoding from a sequence's start, and `false` for a continuation.
    package let addsLeadingSpace: Bool

    package var vocabularySize: Int { vocabulary.kinds.count }

    /// - Throws: the first thing that is wrong with the tables.
    package init(_ tables: TokenizerTables) throws(TokenizerError) {
        switch tables.model {
        case "gpt2":
            vocabulary = try Vocabulary(tables, spelling: .byteAlphabet)
            model = .bytePair(try BytePairModel(tables, vocabulary))
        case "llama":
            vocabulary = try Vocabulary(tables, spelling: .sentencePiece)
            model = .sentencePiece(try SentencePieceModel(tables, vocabulary))
        default:
            throw .unsupportedModel(tables.model)
        }
        guard !tables.addsBeginToken || tables.beginToken != nil else { throw .missingBeginToken }
        specialTokens = SpecialTokenMatcher(vocabulary)
        beginToken = tables.addsBeginToken ? tables.beginToken : nil
        addsLeadingSpace = tables.model == "llama" && tables.addsSpacePrefix
        func text(_ id: Int32?) -> String {
            id.map { String(decoding: tables.tokens[Int($0)], as: UTF8.self) } ?? ""
        }
        beginText = text(tables.beginToken)
        endText = text(tables.endToken)
        var ends = Set([tables.endToken, tables.endOfTurnToken].compactMap(\.self))
        for marker in Self.endMarkers {
            guard let id = vocabulary.specialIDs[Array(marker.utf8)],
                vocabulary.kinds[Int(id)] == .control
            else { continue }
            ends.insert(id)
        }
        endOfGenerationTokens = ends
    }

    /// Source: llama.cpp, `llama-vocab`, list of end-of-generation texts.
    private static let endMarkers = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>",
        "<|endoftext|>", "<|eom_id|>", "<EOT>", "_<EOT>", "<|end_of_text|>", "</s>",
        "<end_of_utterance>", "<\u{FF5C}end\u{2581}of\u{2581}sentence\u{FF5C}>",
    ]

    // MARK: Text to tokens

    /// The tokens of `text`, without a begin token.
    ///
    /// User-defined tokens are ordinary text to every model and are always recognised; control
    /// tokens such as `<|im_end|>` only on request.
    ///
    /// - Parameter parsingSpecialTokens: whether control tokens written out in `text` become
    ///   those tokens. Never say so of text that comes from somebody else.
    package func encode(_ text: String, parsingSpecialTokens: Bool) -> [Int32] {
        let bytes = Array(text.utf8)
        return encode(bytes, trusted: parsingSpecialTokens ? [0..<bytes.count] : [])
    }

    /// The tokens of a rendered chat, without a begin token.
    ///
    /// Control tokens are recognised only where all their text comes from the template. What is
    /// left is encoded across segments, so the tokens are those of the whole text.
    package func encode(_ segments: [ChatSegment]) -> [Int32] {
        var bytes: [UInt8] = []
        var trusted: [Range<Int>] = []
        for segment in segments {
            let start = bytes.count
            bytes.append(contentsOf: segment.text.utf8)
            guard segment.isTemplateText else { continue }
            if let last = trusted.last, last.upperBound == start {
                trusted[trusted.count - 1] = last.lowerBound..<bytes.count
            } else {
                trusted.append(start..<bytes.count)
            }
        }
        return encode(bytes, trusted: trusted)
    }

    /// - Parameter trusted: ascending ranges of `text` that may contain control tokens.
    private func encode(_ text: [UInt8], trusted: [Range<Int>]) -> [Int32] {
        precondition(text.count <= Self.maximumTextByteCount)
        var tokens: [Int32] = []
        var workspace = EncodingWorkspace()
        var stretchStart = 0
        var index = 0
        var trustedRange = 0
        while index < text.count {
            while trustedRange < trusted.count, trusted[trustedRange].upperBound <= index {
                trustedRange += 1
            }
            let isTrusted = trustedRange < trusted.count && trusted[trustedRange].contains(index)
            let trustedEnd = isTrusted ? trusted[trustedRange].upperBound : index
            guard let match = specialTokens.match(in: text, at: index, trustedEnd: trustedEnd)
            else {
                index += 1
                continue
            }
            encode(text, stretchStart..<index, workspace: &workspace, to: &tokens)
            tokens.append(match.id)
            index += match.byteCount
            stretchStart = index
        }
        encode(text, stretchStart..<index, workspace: &workspace, to: &tokens)
        return tokens
    }

    /// Encodes what lies between two tokens that were cut out.
    private func encode(
        _ text: [UInt8], _ range: Range<Int>, workspace: inout EncodingWorkspace,
        to tokens: inout [Int32]
    ) {
        guard !range.isEmpty else { return }
        switch model {
        case .bytePair(let model):
            model.encode(
                text, range, vocabulary: vocabulary, workspace: &workspace, to: &tokens)
        case .sentencePiece(let model):
            model.encode(text, range, workspace: &workspace, to: &tokens)
        }
    }

    // MARK: Tokens to text

    /// The bytes that a token stands for; not always whole UTF-8 sequences.
    ///
    /// In the `llama` family a word's token includes the space before it, so the first word of a
    /// sequence has one too: see `addsLeadingSpace`.
    ///
    /// - Parameters:
    ///   - token: below `vocabularySize`.
    ///   - renderingSpecialTokens: whether control tokens give their name or nothing.
    package func bytes(of token: Int32, renderingSpecialTokens: Bool) -> [UInt8] {
        precondition(token >= 0)
        precondition(Int(token) < vocabularySize)
        let kind = vocabulary.kinds[Int(token)]
        guard renderingSpecialTokens || !kind.isControl else { return [] }
        return Array(vocabulary.texts[Int(token)])
    }
}

/// Buffers that live as long as one call of `encode`.
struct EncodingWorkspace {
    var scanned = ScannedText()
    var merging = MergeWorkspace()
}
