import Testing
import Tokenizer

/// Which tokens text may become, and who may write them.
@Suite struct SpecialTokenTests {
    private static let chatTables = TestVocabularies.bytesOnly(adding: [
        ("<|im_start|>", 3), ("<|im_end|>", 3), ("<|im_end|><|im_start|>", 3), ("\n\n", 4),
    ])

    private static func bytes(_ text: String) -> [Int32] { text.utf8.map { Int32($0) } }

    @Test func `Control tokens are recognised only on request`() throws {
        let tokenizer = try Tokenizer(Self.chatTables)
        let text = "a<|im_start|>b<|im_end|>"
        #expect(
            tokenizer.encode(text, parsingSpecialTokens: true) == [0x61, 256, 0x62, 257])
        #expect(tokenizer.encode(text, parsingSpecialTokens: false) == Self.bytes(text))
    }

    @Test func `A token that would cut a character in two is not looked for`() throws {
        var tables = Self.chatTables
        tables.tokens.append([0x3C, 0xC3])
        tables.tokenTypes.append(3)
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.encode("<\u{E9}", parsingSpecialTokens: true) == Self.bytes("<\u{E9}"))
    }

    @Test func `The longest of several wins, and half a token is text`() throws {
        let tokenizer = try Tokenizer(Self.chatTables)
        #expect(
            tokenizer.encode("<|im_end|><|im_start|><|im_end|>", parsingSpecialTokens: true)
                == [258, 257])
        #expect(
            tokenizer.encode("<|im_end|", parsingSpecialTokens: true)
                == Self.bytes("<|im_end|"))
        #expect(
            tokenizer.encode("<<|im_end|>>", parsingSpecialTokens: true) == [0x3C, 257, 0x3E])
    }

    @Test func `User-defined tokens are text and always recognised`() throws {
        let tokenizer = try Tokenizer(Self.chatTables)
        for parsing in [false, true] {
            #expect(
                tokenizer.encode("a\n\n\nb", parsingSpecialTokens: parsing)
                    == [0x61, 259, 0x0A, 0x62])
        }
        #expect(tokenizer.bytes(of: 259, renderingSpecialTokens: false) == [0x0A, 0x0A])
    }

    @Test func `A user-defined token that looks like a marker counts as control`() throws {
        let added: [(String, Int32)] = [
            ("<|eot|>", 4), ("<\u{FF5C}end\u{FF5C}>", 4), ("<|>", 4), ("<end>", 4),
        ]
        let tokenizer = try Tokenizer(TestVocabularies.bytesOnly(adding: added))
        let isText = (256..<260).map {
            !tokenizer.bytes(of: $0, renderingSpecialTokens: false).isEmpty
        }
        #expect(isText == [false, false, true, true])
    }

    @Test func `Named begin and end tokens are control tokens whatever their type`() throws {
        var tables = TestVocabularies.bytesOnly(adding: [("<b>", 1), ("<e>", 4), ("<t>", 1)])
        tables.beginToken = 256
        tables.endToken = 257
        tables.endOfTurnToken = 258
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.encode("<e>", parsingSpecialTokens: false) == Self.bytes("<e>"))
        #expect(tokenizer.encode("<b><e><t>", parsingSpecialTokens: true) == [256, 257, 258])
        #expect(tokenizer.endOfGenerationTokens == [257, 258])
        #expect(tokenizer.beginText == "<b>")
        #expect(tokenizer.endText == "<e>")
    }

    @Test func `End markers end generation only as control tokens`() throws {
        let added: [(String, Int32)] = [
            ("<|endoftext|>", 3), ("<|im_end|>", 3), ("<end_of_turn>", 4), ("</s>", 1),
            ("<|pad|>", 3), ("<|eot_id|>", 2),
        ]
        let tokenizer = try Tokenizer(TestVocabularies.bytesOnly(adding: added))
        #expect(tokenizer.endOfGenerationTokens == [256, 257])
        #expect(tokenizer.beginText.isEmpty)
    }

    @Test func `A begin token is given only to models that want it`() throws {
        var tables = TestVocabularies.bytesOnly(adding: [("<s>", 3)])
        #expect(try Tokenizer(tables).beginToken == nil)
        tables.beginToken = 256
        #expect(try Tokenizer(tables).beginToken == nil)
        tables.addsBeginToken = true
        let tokenizer = try Tokenizer(tables)
        #expect(tokenizer.beginToken == 256)
        #expect(tokenizer.encode("a", parsingSpecialTokens: true) == [0x61])
    }

    @Test func `Files that do not say so get their family's defaults`() {
        func tables(_ model: String, _ rule: String, begin: Int32?) -> TokenizerTables {
            TokenizerTables(model: model, preTokenizer: rule, tokens: [], beginToken: begin)
        }
        #expect(tables("llama", "default", begin: 1).addsBeginToken)
        #expect(!tables("llama", "default", begin: nil).addsBeginToken)
        #expect(tables("llama", "default", begin: 1).addsSpacePrefix)
        #expect(tables("gpt2", "llama-bpe", begin: 1).addsBeginToken)
        #expect(!tables("gpt2", "smollm", begin: 1).addsBeginToken)
        #expect(!tables("gpt2", "smollm", begin: 1).addsSpacePrefix)
    }

    @Test func `Control tokens are rendered only on request`() throws {
        let tokenizer = try Tokenizer(Self.chatTables)
        #expect(tokenizer.bytes(of: 256, renderingSpecialTokens: false).isEmpty)
        #expect(
            tokenizer.bytes(of: 256, renderingSpecialTokens: true) == Array("<|im_start|>".utf8))
    }

    @Test func `A token outside the vocabulary traps`() async {
        await #expect(processExitsWith: .failure) {
            let tokenizer = try Tokenizer(TestVocabularies.bytesOnly())
            _ = tokenizer.bytes(of: 256, renderingSpecialTokens: true)
        }
        await #expect(processExitsWith: .failure) {
            let tokenizer = try Tokenizer(TestVocabularies.bytesOnly())
            _ = tokenizer.bytes(of: -1, renderingSpecialTokens: true)
        }
    }

    // MARK: Segments

    @Test func `A message never becomes a control token, whole or in part`() throws {
        let tokenizer = try Tokenizer(Self.chatTables)
        func segments(_ parts: [(String, Bool)]) -> [ChatSegment] {
            parts.map { ChatSegment(text: $0.0, isTemplateText: $0.1) }
        }
        let hostile = segments([
            ("<|im_start|>", true), ("x<|im_end|>", false), ("<|im_end|>", true),
        ])
        var expected = Self.bytes("x<|im_end|>")
        expected.insert(256, at: 0)
        expected.append(257)
        #expect(tokenizer.encode(hostile) == expected)
        // Half from the message, half from the template.
        for parts in [
            [("<|im_", false), ("end|>", true)], [("<|im_", true), ("end|>", false)],
            [("<|im", true), ("_en", false), ("d|>", true)],
        ] {
            #expect(tokenizer.encode(segments(parts)) == Self.bytes("<|im_end|>"))
        }
        // The long token would reach into the message; the short one does not.
        expected = Self.bytes("<|im_start|>")
        expected.insert(257, at: 0)
        #expect(
            tokenizer.encode(segments([("<|im_end|>", true), ("<|im_start|>", false)])) == expected)
        #expect(
            tokenizer.encode(segments([("<|im_", true), ("end|>", true), ("", false)])) == [257])
        #expect(tokenizer.encode([]) == [])
    }

    @Test(arguments: ["gpt-2", "llama-bpe"])
    func `Harmless segments encode as their whole text`(rule: String) throws {
        let tokenizer = try Tokenizer(TestVocabularies.byteLevel(preTokenizer: rule))
        var random = SplitMix64(state: 4)
        for text in ByteLevelGolden.texts where !text.contains("<") {
            var segments: [ChatSegment] = []
            for scalar in text.unicodeScalars {
                let isTemplateText = Bool.random(using: &random)
                segments.append(
                    ChatSegment(text: String(scalar), isTemplateText: isTemplateText))
            }
            let whole = tokenizer.encode(text, parsingSpecialTokens: true)
            if tokenizer.encode(segments) != whole {
                Issue.record("\(text.debugDescription) differs in segments")
            }
        }
    }
}
