/// SentencePiece's BPE: scalars join where the joined text is a token, best score first. Scalars
/// outside the vocabulary become byte tokens. Spaces are part of the text.
///
/// Source: Kudo and Richardson 2018, arXiv:1808.06226; llama.cpp's `llm_tokenizer_spm`. As in
/// SentencePiece, and unlike llama.cpp, text never joins into a control or byte token.
struct SentencePieceModel: Sendable, MergeRule {
    private let texts: ByteStringTable
    /// Rank of each token's score, 0 the best, equal scores sharing one, [vocabulary].
    private let priorities: [UInt32]
    /// Token of each byte, or -1, [256].
    private let byteTokens: [Int32]
    private let unknownToken: Int32
    private let addsSpacePrefix: Bool
    /// Whether no token goes on after a space that follows a non-space. Then words never join, and
    /// each can be merged alone, which is faster.
    private let wordsAreSeparate: Bool

    init(_ tables: TokenizerTables, _ vocabulary: Vocabulary) throws(TokenizerError) {
        guard tables.scores.count == tables.tokens.count else {
            throw .countMismatch(
                table: "scores", count: tables.scores.count, tokenCount: tables.tokens.count)
        }
        if let id = tables.scores.firstIndex(where: \.isNaN) { throw .scoreNotANumber(id: id) }
        texts = vocabulary.texts
        priorities = Self.priorities(tables.scores)
        addsSpacePrefix = tables.addsSpacePrefix
        var byteTokens = [Int32](repeating: -1, count: 256)
        var wordsAreSeparate = true
        for (id, kind) in vocabulary.kinds.enumerated() {
            let range = texts.range(of: id)
            if kind == .byte {
                let byte = Int(texts[id][range.lowerBound])
                if byteTokens[byte] >= 0 {
                    throw .duplicateToken(
                        first: Int(byteTokens[byte]), second: id,
                        text: String(decoding: tables.tokens[id], as: UTF8.self))
                }
                byteTokens[byte] = Int32(id)
            } else if kind == .normal, Self.hasInnerSpace(texts[id]) {
                wordsAreSeparate = false
            }
        }
        let unknown =
            tables.unknownToken
            ?? vocabulary.kinds.firstIndex(of: .unknown).map(Int32.init)
        if unknown == nil, let byte = byteTokens.firstIndex(of: -1) {
            throw .noFallback(byte: UInt8(byte))
        }
        self.byteTokens = byteTokens
        self.wordsAreSeparate = wordsAreSeparate
        unknownToken = unknown ?? -1
    }

    private static func priorities(_ scores: [Float]) -> [UInt32] {
        let order = scores.indices.sorted { scores[$0] > scores[$1] }
        var priorities = [UInt32](repeating: 0, count: scores.count)
        var rank: UInt32 = 0
        for (position, id) in order.enumerated() {
            if position > 0, scores[order[position - 1]] != scores[id] { rank += 1 }
            priorities[id] = rank
        }
        return priorities
    }

    private static func hasInnerSpace(_ text: ArraySlice<UInt8>) -> Bool {
        guard let word = text.firstIndex(where: { $0 != UInt8(ascii: " ") }) else { return false }
        return text[word...].contains(UInt8(ascii: " "))
    }

    func merge(of left: Symbol, with right: Symbol, in text: [UInt8]) -> Merge {
        let start = Int(left.start)
        let end = start + Int(left.byteCount) + Int(right.byteCount)
        guard let id = texts.find(text, start..<end) else { return .none }
        return Merge(priority: priorities[id], id: Int32(id))
    }

    /// Appends the tokens of one stretch of text: all of it, or what lies between tokens that were
    /// cut out. Each stretch gets a space prefix, as in llama.cpp.
    ///
    /// - Parameter range: bytes of `text`, whole scalars in valid UTF-8, not empty.
    func encode(
        _ text: [UInt8], _ range: Range<Int>,
        workspace: inout EncodingWorkspace, to tokens: inout [Int32]
    ) {
        var spelled: [UInt8] = []
        spelled.reserveCapacity(range.count + 1)
        if addsSpacePrefix { spelled.append(UInt8(ascii: " ")) }
        Spelling.append(text[range], replacingSpaceMarksTo: &spelled)
        var start = 0
        while start < spelled.count {
            let end = wordsAreSeparate ? Self.wordEnd(spelled, start) : spelled.count
            encode(word: start..<end, of: spelled, merging: &workspace.merging, to: &tokens)
            start = end
        }
    }

    /// End of the spaces and of the non-spaces that follow them.
    private static func wordEnd(_ text: [UInt8], _ start: Int) -> Int {
        var end = start
        while end < text.count, text[end] == UInt8(ascii: " ") { end += 1 }
        while end < text.count, text[end] != UInt8(ascii: " ") { end += 1 }
        return end
    }

    private func encode(
        word: Range<Int>, of text: [UInt8], merging: inout MergeWorkspace,
        to tokens: inout [Int32]
    ) {
        merging.symbols.removeAll(keepingCapacity: true)
        var index = word.lowerBound
        while index < word.upperBound {
            let (_, byteCount) = UTF8Text.scalar(in: text, at: index)
            merging.symbols.append(
                Symbol(start: Int32(index), byteCount: Int32(byteCount), id: -1))
            index += byteCount
        }
        merging.mergeAll(by: self, in: text)
        for symbol in merging.symbols {
            if symbol.id >= 0 {
                tokens.append(symbol.id)
                continue
            }
            let range = Int(symbol.start)..<Int(symbol.start + symbol.byteCount)
            if let id = texts.find(text, range) {
                tokens.append(Int32(id))
            } else {
                appendBytes(of: text[range], to: &tokens)
            }
        }
    }

    private func appendBytes(of scalar: ArraySlice<UInt8>, to tokens: inout [Int32]) {
        // Text that reaches byte fallback must come back as it was spelled for training.
        let bytes = scalar.elementsEqual([UInt8(ascii: " ")]) ? [0xE2, 0x96, 0x81] : scalar
        if bytes.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
            for byte in bytes { tokens.append(byteTokens[Int(byte)]) }
        } else {
            tokens.append(unknownToken)
        }
    }
}
