/// A lexical unit of a chat template.
struct TemplateToken: Sendable {
    enum Kind: Hashable, Sendable {
        /// Text between tags, white space already cut as the tags ask.
        case text(String)
        case blockStart, blockEnd
        case printStart, printEnd
        case name(String)
        case string(String)
        case integer(Int)
        case real(Double)
        /// Operators and punctuation.
        case symbol(String)
        case end
    }

    let kind: Kind
    let position: ChatTemplateError.Position
}

extension TemplateToken.Kind {
    /// For error messages.
    var name: String {
        switch self {
        case .text: "text"
        case .blockStart: "'{%'"
        case .blockEnd: "'%}'"
        case .printStart: "'{{'"
        case .printEnd: "'}}'"
        case .name(let name): "'\(name)'"
        case .string: "a string"
        case .integer, .real: "a number"
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the end of the template"
        }
    }
}

/// Cuts a template into tokens.
///
/// White space follows Jinja with `trim_blocks` and `lstrip_blocks` on and
/// `keep_trailing_newline` off, which is how chat templates are written to be rendered.
/// Source: Jinja 3.1, "Whitespace Control"; Transformers, `apply_chat_template`.
struct TemplateLexer {
    private let source: [Unicode.Scalar]
    private var index = 0
    private var position = ChatTemplateError.Position(line: 1, column: 1)
    private(set) var tokens: [TemplateToken] = []

    /// Kinds of tag, by the scalar after `{`, which also stands before `}`.
    private enum Tag: Unicode.Scalar {
        case block = "%"
        case print = "{"
        case comment = "#"

        var closing: Unicode.Scalar { self == .print ? "}" : rawValue }
    }

    static func tokens(of source: String) throws(ChatTemplateError) -> [TemplateToken] {
        var lexer = TemplateLexer(source)
        try lexer.run()
        return lexer.tokens
    }

    private init(_ source: String) {
        var scalars: [Unicode.Scalar] = []
        var afterReturn = false
        for scalar in source.unicodeScalars {
            if scalar == "\n", afterReturn {
                afterReturn = false
                continue
            }
            afterReturn = scalar == "\r"
            scalars.append(afterReturn ? "\n" : scalar)
        }
        if scalars.last == "\n" { scalars.removeLast() }
        self.source = scalars
    }

    // MARK: Text and tags

    private mutating func run() throws(ChatTemplateError) {
        var startsLine = true
        while index < source.count {
            let textStart = (index, position)
            while index < source.count, tag(at: index) == nil { advance() }
            var end = index
            if let tag = tag(at: index) {
                end = cutEnd(from: textStart.0, to: index, before: tag, startsLine: startsLine)
            }
            if end > textStart.0 {
                tokens.append(
                    TemplateToken(
                        kind: .text(string(textStart.0..<end)), position: textStart.1))
            }
            guard let tag = tag(at: index) else { break }
            startsLine = try readTag(tag)
        }
        tokens.append(TemplateToken(kind: .end, position: position))
    }

    /// Where text before a tag ends once white space is cut.
    private func cutEnd(from start: Int, to end: Int, before tag: Tag, startsLine: Bool) -> Int {
        let sign = end + 2 < source.count ? source[end + 2] : " "
        var cut = end
        if sign == "-" {
            while cut > start, TaggedText.isPythonSpace(source[cut - 1]) { cut -= 1 }
        } else if sign != "+", tag != .print {
            while cut > start, source[cut - 1] != "\n", TaggedText.isPythonSpace(source[cut - 1]) {
                cut -= 1
            }
            let reachesLineStart = cut == start ? startsLine : source[cut - 1] == "\n"
            if !reachesLineStart { cut = end }
        }
        return cut
    }

    /// Reads a tag and the white space that it removes behind it.
    ///
    /// - Returns: whether a line starts after it.
    private mutating func readTag(_ tag: Tag) throws(ChatTemplateError) -> Bool {
        let start = position
        advance(by: 2)
        if index < source.count, source[index] == "-" || source[index] == "+" {
            advance()
        }
        switch tag {
        case .comment:
            while index < source.count, closingByteCount(tag) == nil { advance() }
        case .block:
            tokens.append(TemplateToken(kind: .blockStart, position: start))
            try readExpressionTokens(until: tag)
            tokens.append(TemplateToken(kind: .blockEnd, position: position))
        case .print:
            tokens.append(TemplateToken(kind: .printStart, position: start))
            try readExpressionTokens(until: tag)
            tokens.append(TemplateToken(kind: .printEnd, position: position))
        }
        guard index < source.count, let closing = closingByteCount(tag) else {
            throw .syntax("the tag that begins here has no end", start)
        }
        let sign = source[index]
        advance(by: closing)
        if sign == "-" {
            while index < source.count, TaggedText.isPythonSpace(source[index]) { advance() }
        } else if sign != "+", tag != .print, index < source.count, source[index] == "\n" {
            advance()
        }
        return source[index - 1] == "\n"
    }

    private func tag(at index: Int) -> Tag? {
        guard index + 1 < source.count, source[index] == "{" else { return nil }
        return Tag(rawValue: source[index + 1])
    }

    /// Length of the tag's end at `index`, with its sign, if it ends there.
    private func closingByteCount(_ tag: Tag) -> Int? {
        let hasSign = source[index] == "-" || (source[index] == "+" && tag != .print)
        let first = index + (hasSign ? 1 : 0)
        guard first + 1 < source.count, source[first] == tag.closing, source[first + 1] == "}"
        else { return nil }
        return hasSign ? 3 : 2
    }

