/// Names that templates find without defining them.
enum TemplateBuiltins {
    static let functionNames: Set<String> = ["raise_exception", "namespace", "dict", "range"]

    /// Parameters of filters, methods (marked by a dot) and tests (by a question mark).
    static let parameters: [String: [String]] = [
        "trim": ["chars"], "replace": ["old", "new"], "default": ["default_value", "boolean"],
        "d": ["default_value", "boolean"], "int": ["default"], "join": ["d"],
        "map": ["attribute"], "selectattr": ["attribute", "test", "other"],
        "rejectattr": ["attribute", "test", "other"],
        ".strip": ["chars"], ".lstrip": ["chars"], ".rstrip": ["chars"],
        ".replace": ["old", "new"], ".split": ["sep", "maxsplit"], ".join": ["iterable"],
        ".startswith": ["prefix"], ".endswith": ["prefix"], ".get": ["key", "default"],
        "?eq": ["other"], "?equalto": ["other"], "?==": ["other"], "?sameas": ["other"],
        "?ne": ["other"], "?!=": ["other"], "?lt": ["other"], "?lessthan": ["other"],
        "?<": ["other"], "?le": ["other"], "?<=": ["other"], "?gt": ["other"],
        "?greaterthan": ["other"], "?>": ["other"], "?ge": ["other"], "?>=": ["other"],
        "?in": ["other"], "?divisibleby": ["num"],
        "upper": [], "lower": [], "capitalize": [], "string": [], "safe": [], "length": [],
        "count": [], "first": [], "last": [], "list": [], "reverse": [], "items": [],
        ".upper": [], ".lower": [], ".capitalize": [], ".keys": [], ".values": [], ".items": [],
        "?defined": [], "?undefined": [], "?none": [], "?string": [], "?mapping": [],
        "?integer": [], "?float": [], "?boolean": [], "?number": [], "?true": [], "?false": [],
        "?callable": [], "?sequence": [], "?iterable": [], "?even": [], "?odd": [],
    ]
}

/// Evaluated arguments.
struct TemplateArguments {
    var positional: [TemplateValue] = []
    var named: [(name: String, value: TemplateValue)] = []

    /// The argument at `index` or, failing that, the one called `name`.
    subscript(index: Int, name: String) -> TemplateValue? {
        index < positional.count
            ? positional[index] : named.first { $0.name == name }?.value
    }

    /// Refuses arguments that would otherwise go unnoticed.
    ///
    /// - Parameter key: of `TemplateBuiltins.parameters`; what is not listed there passes, to be
    ///   refused by name.
    func check(_ key: String, at position: ChatTemplateError.Position) throws(ChatTemplateError) {
        guard let parameters = TemplateBuiltins.parameters[key] else { return }
        guard positional.count <= parameters.count else {
            throw .unsupported(construct: "'\(key)' with \(positional.count) arguments", position)
        }
        for (name, _) in named where !parameters.dropFirst(positional.count).contains(name) {
            throw .unsupported(construct: "'\(key)' with an argument '\(name)'", position)
        }
    }
}

/// Functions, methods, filters and tests.
extension TemplateEvaluator {
    mutating func evaluate(
        _ arguments: [TemplateArgument]
    ) throws(ChatTemplateError) -> TemplateArguments {
        var result = TemplateArguments()
        for argument in arguments {
            let value = try evaluate(argument.value)
            if let name = argument.name {
                result.named.append((name, value))
            } else {
                result.positional.append(value)
            }
        }
        return result
    }

    // MARK: Functions

    mutating func call(
        _ callee: TemplateExpression, _ arguments: [TemplateArgument], at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        if case .attribute(let object, let name) = callee.kind {
            let object = try evaluate(object)
            return try callMethod(name, object, try evaluate(arguments), at: position)
        }
        let callee = try evaluate(callee)
        guard case .function(let name) = callee else {
            throw .evaluation("cannot call \(callee.kindName)", position)
        }
        let arguments = try evaluate(arguments)
        switch name {
        case "raise_exception":
            let message = arguments[0, "message"] ?? .template("no reason given")
            throw .refused(message: try text(of: message, at: position).string)
        case "range": return try range(arguments, at: position)
        default:
            guard arguments.positional.isEmpty else {
                throw .unsupported(construct: "\(name)() with unnamed arguments", position)
            }
            var content = TemplateDictionary()
            for (key, value) in arguments.named { content[key] = value }
            return name == "namespace" ? makeNamespace(content) : .dictionary(content)
        }
    }

