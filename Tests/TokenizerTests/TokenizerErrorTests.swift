import Testing
import Tokenizer

/// Each way in which a file's vocabulary can be wrong.
@Suite struct TokenizerErrorTests {
    private static func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    private func expect(
        _ error: TokenizerError, mentioning words: String..., from tables: TokenizerTables,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(throws: error, sourceLocation: sourceLocation) { try Tokenizer(tables) }
        for word in words {
            #expect(error.description.contains(word), sourceLocation: sourceLocation)
        }
    }

    @Test func `Unknown models and word rules are refused by name`() {
        var tables = TestVocabularies.bytesOnly()
        tables.preTokenizer = "gpt-9"
        expect(.unsupportedPreTokenizer("gpt-9"), mentioning: "gpt-9", "smollm", from: tables)
        tables.model = "bert"
        expect(.unsupportedModel("bert"), mentioning: "bert", "llama", from: tables)
    }

    @Test func `An empty name is the default word rule`() throws {
        _ = try Tokenizer(TestVocabularies.bytesOnly(preTokenizer: ""))
    }

    @Test func `Empty and excessive vocabularies are refused`() {
        expect(.noTokens, mentioning: "empty", from: TokenizerTables(model: "gpt2", tokens: []))
        let tooMany = Tokenizer.maximumTokenCount + 1
        expect(
            .tooManyTokens(tooMany), mentioning: "\(tooMany)",
            from: TokenizerTables(model: "gpt2", tokens: Array(repeating: [], count: tooMany)))
        let megabyte = [UInt8](repeating: 0x61, count: 1 << 20)
        expect(
            .tooManyBytes(1025 << 20), mentioning: "\(1025 << 20)",
            from: TokenizerTables(model: "gpt2", tokens: Array(repeating: megabyte, count: 1025)))
        var tables = TestVocabularies.bytesOnly()
        tables.merges = Array(repeating: [], count: Tokenizer.maximumMergeCount + 1)
        expect(
            .tooManyMerges(Tokenizer.maximumMergeCount + 1), mentioning: "merges", from: tables)
    }

    @Test func `Tables of different lengths are refused`() {
        var tables = TestVocabularies.bytesOnly()
        tables.tokenTypes.removeLast()
        expect(
            .countMismatch(table: "token types", count: 255, tokenCount: 256),
            mentioning: "255", "256", "token types", from: tables)
        tables = TestVocabularies.pieces([])
        tables.scores.append(1)
        expect(
            .countMismatch(table: "scores", count: 260, tokenCount: 259), mentioning: "scores",
            from: tables)
    }

    @Test(arguments: [-1, 256, Int32.min, Int32.max])
    func `Named tokens outside the vocabulary are refused`(id: Int32) {
        let names: [(String, WritableKeyPath<TokenizerTables, Int32?>)] = [
            ("begin", \.beginToken), ("end", \.endToken), ("end-of-turn", \.endOfTurnToken),
            ("unknown", \.unknownToken),
        ]
        for (role, path) in names {
            var tables = TestVocabularies.bytesOnly()
            tables[keyPath: path] = id
            expect(
                .tokenOutOfRange(role: role, id: id, tokenCount: 256), mentioning: role, "\(id)",
                from: tables)
        }
    }

    @Test func `Wanting a begin token without naming one is refused`() {
        var tables = TestVocabularies.bytesOnly()
        tables.addsBeginToken = true
        expect(.missingBeginToken, mentioning: "begin", from: tables)
    }

    @Test(arguments: [0, 7, -1] as [Int32])
    func `Unknown token types are refused`(type: Int32) {
        let tables = TestVocabularies.bytesOnly(adding: [("x y", type)])
        expect(.unknownTokenType(id: 256, type: type), mentioning: "256", "\(type)", from: tables)
    }

    @Test(arguments: [(1, 1), (3, 3), (4, 4), (3, 4), (3, 2)] as [(Int32, Int32)])
    func `Duplicate tokens are refused`(types: (Int32, Int32)) {
        let tables = TestVocabularies.bytesOnly(adding: [("xyz", types.0), ("xyz", types.1)])
        expect(
            .duplicateToken(first: 256, second: 257, text: "xyz"), mentioning: "xyz", "256",
            from: tables)
    }

    @Test func `A special token with the text of a normal one is refused`() {
        for type: Int32 in [3, 4] {
            expect(
                .duplicateToken(first: 0x61, second: 256, text: "a"), mentioning: "'a'",
                from: TestVocabularies.bytesOnly(adding: [("a", type)]))
        }
    }

    @Test func `Empty tokens are tolerated and never found`() throws {
        let tables = TestVocabularies.bytesOnly(adding: [("", 1), ("", 1), ("", 3), ("", 4)])
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.encode("a", parsingSpecialTokens: true) == [0x61])
        #expect(tokenizer.bytes(of: 259, renderingSpecialTokens: true).isEmpty)
    }

    @Test(arguments: ["<0x>", "<0xZZ>", "0x0A", "<0x+1>", "<0x0A0>", "", "<0x0A<"])
    func `Malformed byte tokens are refused`(text: String) {
        var tables = TestVocabularies.pieces([(text, 0)])
        tables.tokenTypes[259] = 6
        expect(.malformedByteToken(id: 259, text: text), mentioning: "259", from: tables)
    }

    @Test func `Two tokens for one byte are refused`() {
        var tables = TestVocabularies.pieces([("<0x0a>", 0)])
        tables.tokenTypes[259] = 6
        expect(
            .duplicateToken(first: 13, second: 259, text: "<0x0a>"), mentioning: "13",
            from: tables)
    }

    @Test func `Scores must be numbers`() {
        expect(
            .scoreNotANumber(id: 259), mentioning: "259",
            from: TestVocabularies.pieces([("a", .nan)]))
    }

    @Test func `A scalar must be able to become something`() {
        let tables = TokenizerTables(
            model: "llama", tokens: Self.bytes(["<0x00>", "a"]), scores: [0, 0],
            tokenTypes: [6, 1])
        expect(.noFallback(byte: 1), mentioning: "byte 1", from: tables)
    }

    @Test(arguments: ["", " ", "a", "a ", " a", "a b c", "a  b"])
    func `Malformed merges are refused`(merge: String) {
        var tables = TestVocabularies.bytesOnly(adding: [("ab", 1)])
        tables.merges = Self.bytes(["a b", merge])
        expect(.malformedMerge(index: 1, text: merge), mentioning: "merge 1", from: tables)
    }

    @Test(arguments: ["a c", "zz a", "a zz", "日 a"])
    func `Merges outside the vocabulary are refused`(merge: String) {
        var tables = TestVocabularies.bytesOnly(adding: [("ab", 1)])
        tables.merges = Self.bytes([merge])
        expect(.mergeOutsideVocabulary(index: 0, text: merge), mentioning: merge, from: tables)
    }

    @Test func `Merges into control tokens are refused`() {
        var tables = TestVocabularies.bytesOnly(adding: [("ab", 3)])
        tables.merges = Self.bytes(["a b"])
        expect(.mergeIntoControlToken(index: 0, text: "a b"), mentioning: "a b", from: tables)
    }

    @Test func `Repeated merges are refused`() {
        var tables = TestVocabularies.bytesOnly(adding: [("ab", 1)])
        tables.merges = Self.bytes(["a b", "a b"])
        expect(.duplicateMerge(index: 1, text: "a b"), mentioning: "merge 1", from: tables)
    }
}
