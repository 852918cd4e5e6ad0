/// Reads expressions from a template's tokens; Jinja's precedence, lowest first: conditional, or,
/// and, not, comparison, `+ -`, `~`, `* / // %`, unary minus, then filters and tests, then
/// attributes, subscripts and calls.
struct TemplateExpressionParser {
    typealias Expression = TemplateExpression
    typealias Position = ChatTemplateError.Position

    /// Deepest expression: parsing and evaluation recurse, so this bounds the stack.
    static let maximumDepth = 150
    /// Deepest bracket, each of which takes parsing through all levels of precedence.
    static let maximumBracketDepth = 40

    private let tokens: [TemplateToken]
    private var index = 0
    private var bracketDepth = 0

    init(_ tokens: [TemplateToken]) {
        precondition(tokens.last?.kind == .end)
        self.tokens = tokens
    }

    // MARK: Tokens

    var current: TemplateToken { tokens[index] }

    mutating func advance() { if index + 1 < tokens.count { index += 1 } }

    mutating func skip(symbol: String) -> Bool {
        guard current.kind == .symbol(symbol) else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard current.kind == .name(name) else { return false }
        advance()
        return true
    }

    mutating func expect(_ kind: TemplateToken.Kind) throws(ChatTemplateError) {
        guard current.kind == kind else {
            throw .syntax("expected \(kind.name), found \(current.kind.name)", current.position)
        }
        advance()
    }

    mutating func expectName() throws(ChatTemplateError) -> String {
        guard case .name(let name) = current.kind else {
            throw .syntax("expected a name, found \(current.kind.name)", current.position)
        }
        advance()
        return name
    }

    // MARK: Making nodes

    private func make(
        _ kind: Expression.Kind, at position: Position, above children: [Expression] = []
    ) throws(ChatTemplateError) -> Expression {
        let depth = 1 + (children.map(\.depth).max() ?? 0)
        guard depth <= Self.maximumDepth else { throw .tooDeep(position) }
        return Expression(kind: kind, position: position, depth: depth)
    }

    // MARK: Levels of precedence

    mutating func parse() throws(ChatTemplateError) -> Expression {
        bracketDepth += 1
        defer { bracketDepth -= 1 }
        guard bracketDepth <= Self.maximumBracketDepth else { throw .tooDeep(current.position) }
        var result = try parseOr()
        while current.kind == .name("if") {
            let position = current.position
            advance()
            let condition = try parseOr()
            let otherwise = skip(name: "else") ? try parse() : nil
            result = try make(
                .conditional(condition, then: result, otherwise: otherwise), at: position,
                above: [result, condition] + (otherwise.map { [$0] } ?? []))
        }
        return result
    }

    /// As `parse`, or several expressions with commas between them, which make a list.
    mutating func parseTuple() throws(ChatTemplateError) -> Expression {
        let first = try parse()
        guard current.kind == .symbol(",") else { return first }
        var elements = [first]
        while skip(symbol: ",") { elements.append(try parse()) }
        return try make(.list(elements), at: first.position, above: elements)
    }

    /// As `parse` but without `if`, which in a loop's head begins its condition.
    mutating func parseOr() throws(ChatTemplateError) -> Expression {
        var left = try parseAnd()
        while current.kind == .name("or") {
            let position = current.position
            advance()
            let right = try parseAnd()
            left = try make(.or(left, right), at: position, above: [left, right])
        }
        return left
    }

    private mutating func parseAnd() throws(ChatTemplateError) -> Expression {
        var left = try parseNot()
        while current.kind == .name("and") {
            let position = current.position
            advance()
            let right = try parseNot()
            left = try make(.and(left, right), at: position, above: [left, right])
        }
        return left
    }

    private mutating func parseNot() throws(ChatTemplateError) -> Expression {
        var positions: [Position] = []
        while current.kind == .name("not") {
            positions.append(current.position)
            advance()
        }
        var result = try parseComparison()
        for position in positions.reversed() {
            result = try make(.not(result), at: position, above: [result])
        }
        return result
    }

