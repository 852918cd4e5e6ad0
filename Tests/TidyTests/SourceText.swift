/// A word or a punctuation mark of code; comments and strings yield none.
struct Token {
    let text: String
    /// From 1.
    let line: Int
    let byteOffset: Int
    let isFirstOnLine: Bool
}

/// A file, divided into what rules look at: lines, code, comments.
struct SourceText {
    let path: String
    let lines: [Substring]
    /// The code as tokens; empty unless the file is Swift or C.
    let tokens: [Token]
    /// The comments of each line; for files other than Swift and C, what follows a `#`.
    let comments: [String]
    /// The text with its comments blanked, strings kept: for lists that rules read.
    let textWithoutComments: String

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let isC = path.hasSuffix(".c") || path.hasSuffix(".h")
        guard isC || path.hasSuffix(".swift") else {
            tokens = []
            comments = lines.map { line in
                line.firstIndex(of: "#").map { String(line[$0...]) } ?? ""
            }
            textWithoutComments = text
            return
        }
        let bytes = Array(text.utf8)
        let kinds = Lexer(bytes, language: isC ? .c : .swift).kinds
        tokens = Self.tokens(bytes, kinds)
        comments = Self.keeping([.comment], bytes, kinds).split(
            separator: "\n", omittingEmptySubsequences: false
        ).map { $0.filter { $0 != "\0" } }
        textWithoutComments = Self.keeping([.code, .string], bytes, kinds)
    }

    var isSwift: Bool { path.hasSuffix(".swift") }

    /// The comments above the first opening brace: what the file says about itself.
    var header: String {
        let firstBrace = tokens.first { $0.text == "{" }?.line ?? lines.count
        return comments.prefix(firstBrace).joined(separator: "\n")
    }

    func finding(_ line: Int, _ rule: String) -> Finding {
        Finding(path: path, line: line, rule: rule)
    }

    /// The bytes of some kinds; others become zero bytes, so that lines stay in step.
    private static func keeping(
        _ kept: [ByteKind], _ bytes: [UInt8], _ kinds: [ByteKind]
    ) -> String {
        let newline = UInt8(ascii: "\n")
        return String(
            decoding: zip(bytes, kinds).map { byte, kind in
                byte == newline || kept.contains(kind) ? byte : 0
            }, as: UTF8.self)
    }

    private static func tokens(_ bytes: [UInt8], _ kinds: [ByteKind]) -> [Token] {
        var tokens: [Token] = []
        var line = 1
        var isFirstOnLine = true
        var position = 0
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\n") {
                line += 1
                isFirstOnLine = true
            }
            guard kinds[position] == .code, byte > UInt8(ascii: " ") else {
                position += 1
                continue
            }
            var end = position + 1
            if isWord(byte) {
                while end < bytes.count, kinds[end] == .code, isWord(bytes[end]) { end += 1 }
            }
            tokens.append(
                Token(
                    text: String(decoding: bytes[position..<end], as: UTF8.self), line: line,
                    byteOffset: position, isFirstOnLine: isFirstOnLine))
            isFirstOnLine = false
            position = end
        }
        return tokens
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }
}
