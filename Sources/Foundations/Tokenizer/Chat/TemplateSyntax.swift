/// An expression of a chat template with its place in the source.
struct TemplateExpression: Sendable {
    indirect enum Kind: Sendable {
        case literal(TemplateValue)
        case name(String)
        case list([TemplateExpression])
        case dictionary([TemplateEntry])
        case attribute(TemplateExpression, String)
        case subscripted(TemplateExpression, TemplateExpression)
        case slice(
            TemplateExpression, start: TemplateExpression?, stop: TemplateExpression?,
            step: TemplateExpression?)
        case call(TemplateExpression, [TemplateArgument])
        case filter(TemplateExpression, String, [TemplateArgument])
        case test(TemplateExpression, String, [TemplateArgument])
        case not(TemplateExpression)
        case negative(TemplateExpression)
        case and(TemplateExpression, TemplateExpression)
        case or(TemplateExpression, TemplateExpression)
        case arithmetic(String, TemplateExpression, TemplateExpression)
        case concatenation([TemplateExpression])
        case comparison(TemplateExpression, [TemplateComparison])
        case conditional(
            TemplateExpression, then: TemplateExpression, otherwise: TemplateExpression?)
    }

    let kind: Kind
    let position: ChatTemplateError.Position
    /// Longest path down to a leaf; evaluation recurses as deep.
    let depth: Int
}

/// One step of a comparison, which may be a chain as in `0 < a <= 9`.
struct TemplateComparison: Sendable {
    let name: String
    let operand: TemplateExpression
}

/// An entry of a mapping written out.
struct TemplateEntry: Sendable {
    let key: TemplateExpression
    let value: TemplateExpression
}

/// One `if` or `elif`.
struct TemplateBranch: Sendable {
    let condition: TemplateExpression
    let body: [TemplateStatement]
}

/// An argument of a call, a filter or a test; `name` is `nil` for a positional one.
struct TemplateArgument: Sendable {
    let name: String?
    let value: TemplateExpression
}

/// What stands between tags, or a tag with all that belongs to it.
indirect enum TemplateStatement: Sendable {
    case text(TaggedText)
    case print(TemplateExpression)
    case condition([TemplateBranch], otherwise: [TemplateStatement])
    case loop(TemplateLoop)
    case set([String], TemplateExpression)
    case setAttribute(object: String, attribute: String, TemplateExpression)
    case setBlock(String, [TemplateStatement])
    case leaveLoop
    case nextIteration
}

/// `for … in … if …`, with what happens when nothing was iterated over.
struct TemplateLoop: Sendable {
    let targets: [String]
    let sequence: TemplateExpression
    let condition: TemplateExpression?
    let body: [TemplateStatement]
    let otherwise: [TemplateStatement]
}