    private mutating func parseComparison() throws(ChatTemplateError) -> Expression {
        let first = try parseSum()
        let position = current.position
        var rest: [TemplateComparison] = []
        while let name = skipComparisonOperator() {
            rest.append(TemplateComparison(name: name, operand: try parseSum()))
        }
        guard !rest.isEmpty else { return first }
        return try make(
            .comparison(first, rest), at: position, above: [first] + rest.map(\.operand))
    }

    private mutating func skipComparisonOperator() -> String? {
        switch current.kind {
        case .symbol(let symbol) where ["==", "!=", "<", "<=", ">", ">="].contains(symbol):
            advance()
            return symbol
        case .name("in"):
            advance()
            return "in"
        case .name("not") where tokens[index + 1].kind == .name("in"):
            advance()
            advance()
            return "not in"
        default:
            return nil
        }
    }

    private mutating func parseSum() throws(ChatTemplateError) -> Expression {
        var left = try parseConcatenation()
        while case .symbol(let symbol) = current.kind, ["+", "-"].contains(symbol) {
            let position = current.position
            advance()
            let right = try parseConcatenation()
            left = try make(
                .arithmetic(symbol, left, right), at: position, above: [left, right])
        }
        return left
    }

    private mutating func parseConcatenation() throws(ChatTemplateError) -> Expression {
        let position = current.position
        var parts = [try parseProduct()]
        while skip(symbol: "~") { parts.append(try parseProduct()) }
        return parts.count == 1
            ? parts[0]
            : try make(
                .concatenation(parts), at: position, above: parts)
    }

    private mutating func parseProduct() throws(ChatTemplateError) -> Expression {
        var left = try parseUnary()
        while case .symbol(let symbol) = current.kind, ["*", "/", "//", "%"].contains(symbol) {
            let position = current.position
            advance()
            let right = try parseUnary()
            left = try make(
                .arithmetic(symbol, left, right), at: position, above: [left, right])
        }
        guard current.kind != .symbol("**") else {
            throw .unsupported(construct: "operator '**'", current.position)
        }
        return left
    }

    private mutating func parseUnary() throws(ChatTemplateError) -> Expression {
        var positions: [Position] = []
        while current.kind == .symbol("-") {
            positions.append(current.position)
            advance()
        }
        var result = try parsePostfix(try parsePrimary())
        for position in positions.reversed() {
            result = try make(.negative(result), at: position, above: [result])
        }
        return try parseFiltersAndTests(result)
    }

    // MARK: Filters and tests

    private mutating func parseFiltersAndTests(
        _ operand: Expression
    ) throws(ChatTemplateError) -> Expression {
        var result = operand
        while true {
            let position = current.position
            if skip(symbol: "|") {
                let name = try expectName()
                let arguments = skip(symbol: "(") ? try parseArguments() : []
                result = try make(
                    .filter(result, name, arguments), at: position,
                    above: [result] + arguments.map(\.value))
            } else if skip(name: "is") {
                let isNegated = skip(name: "not")
                let name = try expectName()
                let arguments = try parseTestArguments()
                result = try make(
                    .test(result, name, arguments), at: position,
                    above: [result] + arguments.map(\.value))
                if isNegated { result = try make(.not(result), at: position, above: [result]) }
            } else {
                return result
            }
        }
    }

    /// A test's argument may follow without parentheses, as in `is divisibleby 2`.
    private mutating func parseTestArguments() throws(ChatTemplateError) -> [TemplateArgument] {
        if skip(symbol: "(") { return try parseArguments() }
        switch current.kind {
        case .string, .integer, .real, .symbol("["), .symbol("{"): break
        case .name(let name) where !["else", "or", "and", "is", "if", "in", "not"].contains(name):
            break
        default: return []
        }
        return [TemplateArgument(name: nil, value: try parsePostfix(try parsePrimary()))]
    }

    /// Reads up to and with the closing parenthesis.
    private mutating func parseArguments() throws(ChatTemplateError) -> [TemplateArgument] {
        var arguments: [TemplateArgument] = []
        while !skip(symbol: ")") {
            if !arguments.isEmpty {
                try expect(.symbol(","))
                if skip(symbol: ")") { break }
            }
            var name: String?
            if case .name(let found) = current.kind, tokens[index + 1].kind == .symbol("=") {
                name = found
                advance()
                advance()
            } else if current.kind == .symbol("*") || current.kind == .symbol("**") {
                throw .unsupported(construct: "argument unpacking", current.position)
            }
            arguments.append(TemplateArgument(name: name, value: try parse()))
        }
        return arguments
    }

