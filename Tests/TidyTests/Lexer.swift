/// What a byte of source text belongs to.
enum ByteKind {
    case code, comment, string
}

/// Divides Swift or C into code, comments and strings, so that rules never mistake one for another.
///
/// Knows nested comments, raw and multi-line strings, code inside interpolations, raw identifiers
/// (whose text counts as string: a test's name is prose) and regular-expression literals. In C,
/// preprocessor lines count as string: a macro's braces are no function's.
struct Lexer {
    enum Language {
        case swift, c
    }

    private let bytes: [UInt8]
    private let language: Language
    private var position = 0
    private(set) var kinds: [ByteKind]

    init(_ bytes: [UInt8], language: Language) {
        self.bytes = bytes
        self.language = language
        kinds = Array(repeating: .code, count: bytes.count)
        scanCode(insideInterpolation: false)
    }

    private func peek(_ distance: Int = 0) -> UInt8 {
        let index = position + distance
        return bytes.indices.contains(index) ? bytes[index] : 0
    }

    private func sees(_ text: String) -> Bool {
        sees(Array(text.utf8))
    }

    private func sees(_ pattern: [UInt8]) -> Bool {
        bytes[position...].starts(with: pattern)
    }

    private mutating func take(_ count: Int, as kind: ByteKind) {
        for index in position..<min(position + count, bytes.count) { kinds[index] = kind }
        position = min(position + count, bytes.count)
    }

    /// Reads code to the end of the text or, inside an interpolation, past its closing parenthesis.
    private mutating func scanCode(insideInterpolation: Bool) {
        var depth = 0
        while position < bytes.count {
            if sees("//") {
                scanLine(as: .comment)
            } else if sees("/*") {
                scanBlockComment()
            } else if !scanLiteral() {
                let byte = peek()
                take(1, as: .code)
                if byte == UInt8(ascii: "(") { depth += 1 }
                if byte == UInt8(ascii: ")") {
                    if insideInterpolation && depth == 0 { return }
                    depth -= 1
                }
            }
        }
    }

    /// Reads a string, character, raw identifier or regular expression if one begins here.
    private mutating func scanLiteral() -> Bool {
        switch (language, peek()) {
        case (.c, UInt8(ascii: "#")) where isFirstOnLine:
            scanDirective()
        case (.c, UInt8(ascii: "'")), (.c, UInt8(ascii: "\"")):
            scanQuoted(by: peek())
        case (.swift, UInt8(ascii: "`")):
            scanQuoted(by: UInt8(ascii: "`"))
        case (.swift, UInt8(ascii: "\"")):
            scanString(poundCount: 0)
        case (.swift, UInt8(ascii: "#")):
            return scanPoundLiteral()
        case (.swift, UInt8(ascii: "/")):
            return scanBareRegex()
        default:
            return false
        }
        return true
    }

    private var isFirstOnLine: Bool {
        var index = position - 1
        while index >= 0, bytes[index] == UInt8(ascii: " ") { index -= 1 }
        return index < 0 || bytes[index] == UInt8(ascii: "\n")
    }

    private mutating func scanLine(as kind: ByteKind) {
        while position < bytes.count, peek() != UInt8(ascii: "\n") { take(1, as: kind) }
    }

    private mutating func scanBlockComment() {
        var depth = 0
        repeat {
            if sees("/*"), depth == 0 || language == .swift {
                depth += 1
                take(2, as: .comment)
            } else if sees("*/") {
                depth -= 1
                take(2, as: .comment)
            } else {
                take(1, as: .comment)
            }
        } while depth > 0 && position < bytes.count
    }

    /// Reads a preprocessor line with its continuations; macros are not functions.
    private mutating func scanDirective() {
        while position < bytes.count, peek() != UInt8(ascii: "\n") {
            if sees("//") { return scanLine(as: .comment) }
            if sees("/*") {
                scanBlockComment()
            } else {
                take(peek() == UInt8(ascii: "\\") ? 2 : 1, as: .string)
            }
        }
    }

    /// Reads one line's text between two equal quotes, with backslash escapes.
    private mutating func scanQuoted(by quote: UInt8) {
        take(1, as: .string)
        while position < bytes.count, peek() != quote, peek() != UInt8(ascii: "\n") {
            take(peek() == UInt8(ascii: "\\") && language == .c ? 2 : 1, as: .string)
        }
        if peek() == quote { take(1, as: .string) }
    }

    /// Reads `#"..."#` and `#/.../#`; anything else after `#` is code.
    private mutating func scanPoundLiteral() -> Bool {
        var poundCount = 0
        while peek(poundCount) == UInt8(ascii: "#") { poundCount += 1 }
        let opening = peek(poundCount)
        guard opening == UInt8(ascii: "\"") || opening == UInt8(ascii: "/") else { return false }
        take(poundCount, as: .string)
        if opening == UInt8(ascii: "\"") {
            scanString(poundCount: poundCount)
        } else {
            let pounds = Array(repeating: UInt8(ascii: "#"), count: poundCount)
            take(1, as: .string)
            while position < bytes.count, !sees([UInt8(ascii: "/")] + pounds) {
                take(1, as: .string)
            }
            take(1 + poundCount, as: .string)
        }
        return true
    }

    /// Reads a string from its opening quotes; interpolations inside are code again.
    private mutating func scanString(poundCount: Int) {
        let pounds = Array(repeating: UInt8(ascii: "#"), count: poundCount)
        let isMultiline = sees("\"\"\"")
        let quotes = Array(repeating: UInt8(ascii: "\""), count: isMultiline ? 3 : 1)
        take(quotes.count, as: .string)
        while position < bytes.count {
            if sees(quotes + pounds) { return take(quotes.count + poundCount, as: .string) }
            if sees([UInt8(ascii: "\\")] + pounds) {
                take(1 + poundCount, as: .string)
                let isInterpolation = peek() == UInt8(ascii: "(")
                take(1, as: .string)
                if isInterpolation {
                    scanCode(insideInterpolation: true)
                    kinds[position - 1] = .string  // its closing parenthesis
                }
            } else {
                if !isMultiline && peek() == UInt8(ascii: "\n") { return }
                take(1, as: .string)
            }
        }
    }

    /// Reads `/.../` where the compiler would: after an opening or an operator, not before a space,
    /// and closed on the same line.
    private mutating func scanBareRegex() -> Bool {
        var before = position - 1
        while before >= 0, bytes[before] == UInt8(ascii: " ") { before -= 1 }
        let opens = before < 0 || "([{,:=!&|?\n".utf8.contains(bytes[before])
        guard opens, peek(1) != UInt8(ascii: " "), peek(1) != UInt8(ascii: ")") else {
            return false
        }
        var end = position + 1
        while end < bytes.count, bytes[end] != UInt8(ascii: "/") {
            if bytes[end] == UInt8(ascii: "\n") { return false }
            end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard end < bytes.count else { return false }
        take(end + 1 - position, as: .string)
        return true
    }
}
