/// Runs a parsed template. Every step and every character handled is counted, so a hostile
/// template ends with an error instead of running on or filling memory.
struct TemplateEvaluator {
    typealias Position = ChatTemplateError.Position

    private enum Flow { case goOn, leaveLoop, nextIteration }

    private var scopes: [[String: TemplateValue]]
    private var namespaces: [TemplateDictionary] = []
    private var output = TaggedText()
    private var stepCount = 0
    private var characterCount = 0
    private let characterLimit: Int

    /// - Parameter characterLimit: how many characters values and output may have in total.
    init(variables: [String: TemplateValue], characterLimit: Int) {
        scopes = [variables]
        self.characterLimit = characterLimit
    }

    mutating func run(
        _ statements: [TemplateStatement]
    ) throws(ChatTemplateError) -> TaggedText {
        _ = try execute(statements)
        return output
    }

    // MARK: Limits

    mutating func countStep(at position: Position) throws(ChatTemplateError) {
        stepCount += 1
        guard stepCount <= ChatTemplate.maximumStepCount else {
            throw .tooManySteps(limit: ChatTemplate.maximumStepCount, position)
        }
    }

    /// Call before making a text or list of `count` elements.
    mutating func charge(_ count: Int, at position: Position) throws(ChatTemplateError) {
        let (sum, overflow) = characterCount.addingReportingOverflow(count)
        guard !overflow, sum <= characterLimit else {
            throw .tooMuchText(limit: characterLimit, position)
        }
        characterCount = sum
    }

    // MARK: Variables and namespaces

    func lookUp(_ name: String) -> TemplateValue {
        for scope in scopes.reversed() {
            if let value = scope[name] { return value }
        }
        return TemplateBuiltins.functionNames.contains(name) ? .function(name) : .undefined(name)
    }

    mutating func makeNamespace(_ content: TemplateDictionary) -> TemplateValue {
        namespaces.append(content)
        return .namespace(namespaces.count - 1)
    }

    func namespace(_ number: Int) -> TemplateDictionary { namespaces[number] }

    private mutating func set(_ name: String, _ value: TemplateValue) {
        scopes[scopes.count - 1][name] = value
    }

    private mutating func set(
        _ targets: [String], _ value: TemplateValue, at position: Position
    ) throws(ChatTemplateError) {
        if targets.count == 1 { return set(targets[0], value) }
        guard case .list(let parts) = value, parts.count == targets.count else {
            throw .evaluation(
                "cannot unpack \(value.kindName) into \(targets.count) names", position)
        }
        for (target, part) in zip(targets, parts) { set(target, part) }
    }

    // MARK: Statements

    private mutating func execute(
        _ statements: [TemplateStatement]
    ) throws(ChatTemplateError) -> Flow {
        for statement in statements {
            switch statement {
            case .text(let text):
                // Text has no position of its own; a loop around it counts its own steps.
                try append(text, at: Position(line: 1, column: 1))
            case .print(let expression):
                let value = try evaluate(expression)
                try append(try text(of: value, at: expression.position), at: expression.position)
            case .condition(let branches, let otherwise):
                let flow = try executeCondition(branches, otherwise)
                if flow != .goOn { return flow }
            case .loop(let loop):
                let flow = try executeLoop(loop)
                if flow != .goOn { return flow }
            case .set(let targets, let expression):
                try set(targets, try evaluate(expression), at: expression.position)
            case .setAttribute(let object, let attribute, let expression):
                guard case .namespace(let number) = lookUp(object) else {
                    throw .evaluation(
                        "'\(object)' is not a namespace, so it cannot change",
                        expression.position)
                }
                namespaces[number][attribute] = try evaluate(expression)
            case .setBlock(let name, let body):
                let outer = output
                output = TaggedText()
                scopes.append([:])
                let flow = try execute(body)
                scopes.removeLast()
                set(name, .text(output))
                output = outer
                if flow != .goOn { return flow }
            case .leaveLoop: return .leaveLoop
            case .nextIteration: return .nextIteration
            }
        }
        return .goOn
    }

    private mutating func append(
        _ text: TaggedText, at position: Position
    ) throws(ChatTemplateError) {
        try charge(text.count, at: position)
        output.append(text)
    }

