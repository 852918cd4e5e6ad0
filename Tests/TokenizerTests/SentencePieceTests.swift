import Testing
import Tokenizer

/// SentencePiece-style BPE against the reference library and by hand-made vocabularies.
@Suite struct SentencePieceTests {
    @Test func `Tokens are those of the reference library`() throws {
        let tokenizer = try Tokenizer(TestVocabularies.sentencePiece())
        let expected = tokenLines(SentencePieceGolden.tokens)
        try #require(tokenizer.vocabularySize == 1000)
        try #require(expected.count == SentencePieceGolden.texts.count)
        for (text, tokens) in zip(SentencePieceGolden.texts, expected) {
            let found = tokenizer.encode(text, parsingSpecialTokens: false)
            if found != tokens { Issue.record("\(text.debugDescription): \(found), not \(tokens)") }
        }
    }

    @Test func `Decoding gives back any text`() throws {
        let tokenizer = try Tokenizer(TestVocabularies.sentencePiece())
        var random = SplitMix64(state: 3)
        for length in 0..<400 {
            // U+2581 is how the vocabulary writes a space, so it comes back as one.
            let text = random.text(scalarCount: length)
                .split(separator: "\u{2581}").joined()
            let tokens = tokenizer.encode(text, parsingSpecialTokens: false)
            guard Array(tokenizer.text(of: tokens).utf8) == Array(text.utf8) else {
                Issue.record("\(text.debugDescription) came back different")
                return
            }
        }
    }

    @Test func `The best score joins first, the leftmost among equals`() throws {
        let letters: [(String, Float)] = [("a", -9), ("b", -9), ("c", -9)]
        let right = try Tokenizer(
            TestVocabularies.pieces(letters + [("ab", -2), ("bc", -1)], addsSpacePrefix: false))
        #expect(right.pieces("abc") == ["a", "bc"])
        let equal = try Tokenizer(
            TestVocabularies.pieces(letters + [("ab", -1), ("bc", -1)], addsSpacePrefix: false))
        #expect(equal.pieces("abc") == ["ab", "c"])
        #expect(equal.pieces("abcabcab") == ["ab", "c", "ab", "c", "ab"])
    }

    @Test func `Pieces that go on after a space join words`() throws {
        let tables = TestVocabularies.pieces(
            [("a", -9), ("\u{2581}", -9), ("b", -9), ("a\u{2581}", -2), ("a\u{2581}b", -1)],
            addsSpacePrefix: false)
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.pieces("a ba b") == ["a b", "a b"])
    }

    @Test func `A long run keeps to the same order of merges`() throws {
        let tables = TestVocabularies.pieces(
            [("a", -3), ("aa", -1), ("aaaa", -2)], addsSpacePrefix: false)
        let tokenizer = try Tokenizer(tables)
        for count in 1...200 {
            let pieces = tokenizer.pieces(String(repeating: "a", count: count))
            let rest = count % 4
            let expected =
                Array(repeating: "aaaa", count: count / 4) + (rest >= 2 ? ["aa"] : [])
                + (rest % 2 == 1 ? ["a"] : [])
            if pieces != expected { Issue.record("\(count) times a: \(pieces)") }
        }
    }

    @Test func `What is not in the vocabulary becomes bytes`() throws {
        let tokenizer = try Tokenizer(TestVocabularies.pieces([("a", -1)], addsSpacePrefix: false))
        func byteTokens(_ text: String) -> [Int32] { text.utf8.map { Int32($0) + 3 } }
        let accented = tokenizer.encode("aé", parsingSpecialTokens: false)
        #expect(accented == [259] + byteTokens("é"))
        // As the library does: the space is spelled U+2581 before it falls back.
        #expect(tokenizer.encode(" ", parsingSpecialTokens: false) == byteTokens("\u{2581}"))
    }

    @Test func `Without byte tokens a scalar becomes the unknown token`() throws {
        let tables = TokenizerTables(
            model: "llama", tokens: ["<unk>", "a"].map { Array($0.utf8) }, scores: [0, -1],
            tokenTypes: [2, 1], addsBeginToken: false, addsSpacePrefix: false)
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.encode("éa日", parsingSpecialTokens: false) == [0, 1, 0])
    }

    @Test func `Each stretch of text gets a space prefix if the model has one`() throws {
        let pieces: [(String, Float)] = [("\u{2581}", -3), ("a", -2), ("\u{2581}a", -1)]
        let prefixing = try Tokenizer(TestVocabularies.pieces(pieces))
        #expect(prefixing.addsLeadingSpace)
        #expect(prefixing.pieces("a") == [" a"])
        #expect(prefixing.pieces(" a") == [" ", " a"])
        #expect(prefixing.pieces("a</s>a", parsingSpecialTokens: true) == [" a", "</s>", " a"])
        #expect(prefixing.pieces("") == [])
        #expect(prefixing.text(of: prefixing.encode(" a", parsingSpecialTokens: false)) == " a")
        let plain = try Tokenizer(TestVocabularies.pieces(pieces, addsSpacePrefix: false))
        #expect(!plain.addsLeadingSpace)
        #expect(plain.pieces("a a") == ["a", " a"])
    }

    @Test func `Text never joins into control, unknown or byte tokens`() throws {
        let tables = TestVocabularies.pieces(
            [
                ("<", -9), ("/", -9), ("s", -9), (">", -9), ("</", -1), ("s>", -1), ("0", -9),
                ("x", -9), ("A", -9), ("<0", -1), ("<0x", -1), ("<0x0", -1), ("<0x0A", -1),
            ], addsSpacePrefix: false)
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.pieces("</s>") == ["</", "s>"])
        #expect(tokenizer.pieces("<0x0A>") == ["<0x0A", ">"])
        #expect(tokenizer.encode("</s>", parsingSpecialTokens: true) == [2])
    }

    @Test func `User-defined tokens may be runs of spaces`() throws {
        var tables = TestVocabularies.pieces([("a", -1), ("\u{2581}", -2)], addsSpacePrefix: false)
        for text in ["\u{2581}\u{2581}", "   "] {
            tables.tokens.append(Array(text.utf8))
            tables.scores.append(0)
            tables.tokenTypes.append(4)
        }
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.pieces("a   a  a a") == ["a", "   ", "a", "  ", "a", " ", "a"])
    }

    @Test(arguments: ["a", "日", " ", "a "])
    func `A long text without words ends`(part: String) throws {
        let tokenizer = try Tokenizer(TestVocabularies.sentencePiece())
        let text = String(repeating: part, count: 300_000)
        #expect(tokenizer.text(of: tokenizer.encode(text, parsingSpecialTokens: false)) == text)
    }
}
