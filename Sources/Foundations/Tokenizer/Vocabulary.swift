/// The checked tokens of a model: what each one is, what bytes it stands for, and which of them
/// ordinary text may become.
struct Vocabulary: Sendable {
    /// [vocabulary]
    let kinds: [TokenKind]
    /// Bytes that each token stands for; those that ordinary text may become are indexed.
    let texts: ByteStringTable
    /// Tokens that are cut out of text before anything else, by their text as stored.
    private(set) var specialIDs: [[UInt8]: Int32] = [:]

    /// - Parameter spelling: how the file writes the bytes of normal tokens.
    init(_ tables: TokenizerTables, spelling: Spelling) throws(TokenizerError) {
        try Self.checkSizes(tables)
        kinds = try Self.kinds(tables)
        var texts = ByteStringTable(
            stringCount: tables.tokens.count,
            byteCount: tables.tokens.reduce(0) { $0 + $1.count })
        var buffer: [UInt8] = []
        for (id, token) in tables.tokens.enumerated() {
            buffer.removeAll(keepingCapacity: true)
            let kind = kinds[id]
            let isText = try spelling.append(token, id: id, kind: kind, to: &buffer)
            texts.append(buffer)
            guard isText, !token.isEmpty else { continue }
            if let first = texts.index(id) { throw Self.duplicate(first, id, tables) }
        }
        for (id, kind) in kinds.enumerated() where kind.isCutOut && !tables.tokens[id].isEmpty {
            let token = tables.tokens[id]
            if let first = specialIDs.updateValue(Int32(id), forKey: token) {
                throw Self.duplicate(Int(first), id, tables)
            }
            buffer.removeAll(keepingCapacity: true)
            _ = try spelling.append(token, id: id, kind: .normal, to: &buffer)
            if let normal = texts.find(buffer, 0..<buffer.count), tables.tokens[normal] == token {
                throw Self.duplicate(min(normal, id), max(normal, id), tables)
            }
        }
        self.texts = texts
    }

    private static func duplicate(
        _ first: Int, _ second: Int, _ tables: TokenizerTables
    ) -> TokenizerError {
        let text = String(decoding: tables.tokens[second], as: UTF8.self)
        return .duplicateToken(first: first, second: second, text: text)
    }

    private static func checkSizes(_ tables: TokenizerTables) throws(TokenizerError) {
        let count = tables.tokens.count
        guard count > 0 else { throw .noTokens }
        guard count <= Tokenizer.maximumTokenCount else { throw .tooManyTokens(count) }
        guard tables.merges.count <= Tokenizer.maximumMergeCount else {
            throw .tooManyMerges(tables.merges.count)
        }
        let byteCount = tables.tokens.reduce(0) { $0 + $1.count }
        guard byteCount <= Tokenizer.maximumVocabularyByteCount else {
            throw .tooManyBytes(byteCount)
        }
        guard tables.tokenTypes.isEmpty || tables.tokenTypes.count == count else {
            throw .countMismatch(
                table: "token types", count: tables.tokenTypes.count, tokenCount: count)
        }
        let named = [
            ("begin", tables.beginToken), ("end", tables.endToken),
            ("end-of-turn", tables.endOfTurnToken), ("unknown", tables.unknownToken),
        ]
        for case (let role, let id?) in named where id < 0 || Int(id) >= count {
            throw .tokenOutOfRange(role: role, id: id, tokenCount: count)
        }
    }

    /// Files disagree on how they mark control tokens. A token that the file itself names as begin
    /// or end, and a user-defined one that looks like a marker, is a control token whatever its
    /// type: otherwise a chat user could type it.
    private static func kinds(_ tables: TokenizerTables) throws(TokenizerError) -> [TokenKind] {
        var kinds: [TokenKind] = []
        kinds.reserveCapacity(tables.tokens.count)
        for (id, type) in tables.tokenTypes.enumerated() {
            guard var kind = TokenKind(rawValue: type) else {
                throw .unknownTokenType(id: id, type: type)
            }
            if kind == .userDefined, looksLikeMarker(tables.tokens[id]) { kind = .control }
            kinds.append(kind)
        }
        if kinds.isEmpty { kinds = .init(repeating: .normal, count: tables.tokens.count) }
        for case let id? in [tables.beginToken, tables.endToken, tables.endOfTurnToken]
        where kinds[Int(id)] != .unknown {
            kinds[Int(id)] = .control
        }
        return kinds
    }

    /// `<|…|>`, with ASCII or full-width bars.
    private static func looksLikeMarker(_ token: [UInt8]) -> Bool {
        ["|", "\u{FF5C}"].contains { bar in
            token.count > 2 + 2 * bar.utf8.count && token.starts(with: "<\(bar)".utf8)
                && token.reversed().starts(with: "\(bar)>".utf8.reversed())
        }
    }
}

extension TokenKind {
    /// Whether only trusted text may contain the token.
    var isControl: Bool { self == .control || self == .unknown }

    /// Whether the token is recognised before text is cut into words.
    var isCutOut: Bool { isControl || self == .userDefined }
}

/// How a vocabulary writes the bytes of its tokens.
enum Spelling: Sendable {
    /// Stand-in scalars; see `ByteAlphabet`.
    case byteAlphabet
    /// UTF-8 with U+2581 for a space, and `<0x0A>` for single bytes.
    case sentencePiece

    /// Appends the bytes that a token stands for.
    ///
    /// - Returns: whether ordinary text may become this token.
    func append(
        _ token: [UInt8], id: Int, kind: TokenKind, to output: inout [UInt8]
    ) throws(TokenizerError) -> Bool {
        switch (kind, self) {
        case (.control, _), (.unknown, _), (.userDefined, .byteAlphabet):
            output += token
            return false
        case (.byte, _):
            guard let byte = Self.byte(of: token) else {
                throw .malformedByteToken(id: id, text: String(decoding: token, as: UTF8.self))
            }
            output.append(byte)
            return false
        case (.normal, .byteAlphabet), (.unused, .byteAlphabet):
            // Some files list added tokens as normal; written in plain text, they are unreachable.
            if ByteAlphabet.append(bytesOf: token, to: &output) { return true }
            output += token
            return false
        case (.normal, .sentencePiece), (.unused, .sentencePiece), (.userDefined, .sentencePiece):
            Self.append(token, replacingSpaceMarksTo: &output)
            return kind == .normal
        }
    }

    /// Replaces U+2581 (E2 96 81) by a space.
    static func append(_ text: some Sequence<UInt8>, replacingSpaceMarksTo output: inout [UInt8]) {
        for byte in text {
            output.append(byte)
            guard byte == 0x81, output.count >= 3, output[output.count - 2] == 0x96,
                output[output.count - 3] == 0xE2
            else { continue }
            output.removeLast(3)
            output.append(UInt8(ascii: " "))
        }
    }

    /// The byte that `<0x0A>` names.
    private static func byte(of token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">"),
            // `UInt8(_:radix:)` would also take a sign.
            token[3] != UInt8(ascii: "+"), token[3] != UInt8(ascii: "-")
        else { return nil }
        return UInt8(String(decoding: token[3...4], as: UTF8.self), radix: 16)
    }
}
