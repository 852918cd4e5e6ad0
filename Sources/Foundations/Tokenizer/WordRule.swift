/// How byte-level BPE cuts text into words before merging; a model is trained with one of these.
///
/// Each is written as a regular expression by its authors and as a scanner in `WordScanner`.
enum WordRule: Sendable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// Every `\p{N}` alone; what lies between them as `gpt2`.
    case singleDigits
    /// llama.cpp's chain for files that name no rule: runs of `[\p{P}$+<=>^~|]`; what lies between
    /// them as `gpt2`; there runs of `\p{N}`; there groups of three ASCII digits from the left.
    case fallback
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|`
    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+` (Llama 3: 3 digits; Qwen 2: 1).
    case llama3(digitsPerWord: Int)

    private static let names: [(name: String, rule: WordRule)] = [
        ("default", .fallback),
        ("gpt-2", .gpt2), ("phi-2", .gpt2), ("mpt", .gpt2), ("olmo", .gpt2),
        ("smollm", .singleDigits), ("starcoder", .singleDigits), ("refact", .singleDigits),
        ("command-r", .singleDigits), ("codeshell", .singleDigits),
        ("llama-bpe", .llama3(digitsPerWord: 3)), ("llama3", .llama3(digitsPerWord: 3)),
        ("llama-v3", .llama3(digitsPerWord: 3)),
        ("qwen2", .llama3(digitsPerWord: 1)), ("deepseek-r1-qwen", .llama3(digitsPerWord: 1)),
    ]

    static var supportedNames: [String] { names.map(\.name) }

    /// - Parameter preTokenizer: the value of `tokenizer.ggml.pre`; empty means `default`.
    init?(preTokenizer: String) {
        let name = preTokenizer.isEmpty ? "default" : preTokenizer
        guard let found = Self.names.first(where: { $0.name == name }) else { return nil }
        self = found.rule
    }

    /// Whether a word that is a token is never taken apart: Llama 3 orders its vocabulary so, and
    /// its merge list alone would not reach every token.
    var prefersWholeWords: Bool {
        if case .llama3(digitsPerWord: 3) = self { true } else { false }
    }
}
