import Tokenizer
import Topology

/// Readers of text.
enum TextTargets {
    static func topology(_ bytes: [UInt8]) throws {
        _ = try Topology.parse(String(decoding: bytes, as: UTF8.self), fileName: "fuzz.yaml")
    }

    /// Up to the first zero byte the template, then what the user says.
    static func template(_ bytes: [UInt8]) throws {
        let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        let template = try ChatTemplate(String(decoding: parts[0], as: UTF8.self))
        let said = parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : "hello"
        _ = try template.render(
            messages: [
                ChatMessage(role: .system, content: "be brief"),
                ChatMessage(role: .user, content: said),
            ], addingGenerationPrompt: true, beginText: "<s>", endText: "</s>")
    }

    /// Byte 0 chooses the model, byte 1 the word rule; then tokens, merges and text, apart by
    /// zeros and twofold zeros.
    static func tokenizer(_ bytes: [UInt8]) throws {
        guard bytes.count > 2 else { return }
        let rules = ["default", "llama-bpe", "gpt-2", "smollm", "qwen2", "unknown"]
        let isLlama = bytes[0] % 2 == 1
        var parts: [[[UInt8]]] = [[]]
        for part in bytes.dropFirst(2).split(separator: 0, omittingEmptySubsequences: false) {
            if part.isEmpty && parts.count < 3 {
                parts.append([])
            } else {
                parts[parts.count - 1].append(Array(part))
            }
        }
        let tokens = parts[0]
        let tokenizer = try Tokenizer(
            TokenizerTables(
                model: isLlama ? "llama" : "gpt2", preTokenizer: rules[Int(bytes[1]) % rules.count],
                tokens: tokens,
                scores: isLlama ? tokens.indices.map { -Float($0) } : [],
                tokenTypes: tokens.map { $0.first == 0x3C ? 3 : 1 },
                merges: parts.count > 1 ? parts[1] : [],
                unknownToken: tokens.isEmpty ? nil : 0))
        let text = parts.count > 2 ? parts[2].map { String(decoding: $0, as: UTF8.self) } : []
        for line in text {
            for token in tokenizer.encode(line, parsingSpecialTokens: true) {
                _ = tokenizer.bytes(of: token, renderingSpecialTokens: true)
            }
        }
    }
}
