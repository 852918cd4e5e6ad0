import ModelFile
import TestModels
import Testing

/// The tokenizer's tables, as a file holds them.
@Suite struct TokenizerMetadataTests {
    private func read(
        _ change: (inout GGUFBuilder) -> Void = { _ in }
    ) throws -> TokenizerMetadata {
        var builder = TinyLlama.builder()
        change(&builder)
        return try TokenizerMetadata.read(from: try ModelFile.parse(builder.build(), name: "test"))
    }

    @Test func `A byte-level tokenizer is read whole`() throws {
        let tokenizer = try read {
            $0["tokenizer.ggml.merges"] = .strings([Array("a b".utf8), Array("ab c".utf8)])
            $0["tokenizer.chat_template"] = .text("{{ messages }}")
        }
        #expect(tokenizer.model == "gpt2")
        #expect(tokenizer.preTokenizer == "smollm")
        #expect(tokenizer.tokens.count == 288)
        #expect(tokenizer.tokens[0x41] == [0x41])
        #expect(text(tokenizer.tokens[0x20]) == "Ġ")
        #expect(text(tokenizer.tokens[0x0A]) == "Ċ")
        #expect(Set(tokenizer.tokens).count == 288)
        #expect(text(tokenizer.tokens[TinyLlama.turnEnd]) == "<|im_end|>")
        #expect(tokenizer.tokenTypes.count == 288)
        #expect(tokenizer.tokenTypes[255] == .normal)
        #expect(tokenizer.tokenTypes[TinyLlama.endOfText] == .control)
        #expect(tokenizer.tokenTypes[287] == .unused)
        #expect(tokenizer.scores.isEmpty)
        #expect(tokenizer.merges.map(text) == ["a b", "ab c"])
        #expect(tokenizer.beginOfText == TinyLlama.turnStart)
        #expect(tokenizer.endOfText == TinyLlama.turnEnd)
        #expect(tokenizer.unknown == TinyLlama.endOfText)
        #expect(tokenizer.endOfTurn == nil)
        #expect(tokenizer.endOfMessage == nil)
        #expect(tokenizer.padding == nil)
        #expect(tokenizer.addsBeginOfText == false)
        #expect(tokenizer.addsEndOfText == nil)
        #expect(tokenizer.addsSpacePrefix == false)
        #expect(tokenizer.chatTemplate == "{{ messages }}")
    }

    @Test func `A SentencePiece-style tokenizer has scores and may have nothing else`() throws {
        let tokenizer = try read {
            for key in $0.metadata.map({ text($0.key) }) where key.hasPrefix("tokenizer.") {
                $0[key] = nil
            }
            $0["tokenizer.ggml.model"] = .text("llama")
            // A token may be half a character, or empty.
            $0["tokenizer.ggml.tokens"] = .strings([[0xE2, 0x96], [], Array("▁a".utf8)])
            $0["tokenizer.ggml.scores"] = .float32s([0, -1, -.infinity])
            $0["tokenizer.ggml.eot_token_id"] = .int32(2)
            $0["tokenizer.ggml.eom_token_id"] = .uint64(1)
            $0["tokenizer.ggml.padding_token_id"] = .uint8(0)
            $0["tokenizer.ggml.add_eos_token"] = .bool(1)
        }
        #expect(tokenizer.tokens == [[0xE2, 0x96], [], Array("▁a".utf8)])
        #expect(tokenizer.scores == [0, -1, -.infinity])
        #expect(tokenizer.tokenTypes.isEmpty)
        #expect(tokenizer.merges.isEmpty)
        #expect(tokenizer.preTokenizer == nil)
        #expect(tokenizer.beginOfText == nil)
        #expect(tokenizer.endOfTurn == 2)
        #expect(tokenizer.endOfMessage == 1)
        #expect(tokenizer.padding == 0)
        #expect(tokenizer.addsEndOfText == true)
        #expect(tokenizer.chatTemplate == nil)
    }

    @Test func `A file without a vocabulary is refused`() {
        expectRefusal(.key("tokenizer.ggml.model"), .missing) {
            $0["tokenizer.ggml.model"] = nil
        }
        expectRefusal(.key("tokenizer.ggml.tokens"), .missing) {
            $0["tokenizer.ggml.tokens"] = nil
        }
        #expect(
            throws: ModelFileError(
                file: "test", place: .key("tokenizer.ggml.tokens"),
                rule: .outOfRange(value: "0 elements", allowed: "at least 1"))
        ) { try read { $0["tokenizer.ggml.tokens"] = .strings([]) } }
    }

    @Test func `Tables must have one entry per token`() {
        expectRefusal(
            .key("tokenizer.ggml.scores"), .inconsistent("has 2 elements for 288 tokens")
        ) { $0["tokenizer.ggml.scores"] = .float32s([1, 2]) }
        expectRefusal(
            .key("tokenizer.ggml.token_type"), .inconsistent("has 0 elements for 288 tokens")
        ) { $0["tokenizer.ggml.token_type"] = .int32s([]) }
    }

    @Test(arguments: ["bos", "eos", "eot", "eom", "unknown", "padding"])
    func `A special token's id lies inside the vocabulary`(name: String) {
        let key = "tokenizer.ggml.\(name)_token_id"
        for (value, shown) in [(GGUFValue.uint32(288), "288"), (.int32(-1), "-1")] {
            expectRefusal(.key(key), .outOfRange(value: shown, allowed: "0 to 287")) {
                $0[key] = value
            }
        }
    }

    @Test func `A token type that nobody defined is refused`() {
        expectRefusal(
            .key("tokenizer.ggml.token_type"), .outOfRange(value: "7", allowed: "0 to 6")
        ) { $0["tokenizer.ggml.token_type"] = .int32s([Int32](repeating: 7, count: 288)) }
    }
}
