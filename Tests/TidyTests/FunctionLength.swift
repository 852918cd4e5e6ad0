/// Finds the functions of a file and how many lines each takes, keyword to closing brace.
///
/// In Swift a function is whatever `func`, `init`, `deinit`, `subscript` or a computed `var` gives
/// a body; in C, a brace outside all braces that follows a closing parenthesis.
struct FunctionLength: Equatable {
    let firstLine: Int
    let lineCount: Int

    static func all(in source: SourceText) -> [FunctionLength] {
        source.isSwift ? swiftFunctions(source.tokens) : cFunctions(source.tokens)
    }

    private static func swiftFunctions(_ tokens: [Token]) -> [FunctionLength] {
        tokens.indices.compactMap { index in
            guard begins(at: index, tokens), let body = bodyBrace(after: index, tokens),
                let end = closingBrace(of: body, tokens)
            else { return nil }
            let first = tokens[index].line
            return FunctionLength(firstLine: first, lineCount: tokens[end].line - first + 1)
        }
    }

    private static func begins(at index: Int, _ tokens: [Token]) -> Bool {
        if index > 0, tokens[index - 1].text == "." { return false }
        let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
        switch tokens[index].text {
        case "func", "var": return true
        case "init": return ["(", "<", "?", "!"].contains(next)
        case "subscript": return ["(", "<"].contains(next)
        case "deinit": return next == "{"
        default: return false
        }
    }

    /// The brace that opens the declaration's body, or nil if it has none (a stored variable, a
    /// protocol's requirement). Default arguments may hold closures: those stand in parentheses.
    private static func bodyBrace(after start: Int, _ tokens: [Token]) -> Int? {
        let isVariable = tokens[start].text == "var"
        var depth = 0
        for index in (start + 1)..<tokens.count {
            let text = tokens[index].text
            if depth == 0 {
                if text == "{" { return index }
                if ["}", ";", ")", "]"].contains(text) { return nil }
                if isVariable, ["=", "in"].contains(text) { return nil }
                if tokens[index].isFirstOnLine, !continues(index, tokens) { return nil }
            }
            if ["(", "["].contains(text) { depth += 1 }
            if [")", "]"].contains(text) { depth -= 1 }
        }
        return nil
    }

    /// Whether a line that begins with this token goes on with the signature before it.
    private static func continues(_ index: Int, _ tokens: [Token]) -> Bool {
        let continuing: Set = ["where", "throws", "async", "rethrows", "-", ">", ",", ":", "&"]
        let expecting: Set = ["where", ",", ":", "&", "<", "="]
        let followsArrow = tokens[index - 1].text == ">" && tokens[index - 2].text == "-"
        return followsArrow || continuing.contains(tokens[index].text)
            || expecting.contains(tokens[index - 1].text)
    }

    private static func closingBrace(of opening: Int, _ tokens: [Token]) -> Int? {
        var depth = 0
        for index in opening..<tokens.count {
            if tokens[index].text == "{" { depth += 1 }
            if tokens[index].text == "}" { depth -= 1 }
            if depth == 0 { return index }
        }
        return nil
    }

    private static func cFunctions(_ tokens: [Token]) -> [FunctionLength] {
        var functions: [FunctionLength] = []
        var first = 0
        var index = 0
        while index < tokens.count {
            if tokens[index].text == ";" { first = index + 1 }
            if tokens[index].text == "{", let end = closingBrace(of: index, tokens) {
                if index > 0, tokens[index - 1].text == ")" {
                    let line = tokens[first].line
                    functions.append(
                        FunctionLength(firstLine: line, lineCount: tokens[end].line - line + 1))
                    first = end + 1
                }
                index = end
            }
            index += 1
        }
        return functions
    }
}