    // MARK: Primaries

    private mutating func parsePrimary() throws(ChatTemplateError) -> Expression {
        let token = current
        advance()
        switch token.kind {
        case .name(let name): return try make(Self.kind(ofName: name), at: token.position)
        case .integer(let value): return try make(.literal(.integer(value)), at: token.position)
        case .real(let value): return try make(.literal(.real(value)), at: token.position)
        case .string(var text):
            // Neighbouring strings are one, as in Python.
            while case .string(let more) = current.kind {
                text += more
                advance()
            }
            return try make(.literal(.template(text)), at: token.position)
        case .symbol("("):
            let first = try parse()
            guard current.kind == .symbol(",") else {
                try expect(.symbol(")"))
                return first
            }
            _ = skip(symbol: ",")
            let rest = try parseElements(until: ")")
            return try make(.list([first] + rest), at: token.position, above: [first] + rest)
        case .symbol("["):
            let elements = try parseElements(until: "]")
            return try make(.list(elements), at: token.position, above: elements)
        case .symbol("{"): return try parseDictionary(at: token.position)
        default:
            throw .syntax("expected a value, found \(token.kind.name)", token.position)
        }
    }

    private static func kind(ofName name: String) -> Expression.Kind {
        switch name {
        case "true", "True": .literal(.bool(true))
        case "false", "False": .literal(.bool(false))
        case "none", "None": .literal(.none)
        default: .name(name)
        }
    }

    private mutating func parseElements(
        until end: String
    ) throws(ChatTemplateError) -> [Expression] {
        var elements: [Expression] = []
        while !skip(symbol: end) {
            if !elements.isEmpty {
                try expect(.symbol(","))
                if skip(symbol: end) { break }
            }
            elements.append(try parse())
        }
        return elements
    }

    private mutating func parseDictionary(
        at position: Position
    ) throws(ChatTemplateError) -> Expression {
        var entries: [TemplateEntry] = []
        while !skip(symbol: "}") {
            if !entries.isEmpty {
                try expect(.symbol(","))
                if skip(symbol: "}") { break }
            }
            let key = try parse()
            try expect(.symbol(":"))
            entries.append(TemplateEntry(key: key, value: try parse()))
        }
        return try make(
            .dictionary(entries), at: position, above: entries.flatMap { [$0.key, $0.value] })
    }

    private mutating func parsePostfix(
        _ primary: Expression
    ) throws(ChatTemplateError) -> Expression {
        var result = primary
        while true {
            let position = current.position
            if skip(symbol: ".") {
                if case .integer(let value) = current.kind {
                    advance()
                    let key = try make(.literal(.integer(value)), at: position)
                    result = try make(.subscripted(result, key), at: position, above: [result])
                } else {
                    result = try make(
                        .attribute(result, try expectName()), at: position, above: [result])
                }
            } else if skip(symbol: "[") {
                result = try parseSubscript(of: result, at: position)
            } else if skip(symbol: "(") {
                let arguments = try parseArguments()
                result = try make(
                    .call(result, arguments), at: position,
                    above: [result] + arguments.map(\.value))
            } else {
                return result
            }
        }
    }

    private mutating func parseSubscript(
        of object: Expression, at position: Position
    ) throws(ChatTemplateError) -> Expression {
        var parts: [Expression?] = [nil]
        while current.kind != .symbol("]") {
            if skip(symbol: ":") {
                parts.append(nil)
            } else if parts[parts.count - 1] == nil {
                parts[parts.count - 1] = try parse()
            } else {
                throw .syntax("expected ']', found \(current.kind.name)", current.position)
            }
        }
        advance()
        let given = parts.compactMap(\.self)
        if parts.count == 1, let key = given.first {
            return try make(.subscripted(object, key), at: position, above: [object, key])
        }
        guard (2...3).contains(parts.count) else {
            throw .syntax("a subscript needs an index or a slice of at most three parts", position)
        }
        return try make(
            .slice(
                object, start: parts[0], stop: parts[1], step: parts.count == 3 ? parts[2] : nil),
            at: position, above: [object] + given)
    }
}