    private mutating func range(
        _ arguments: TemplateArguments, at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        let bounds = arguments.positional.compactMap(\.integer)
        guard (1...3).contains(bounds.count), bounds.count == arguments.positional.count,
            bounds.count < 3 || bounds[2] != 0
        else { throw .evaluation("range() needs one to three whole numbers", position) }
        let start = bounds.count == 1 ? 0 : bounds[0]
        let stop = bounds.count == 1 ? bounds[0] : bounds[1]
        var elements: [TemplateValue] = []
        for element in stride(from: start, to: stop, by: bounds.count == 3 ? bounds[2] : 1) {
            try charge(1, at: position)
            elements.append(.integer(element))
        }
        return .list(elements)
    }

    // MARK: Methods

    private mutating func callMethod(
        _ name: String, _ object: TemplateValue, _ arguments: TemplateArguments,
        at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        switch object {
        case .text(let text):
            return try callTextMethod(name, text, arguments, at: position)
        case .dictionary(let dictionary):
            try arguments.check("." + name, at: position)
            switch name {
            case "keys": return .list(dictionary.entries.map { .text($0.key) })
            case "values": return .list(dictionary.entries.map(\.value))
            case "items": return .list(dictionary.entries.map { .list([.text($0.key), $0.value]) })
            case "get":
                guard case .text(let key)? = arguments[0, "key"] else { return .none }
                return dictionary[key] ?? arguments[1, "default"] ?? .none
            default: break
            }
        case .undefined: throw .evaluation("\(object.kindName) has no '\(name)'", position)
        default: break
        }
        throw .unsupported(construct: "method '\(name)' of \(object.kindName)", position)
    }

    private mutating func callTextMethod(
        _ name: String, _ text: TaggedText, _ arguments: TemplateArguments,
        at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        try arguments.check("." + name, at: position)
        switch name {
        case "strip", "lstrip", "rstrip":
            try charge(text.count, at: position)
            return .text(
                text.trimmed(
                    of: try optionalText(arguments[0, "chars"], at: position),
                    atStart: name != "rstrip", atEnd: name != "lstrip"))
        case "upper", "lower", "capitalize", "replace":
            return try filter(name, .text(text), arguments, at: position)
        case "join":
            var joined = TemplateArguments()
            joined.positional = [.text(text)]
            return try filter("join", arguments[0, "iterable"] ?? .none, joined, at: position)
        case "split":
            let limit = arguments[1, "maxsplit"]?.integer ?? -1
            let separator = try optionalText(arguments[0, "sep"], at: position)
            return .list(try split(text, by: separator, limit: limit, at: position))
        case "startswith", "endswith":
            let candidates: [TemplateValue]
            switch arguments[0, "prefix"] {
            case .list(let several)?: candidates = several
            case let single?: candidates = [single]
            case nil: candidates = []
            }
            for candidate in candidates {
                guard let part = try optionalText(candidate, at: position) else { continue }
                try charge(part.count, at: position)
                guard part.count <= text.count else { continue }
                let units =
                    name == "startswith"
                    ? text.units.prefix(part.count) : text.units.suffix(part.count)
                if TaggedText(units: units).compare(to: part) == 0 { return .bool(true) }
            }
            return .bool(false)
        default: throw .unsupported(construct: "method '\(name)' of a string", position)
        }
    }

    /// A text, or `nil` for a missing argument or none.
    func optionalText(
        _ value: TemplateValue?, at position: Position
    ) throws(ChatTemplateError) -> TaggedText? {
        switch value {
        case nil, TemplateValue.none?: return nil
        case .text(let text)?: return text
        case let other?: throw .evaluation("expected a string, not \(other.kindName)", position)
        }
    }

    /// - Parameters:
    ///   - separator: `nil` splits at runs of white space.
    ///   - limit: most cuts; negative means any number.
    private mutating func split(
        _ text: TaggedText, by separator: TaggedText?, limit: Int, at position: Position
    ) throws(ChatTemplateError) -> [TemplateValue] {
        try charge(text.count, at: position)
        var parts: [TemplateValue] = []
        var start = 0
        if let separator {
            guard !separator.isEmpty else { throw .evaluation("an empty separator", position) }
            while limit < 0 || parts.count < limit,
                let end = try firstIndex(of: separator, in: text, from: start, at: position)
            {
                parts.append(.text(TaggedText(units: text.units[start..<end])))
                start = end + separator.count
            }
            parts.append(.text(TaggedText(units: text.units[start...])))
            return parts
        }
        guard limit < 0 else {
            throw .unsupported(construct: "split() at white space with a limit", position)
        }
        for word in text.units.split(whereSeparator: TaggedText.isPythonSpace(unit:)) {
            parts.append(.text(TaggedText(units: word)))
        }
        return parts
    }
}
