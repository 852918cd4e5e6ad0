import Tokenizer

/// A deterministic source of randomness. Source: Steele, Lea and Flood 2014, SplitMix64.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// Any scalars, half of them ASCII, with spaces and digits made frequent.
    mutating func text(scalarCount: Int) -> String {
        var text = String.UnicodeScalarView()
        for _ in 0..<scalarCount {
            switch Int.random(in: 0..<8, using: &self) {
            case 0: text.append(" ")
            case 1: text.append(Unicode.Scalar(UInt8.random(in: 48...57, using: &self)))
            case 2...4: text.append(Unicode.Scalar(UInt8.random(in: 0...127, using: &self)))
            default:
                let value = UInt32.random(in: 0...0x10FFFF, using: &self)
                text.append(Unicode.Scalar(value) ?? "\u{FFFD}")
            }
        }
        return String(text)
    }
}

/// Tables for tests, all small enough to be made anew by each.
enum TestVocabularies {
    /// Stand-in of each byte in a byte-level vocabulary.
    static let alphabet: [Unicode.Scalar] = {
        var scalars: [Unicode.Scalar] = []
        var next: UInt32 = 256
        for byte in UInt32(0)..<256 {
            let isPrintable =
                (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
            let value = isPrintable ? byte : next
            if !isPrintable { next += 1 }
            scalars.append(Unicode.Scalar(value) ?? " ")
        }
        return scalars
    }()

    /// `text` as a byte-level vocabulary writes it.
    static func spelled(_ text: some Sequence<UInt8>) -> [UInt8] {
        var result = String.UnicodeScalarView()
        for byte in text { result.append(alphabet[Int(byte)]) }
        return Array(String(result).utf8)
    }

    /// Texts between spaces; by bytes, since a space and what follows may be one `Character`.
    static func words(_ text: String) -> [[UInt8]] {
        text.utf8.split { $0 == 0x20 || $0 == 0x0A }.map(Array.init)
    }

    /// The vocabulary that the golden encodings belong to: 2048 tokens.
    static func byteLevel(preTokenizer: String) -> TokenizerTables {
        let parts = words(ByteLevelVocabulary.merges)
        var merges: [[UInt8]] = []
        var tokens = ["</s>", "<pad>"].map { Array($0.utf8) }
        for scalar in alphabet.sorted() { tokens.append(Array(String(scalar).utf8)) }
        for index in stride(from: 0, to: parts.count, by: 2) {
            merges.append(parts[index] + [0x20] + parts[index + 1])
            tokens.append(parts[index] + parts[index + 1])
        }
        return TokenizerTables(
            model: "gpt2", preTokenizer: preTokenizer, tokens: tokens,
            tokenTypes: [3, 3] + Array(repeating: 1, count: tokens.count - 2), merges: merges,
            beginToken: 0, endToken: 0)
    }

    /// Only the 256 bytes, token = byte, then `added` tokens with their types.
    static func bytesOnly(
        preTokenizer: String = "gpt-2", adding added: [(text: String, type: Int32)] = []
    ) -> TokenizerTables {
        TokenizerTables(
            model: "gpt2", preTokenizer: preTokenizer,
            tokens: alphabet.map { Array(String($0).utf8) } + added.map { Array($0.text.utf8) },
            tokenTypes: Array(repeating: 1, count: 256) + added.map(\.type))
    }

    /// The vocabulary that `SentencePieceGolden` belongs to: 1000 tokens.
    static func sentencePiece() -> TokenizerTables {
        var tables = pieces([])
        for (index, piece) in words(SentencePieceGolden.pieces).enumerated() {
            tables.tokens.append(piece)
            tables.tokenTypes.append(1)
            tables.scores.append(-Float(index))
        }
        return tables
    }

    /// Unknown, begin, end and the 256 byte tokens, then `added` normal pieces with their scores.
    static func pieces(
        _ added: [(text: String, score: Float)], addsSpacePrefix: Bool = true
    ) -> TokenizerTables {
        var tokens = ["<unk>", "<s>", "</s>"]
        for byte in 0..<256 {
            let digits = String(byte, radix: 16, uppercase: true)
            tokens.append("<0x\(digits.count == 1 ? "0" : "")\(digits)>")
        }
        tokens += added.map(\.text)
        return TokenizerTables(
            model: "llama", tokens: tokens.map { Array($0.utf8) },
            scores: Array(repeating: 0, count: 259) + added.map(\.score),
            tokenTypes: [2, 3, 3] + Array(repeating: 6, count: 256) + added.map { _ in 1 },
            beginToken: 1, endToken: 2, unknownToken: 0, addsSpacePrefix: addsSpacePrefix)
    }
}

extension Tokenizer {
    /// The text of a whole sequence.
    func text(of tokens: [Int32], renderingSpecialTokens: Bool = true) -> String {
        var decoder = StreamingDecoder(removesLeadingSpace: addsLeadingSpace)
        var text = ""
        for token in tokens {
            text += decoder.append(
                bytes(of: token, renderingSpecialTokens: renderingSpecialTokens))
        }
        return text + decoder.finish()
    }

    /// The tokens as text, for short expectations.
    func pieces(_ text: String, parsingSpecialTokens: Bool = false) -> [String] {
        encode(text, parsingSpecialTokens: parsingSpecialTokens).map {
            String(decoding: bytes(of: $0, renderingSpecialTokens: true), as: UTF8.self)
        }
    }
}

/// Lines of token numbers; an empty line is an empty list.
func tokenLines(_ text: String) -> [[Int32]] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
        line.split(separator: " ").compactMap { Int32($0) }
    }
}