    private mutating func executeCondition(
        _ branches: [TemplateBranch], _ otherwise: [TemplateStatement]
    ) throws(ChatTemplateError) -> Flow {
        for branch in branches where try evaluate(branch.condition).isTrue {
            return try execute(branch.body)
        }
        return try execute(otherwise)
    }

    private mutating func executeLoop(_ loop: TemplateLoop) throws(ChatTemplateError) -> Flow {
        let position = loop.sequence.position
        var elements = try elements(of: try evaluate(loop.sequence), at: position)
        scopes.append([:])
        defer { scopes.removeLast() }
        if let condition = loop.condition {
            var kept: [TemplateValue] = []
            for element in elements {
                try set(loop.targets, element, at: position)
                if try evaluate(condition).isTrue { kept.append(element) }
            }
            elements = kept
        }
        if elements.isEmpty {
            scopes[scopes.count - 1] = [:]
            return try execute(loop.otherwise)
        }
        for index in elements.indices {
            try countStep(at: position)
            // What one iteration sets, the next does not see.
            scopes[scopes.count - 1] = ["loop": Self.loopVariable(index, elements)]
            try set(loop.targets, elements[index], at: position)
            if try execute(loop.body) == .leaveLoop { break }
        }
        return .goOn
    }

    private static func loopVariable(_ index: Int, _ elements: [TemplateValue]) -> TemplateValue {
        var loop = TemplateDictionary()
        loop["index"] = .integer(index + 1)
        loop["index0"] = .integer(index)
        loop["revindex"] = .integer(elements.count - index)
        loop["revindex0"] = .integer(elements.count - index - 1)
        loop["first"] = .bool(index == 0)
        loop["last"] = .bool(index == elements.count - 1)
        loop["length"] = .integer(elements.count)
        if index > 0 { loop["previtem"] = elements[index - 1] }
        if index + 1 < elements.count { loop["nextitem"] = elements[index + 1] }
        return .dictionary(loop)
    }

    // MARK: Expressions

    mutating func evaluate(
        _ expression: TemplateExpression
    ) throws(ChatTemplateError) -> TemplateValue {
        let position = expression.position
        try countStep(at: position)
        switch expression.kind {
        case .literal(let value): return value
        case .name(let name): return lookUp(name)
        case .list(let elements): return .list(try evaluate(all: elements))
        case .dictionary(let entries):
            var result = TemplateDictionary()
            for entry in entries {
                guard case .text(let key) = try evaluate(entry.key) else {
                    throw .unsupported(
                        construct: "a mapping with keys that are not strings", position)
                }
                result[key] = try evaluate(entry.value)
            }
            return .dictionary(result)
        case .attribute(let object, let name):
            let object = try evaluate(object)
            return try attribute(name, of: object, at: position)
        case .subscripted(let object, let key):
            let object = try evaluate(object)
            let key = try evaluate(key)
            return try element(key, of: object, at: position)
        case .slice(let object, let start, let stop, let step):
            let object = try evaluate(object)
            let bounds = try (bound(start), bound(stop), bound(step))
            return try slice(object, bounds, at: position)
        case .call(let callee, let arguments):
            return try call(callee, arguments, at: position)
        case .filter(let operand, let name, let arguments):
            let operand = try evaluate(operand)
            let arguments = try evaluate(arguments)
            return try filter(name, operand, arguments, at: position)
        case .test(let operand, let name, let arguments):
            let operand = try evaluate(operand)
            let arguments = try evaluate(arguments)
            return .bool(try test(name, operand, arguments, at: position))
        case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
        case .negative(let operand):
            return try arithmetic("-", .integer(0), try evaluate(operand), at: position)
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .arithmetic(let name, let left, let right):
            let left = try evaluate(left)
            return try arithmetic(name, left, try evaluate(right), at: position)
        case .concatenation(let parts): return try concatenate(parts, at: position)
        case .comparison(let first, let rest): return try compare(first, rest, at: position)
        case .conditional(let condition, let then, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(then) }
            guard let otherwise else { return .undefined("the missing else") }
            return try evaluate(otherwise)
        }
    }
}
