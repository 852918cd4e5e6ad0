import Testing
import Tokenizer

/// Byte-level BPE against a reference library and against an obvious model of itself.
@Suite struct ByteLevelTests {
    struct Rule: CustomTestStringConvertible {
        let name: String
        let golden: String
        var testDescription: String { name }

        static let all = [
            Rule(name: "gpt-2", golden: ByteLevelGolden.gpt2),
            Rule(name: "smollm", golden: ByteLevelGolden.smollm),
            Rule(name: "llama-bpe", golden: ByteLevelGolden.llamaBPE),
            Rule(name: "qwen2", golden: ByteLevelGolden.qwen2),
            Rule(name: "default", golden: ByteLevelGolden.fallback),
        ]
    }

    @Test(arguments: Rule.all)
    func `Tokens are those of the reference library`(rule: Rule) throws {
        let tokenizer = try Tokenizer(TestVocabularies.byteLevel(preTokenizer: rule.name))
        let expected = tokenLines(rule.golden)
        try #require(expected.count == ByteLevelGolden.texts.count)
        for (text, tokens) in zip(ByteLevelGolden.texts, expected) {
            let found = tokenizer.encode(text, parsingSpecialTokens: true)
            if found != tokens { Issue.record("\(text.debugDescription): \(found), not \(tokens)") }
        }
    }

    @Test(arguments: ["gpt-2", "smollm", "llama-bpe", "qwen2", "default"])
    func `Decoding gives back any text`(rule: String) throws {
        let tokenizer = try Tokenizer(TestVocabularies.byteLevel(preTokenizer: rule))
        var random = SplitMix64(state: 1)
        for length in 0..<400 {
            let text = random.text(scalarCount: length)
            let tokens = tokenizer.encode(text, parsingSpecialTokens: length.isMultiple(of: 2))
            guard Array(tokenizer.text(of: tokens).utf8) == Array(text.utf8) else {
                Issue.record("\(text.debugDescription) came back different")
                return
            }
        }
    }

    @Test func `Every Unicode scalar survives`() throws {
        let tokenizer = try Tokenizer(TestVocabularies.byteLevel(preTokenizer: "smollm"))
        var text = String.UnicodeScalarView()
        for value in UInt32(0)...0x10FFFF {
            if let scalar = Unicode.Scalar(value) { text.append(scalar) }
        }
        let whole = String(text)
        let tokens = tokenizer.encode(whole, parsingSpecialTokens: false)
        #expect(Array(tokenizer.text(of: tokens).utf8) == Array(whole.utf8))
    }

    /// Words of up to 300 bytes: both sides of the length where merging changes its method.
    @Test func `Merging equals joining the first of the best pairs again and again`() throws {
        let tables = TestVocabularies.byteLevel(preTokenizer: "gpt-2")
        let tokenizer = try Tokenizer(tables)
        var ranks: [[UInt8]: Int] = [:]
        for (rank, merge) in tables.merges.enumerated() { ranks[merge] = rank }
        var random = SplitMix64(state: 2)
        let alphabet = Array("etaoinshrdlu".utf8)
        for length in 1...300 {
            let word = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0x65 }
            var symbols = word.map { [$0] }
            while true {
                let pairs = zip(symbols, symbols.dropFirst()).map { ranks[$0 + [0x20] + $1] }
                guard let best = pairs.compactMap(\.self).min(),
                    let index = pairs.firstIndex(of: best)
                else { break }
                symbols[index] += symbols.remove(at: index + 1)
            }
            let found = tokenizer.encode(
                String(decoding: word, as: UTF8.self), parsingSpecialTokens: false)
            let bytes = found.map { tokenizer.bytes(of: $0, renderingSpecialTokens: true) }
            guard bytes == symbols else {
                Issue.record("a word of \(length) bytes became \(bytes), not \(symbols)")
                return
            }
        }
    }

    @Test func `Llama 3 takes a known word whole though no merges lead to it`() throws {
        for (rule, expected) in [("llama-bpe", [256]), ("qwen2", [0x68, 0x65, 0x79])] {
            let tables = TestVocabularies.bytesOnly(
                preTokenizer: rule, adding: [("hey", 1)])
            let tokens = try Tokenizer(tables).encode("hey", parsingSpecialTokens: false)
            #expect(tokens == expected.map(Int32.init))
        }
    }

    @Test func `A byte without a token is left out and its neighbours may join`() throws {
        let tables = TokenizerTables(
            model: "gpt2", tokens: ["a", "b", "ab"].map { Array($0.utf8) },
            merges: [Array("a b".utf8)])
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.encode("acb", parsingSpecialTokens: false) == [2])
        #expect(tokenizer.encode("c", parsingSpecialTokens: false) == [])
    }

    @Test func `A merge may name a user-defined token`() throws {
        var tables = TestVocabularies.bytesOnly(adding: [("ab", 4)])
        tables.merges = [Array("a b".utf8)]
        #expect(try Tokenizer(tables).encode("cab", parsingSpecialTokens: false) == [0x63, 256])
    }

    @Test func `A normal token outside the byte alphabet is written as it stands`() throws {
        let tokenizer = try Tokenizer(TestVocabularies.bytesOnly(adding: [("a b", 1), ("日", 1)]))
        #expect(tokenizer.bytes(of: 256, renderingSpecialTokens: false) == Array("a b".utf8))
        #expect(tokenizer.bytes(of: 257, renderingSpecialTokens: false) == Array("日".utf8))
        #expect(tokenizer.encode("a b", parsingSpecialTokens: false) == [0x61, 0x20, 0x62])
    }

    /// A megabyte that is one word would take hours if merging were quadratic.
    @Test(arguments: ["a", "ab", " ", "\n", "1", "١", "!", "日"])
    func `A long text without words ends`(part: String) throws {
        for rule in ["smollm", "llama-bpe", "default"] {
            let tokenizer = try Tokenizer(TestVocabularies.byteLevel(preTokenizer: rule))
            let text = String(repeating: part, count: 300_000)
            let tokens = tokenizer.encode(text, parsingSpecialTokens: false)
            let bytes = tokens.reduce(0) {
                $0 + tokenizer.bytes(of: $1, renderingSpecialTokens: false).count
            }
            #expect(bytes == text.utf8.count)
        }
    }
}