    private mutating func advance(by count: Int = 1) {
        for _ in 0..<count {
            guard index < source.count else { return }
            if source[index] == "\n" {
                position.line += 1
                position.column = 1
            } else {
                position.column += 1
            }
            index += 1
        }
    }

    private func string(_ range: Range<Int>) -> String {
        var result = String.UnicodeScalarView()
        result.append(contentsOf: source[range])
        return String(result)
    }

    // MARK: Inside tags

    private mutating func readExpressionTokens(until tag: Tag) throws(ChatTemplateError) {
        // Inside brackets, `}}` closes two mappings rather than the tag.
        var openBrackets: [Unicode.Scalar] = []
        while index < source.count {
            if openBrackets.isEmpty, closingByteCount(tag) != nil { return }
            let scalar = source[index]
            switch scalar {
            case _ where TaggedText.isPythonSpace(scalar):
                advance()
                continue
            case "'", "\"": try readString()
            case "0"..."9": try readNumber()
            case _ where Self.isNameScalar(scalar): readName()
            case "(", "[", "{":
                openBrackets.append(scalar == "(" ? ")" : scalar == "[" ? "]" : "}")
                readSymbol(String(scalar))
            case ")", "]", "}":
                guard let expected = openBrackets.popLast() else {
                    throw .syntax("'\(scalar)' closes nothing", position)
                }
                guard expected == scalar else {
                    throw .syntax("expected '\(expected)', found '\(scalar)'", position)
                }
                readSymbol(String(scalar))
            default:
                let two = string(index..<min(index + 2, source.count))
                if ["==", "!=", "<=", ">=", "//", "**"].contains(two) {
                    readSymbol(two)
                } else if "+-*/%<>=~|.,:".unicodeScalars.contains(scalar) {
                    readSymbol(String(scalar))
                } else {
                    throw .syntax("unexpected '\(scalar)'", position)
                }
            }
        }
    }

    private static func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "_" || scalar.properties.isAlphabetic
            || (scalar.isASCII && scalar.properties.numericType != nil)
    }

    private mutating func readSymbol(_ symbol: String) {
        tokens.append(TemplateToken(kind: .symbol(symbol), position: position))
        advance(by: symbol.unicodeScalars.count)
    }

    private mutating func readName() {
        let start = (index, position)
        while index < source.count, Self.isNameScalar(source[index]) { advance() }
        tokens.append(
            TemplateToken(kind: .name(string(start.0..<index)), position: start.1))
    }

    private mutating func readNumber() throws(ChatTemplateError) {
        let start = (index, position)
        func isDigit(_ index: Int) -> Bool {
            index < source.count && ("0"..."9").contains(source[index])
        }
        while isDigit(index) || (index < source.count && source[index] == "_") { advance() }
        var isReal = false
        if index < source.count, source[index] == ".", isDigit(index + 1) {
            isReal = true
            advance()
            while isDigit(index) { advance() }
        }
        let text = string(start.0..<index).filter { $0 != "_" }
        guard index == source.count || !Self.isNameScalar(source[index]) else {
            throw .syntax("a number runs into '\(source[index])'", position)
        }
        if isReal, let value = Double(text) {
            tokens.append(TemplateToken(kind: .real(value), position: start.1))
        } else if let value = Int(text) {
            tokens.append(TemplateToken(kind: .integer(value), position: start.1))
        } else {
            throw .syntax("the number \(text) is too large", start.1)
        }
    }

    private mutating func readString() throws(ChatTemplateError) {
        let start = position
        let quote = source[index]
        advance()
        var result = String.UnicodeScalarView()
        while index < source.count, source[index] != quote {
            if source[index] == "\\" {
                try readEscape(to: &result)
            } else {
                result.append(source[index])
                advance()
            }
        }
        guard index < source.count else {
            throw .syntax("the string that begins here has no end", start)
        }
        advance()
        tokens.append(TemplateToken(kind: .string(String(result)), position: start))
    }

    /// Python's escapes; an unknown one stands for itself.
    private mutating func readEscape(
        to result: inout String.UnicodeScalarView
    ) throws(ChatTemplateError) {
        let start = position
        advance()
        guard index < source.count else { return }
        let letter = source[index]
        advance()
        switch letter {
        case "n": result.append("\n")
        case "t": result.append("\t")
        case "r": result.append("\r")
        case "b": result.append("\u{8}")
        case "f": result.append("\u{C}")
        case "v": result.append("\u{B}")
        case "a": result.append("\u{7}")
        case "\\", "'", "\"": result.append(letter)
        case "\n": break
        case "x", "u", "U":
            let digitCount = letter == "x" ? 2 : letter == "u" ? 4 : 8
            let digits = string(index..<min(index + digitCount, source.count))
            guard digits.utf8.count == digitCount, digits.allSatisfy(\.isHexDigit),
                let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
            else { throw .syntax("a malformed \\\(letter) escape", start) }
            result.append(scalar)
            advance(by: digitCount)
        case "0" where index == source.count || !("0"..."9").contains(source[index]):
            result.append("\0")
        case "0"..."9", "N":
            throw .unsupported(construct: "the string escape \\\(letter)", start)
        default:
            result.append("\\")
            result.append(letter)
        }
    }
}
