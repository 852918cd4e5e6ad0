/// Reads a template's statements.
struct TemplateParser {
    /// Deepest nesting of blocks: parsing and evaluation recurse, so this bounds the stack.
    static let maximumBlockDepth = 40

    private var parser: TemplateExpressionParser
    private var blockDepth = 0
    private var loopDepth = 0

    /// - Throws: what is malformed or unsupported, with its place.
    static func statements(of source: String) throws(ChatTemplateError) -> [TemplateStatement] {
        var parser = TemplateParser(
            parser: TemplateExpressionParser(try TemplateLexer.tokens(of: source)))
        let (statements, _) = try parser.parseBody(of: nil, until: [])
        return statements
    }

    /// Reads statements up to the first of some tags, whose name it reads too.
    ///
    /// - Parameters:
    ///   - opening: name and place of the block that the statements belong to.
    ///   - ends: names of tags; none means the end of the template.
    /// - Returns: the statements and the name of the tag that ended them.
    private mutating func parseBody(
        of opening: (name: String, position: ChatTemplateError.Position)?, until ends: [String]
    ) throws(ChatTemplateError) -> ([TemplateStatement], end: String) {
        blockDepth += 1
        defer { blockDepth -= 1 }
        guard blockDepth <= Self.maximumBlockDepth else { throw .tooDeep(parser.current.position) }
        var statements: [TemplateStatement] = []
        while true {
            let token = parser.current
            parser.advance()
            switch token.kind {
            case .text(let text):
                statements.append(.text(TaggedText(text, isTemplateText: true)))
            case .printStart:
                statements.append(.print(try parser.parse()))
                try parser.expect(.printEnd)
            case .blockStart:
                let position = parser.current.position
                let name = try parser.expectName()
                if ends.contains(name) { return (statements, name) }
                try parseTag(name, at: position, to: &statements)
            case .end:
                guard let opening else { return (statements, "") }
                throw .syntax("'\(opening.name)' has no end", opening.position)
            default:
                throw .syntax("unexpected \(token.kind.name)", token.position)
            }
        }
    }

    private mutating func parseTag(
        _ name: String, at position: ChatTemplateError.Position,
        to statements: inout [TemplateStatement]
    ) throws(ChatTemplateError) {
        switch name {
        case "if": statements.append(try parseCondition(at: position))
        case "for": statements.append(try parseLoop(at: position))
        case "set": statements.append(try parseSet(at: position))
        case "break", "continue":
            guard loopDepth > 0 else { throw .syntax("'\(name)' outside a loop", position) }
            try parser.expect(.blockEnd)
            statements.append(name == "break" ? .leaveLoop : .nextIteration)
        case "generation":
            // Marks what training counts; it renders as its content.
            try parser.expect(.blockEnd)
            let (body, _) = try parseBody(of: (name, position), until: ["endgeneration"])
            try parser.expect(.blockEnd)
            statements += body
        case "else", "elif", "endif", "endfor", "endset", "endgeneration":
            throw .syntax("'\(name)' closes nothing", position)
        default:
            throw .unsupported(construct: "tag '\(name)'", position)
        }
    }

    private mutating func parseCondition(
        at position: ChatTemplateError.Position
    ) throws(ChatTemplateError) -> TemplateStatement {
        var branches: [TemplateBranch] = []
        var otherwise: [TemplateStatement] = []
        var end = "elif"
        while end == "elif" {
            let condition = try parser.parse()
            try parser.expect(.blockEnd)
            let (body, next) = try parseBody(
                of: ("if", position), until: ["elif", "else", "endif"])
            branches.append(TemplateBranch(condition: condition, body: body))
            end = next
        }
        if end == "else" {
            try parser.expect(.blockEnd)
            (otherwise, _) = try parseBody(of: ("if", position), until: ["endif"])
        }
        try parser.expect(.blockEnd)
        return .condition(branches, otherwise: otherwise)
    }

    private mutating func parseLoop(
        at position: ChatTemplateError.Position
    ) throws(ChatTemplateError) -> TemplateStatement {
        let targets = try parseTargets()
        guard parser.skip(name: "in") else {
            throw .syntax("a loop needs 'in'", parser.current.position)
        }
        let sequence = try parser.parseOr()
        let condition = parser.skip(name: "if") ? try parser.parse() : nil
        if parser.current.kind == .name("recursive") {
            throw .unsupported(construct: "a recursive loop", parser.current.position)
        }
        try parser.expect(.blockEnd)
        loopDepth += 1
        let (body, end) = try parseBody(of: ("for", position), until: ["else", "endfor"])
        loopDepth -= 1
        var otherwise: [TemplateStatement] = []
        if end == "else" {
            try parser.expect(.blockEnd)
            (otherwise, _) = try parseBody(of: ("for", position), until: ["endfor"])
        }
        try parser.expect(.blockEnd)
        return .loop(
            TemplateLoop(
                targets: targets, sequence: sequence, condition: condition, body: body,
                otherwise: otherwise))
    }

    private mutating func parseTargets() throws(ChatTemplateError) -> [String] {
        var targets = [try parser.expectName()]
        while parser.skip(symbol: ",") { targets.append(try parser.expectName()) }
        return targets
    }

    private mutating func parseSet(
        at position: ChatTemplateError.Position
    ) throws(ChatTemplateError) -> TemplateStatement {
        let targets = try parseTargets()
        if parser.skip(symbol: ".") {
            let attribute = try parser.expectName()
            try parser.expect(.symbol("="))
            let value = try parser.parse()
            try parser.expect(.blockEnd)
            return .setAttribute(object: targets[0], attribute: attribute, value)
        }
        if targets.count == 1, parser.current.kind == .blockEnd {
            parser.advance()
            let (body, _) = try parseBody(of: ("set", position), until: ["endset"])
            try parser.expect(.blockEnd)
            return .setBlock(targets[0], body)
        }
        try parser.expect(.symbol("="))
        let value = try parser.parseTuple()
        try parser.expect(.blockEnd)
        return .set(targets, value)
    }
}
