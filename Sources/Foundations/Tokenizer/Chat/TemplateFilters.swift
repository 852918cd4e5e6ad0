/// Filters (`value | name`) and tests (`value is name`).
extension TemplateEvaluator {
    mutating func filter(
        _ name: String, _ operand: TemplateValue, _ arguments: TemplateArguments,
        at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        try arguments.check(name, at: position)
        switch name {
        case "trim", "upper", "lower", "capitalize", "replace", "string":
            let text = try text(of: operand, at: position)
            return .text(try textFilter(name, text, arguments, at: position))
        case "safe": return operand
        case "default", "d":
            let replacesFalse = arguments[1, "boolean"]?.isTrue ?? false
            let isMissing = operand.isUndefined || (replacesFalse && !operand.isTrue)
            return isMissing ? arguments[0, "default_value"] ?? .template("") : operand
        case "length", "count":
            switch operand {
            case .text(let text): return .integer(text.count)
            case .list(let elements): return .integer(elements.count)
            case .dictionary(let dictionary): return .integer(dictionary.entries.count)
            case .undefined: return .integer(0)
            default: throw .evaluation("\(operand.kindName) has no length", position)
            }
        case "int":
            if case .real(let value) = operand {
                return .integer(Int(exactly: value.rounded(.towardZero)) ?? 0)
            }
            if let value = operand.integer { return .integer(value) }
            guard case .text(let text) = operand else { return .integer(0) }
            let trimmed = text.trimmed(of: nil, atStart: true, atEnd: true)
            return Int(trimmed.string).map { .integer($0) }
                ?? arguments[0, "default"] ?? .integer(0)
        case "first", "last", "list", "reverse", "join", "map", "selectattr", "rejectattr":
            return try sequenceFilter(name, operand, arguments, at: position)
        case "items":
            guard case .dictionary(let dictionary) = operand else {
                throw .evaluation("\(operand.kindName) has no items", position)
            }
            return .list(dictionary.entries.map { .list([.text($0.key), $0.value]) })
        default: throw .unsupported(construct: "filter '\(name)'", position)
        }
    }

    private mutating func textFilter(
        _ name: String, _ text: TaggedText, _ arguments: TemplateArguments,
        at position: Position
    ) throws(ChatTemplateError) -> TaggedText {
        try charge(text.count, at: position)
        switch name {
        case "trim":
            return text.trimmed(
                of: try optionalText(arguments[0, "chars"], at: position), atStart: true,
                atEnd: true)
        case "upper": return text.mapped(\.uppercaseMapping)
        case "lower": return text.mapped(\.lowercaseMapping)
        case "capitalize":
            var result = TaggedText(units: text.units.prefix(1)).mapped(\.titlecaseMapping)
            result.append(TaggedText(units: text.units.dropFirst()).mapped(\.lowercaseMapping))
            return result
        case "replace":
            guard let old = try optionalText(arguments[0, "old"], at: position),
                let new = try optionalText(arguments[1, "new"], at: position),
                !old.isEmpty
            else {
                throw .unsupported(
                    construct: "replace() other than of one text by another", position)
            }
            var result = TaggedText()
            var start = 0
            while let end = try firstIndex(of: old, in: text, from: start, at: position) {
                try charge(end - start + new.count, at: position)
                result.append(TaggedText(units: text.units[start..<end]))
                result.append(new)
                start = end + old.count
            }
            result.append(TaggedText(units: text.units[start...]))
            return result
        default: return text
        }
    }

    private mutating func sequenceFilter(
        _ name: String, _ operand: TemplateValue, _ arguments: TemplateArguments,
        at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        if name == "reverse", case .text(let text) = operand {
            try charge(text.count, at: position)
            return .text(TaggedText(units: text.units.reversed()))
        }
        let elements = try elements(of: operand, at: position)
        try charge(elements.count, at: position)
        switch name {
        case "first": return elements.first ?? .undefined("the first element")
        case "last": return elements.last ?? .undefined("the last element")
        case "reverse": return .list(elements.reversed())
        case "join":
            let separator = try optionalText(arguments[0, "d"], at: position) ?? TaggedText()
            var result = TaggedText()
            for (index, element) in elements.enumerated() {
                let text = try text(of: element, at: position)
                try charge(separator.count + text.count, at: position)
                if index > 0 { result.append(separator) }
                result.append(text)
            }
            return .text(result)
        case "map":
            guard arguments.positional.isEmpty,
                let attribute = try optionalText(arguments[0, "attribute"], at: position)
            else { throw .unsupported(construct: "map() without an attribute", position) }
            var result: [TemplateValue] = []
            for element in elements {
                result.append(try self.element(.text(attribute), of: element, at: position))
            }
            return .list(result)
        case "selectattr", "rejectattr":
            return try select(elements, arguments, keeps: name == "selectattr", at: position)
        default: return .list(elements)
        }
    }

    private mutating func select(
        _ elements: [TemplateValue], _ arguments: TemplateArguments, keeps: Bool,
        at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        guard let attribute = try optionalText(arguments[0, "attribute"], at: position) else {
            throw .evaluation("selecting needs the name of an attribute", position)
        }
        let testName = try optionalText(arguments[1, "test"], at: position)
        var rest = TemplateArguments()
        rest.positional = Array(arguments.positional.dropFirst(2))
        var result: [TemplateValue] = []
        for candidate in elements {
            try countStep(at: position)
            let value = try element(.text(attribute), of: candidate, at: position)
            let matches =
                if let testName { try test(testName.string, value, rest, at: position) } else {
                    value.isTrue
                }
            if matches == keeps { result.append(candidate) }
        }
        return .list(result)
    }

    // MARK: Tests

    mutating func test(
        _ name: String, _ operand: TemplateValue, _ arguments: TemplateArguments,
        at position: Position
    ) throws(ChatTemplateError) -> Bool {
        try arguments.check("?" + name, at: position)
        if let result = Self.kindTest(name, operand) { return result }
        let comparisons = [
            "eq": "==", "equalto": "==", "==": "==", "sameas": "==", "ne": "!=", "!=": "!=",
            "lt": "<", "lessthan": "<", "<": "<", "le": "<=", "<=": "<=", "gt": ">",
            "greaterthan": ">", ">": ">", "ge": ">=", ">=": ">=", "in": "in",
        ]
        if let comparison = comparisons[name] {
            guard let other = arguments[0, "other"] else {
                throw .evaluation("test '\(name)' needs a value to compare with", position)
            }
            return try compare(comparison, operand, other, at: position)
        }
        guard ["even", "odd", "divisibleby"].contains(name) else {
            throw .unsupported(construct: "test '\(name)'", position)
        }
        let divisor = name == "divisibleby" ? arguments[0, "num"]?.integer : 2
        guard let value = operand.integer, let divisor, divisor != 0 else {
            throw .evaluation("test '\(name)' needs whole numbers", position)
        }
        let (remainder, _) = value.remainderReportingOverflow(dividingBy: divisor)
        return (remainder == 0) != (name == "odd")
    }

    /// Tests that look only at the kind of value; `nil` for any other test.
    private static func kindTest(_ name: String, _ operand: TemplateValue) -> Bool? {
        switch (name, operand) {
        case ("defined", _): !operand.isUndefined
        case ("undefined", _): operand.isUndefined
        case ("none", .none), ("string", .text), ("mapping", .dictionary): true
        case ("integer", .integer), ("float", .real), ("boolean", .bool): true
        case ("number", .integer), ("number", .real), ("number", .bool): true
        case ("true", .bool(let value)): value
        case ("false", .bool(let value)): !value
        case ("callable", .function): true
        case ("sequence", .text), ("sequence", .list), ("sequence", .dictionary): true
        case ("sequence", .undefined), ("iterable", .undefined): true
        case ("iterable", .text), ("iterable", .list), ("iterable", .dictionary): true
        case ("none", _), ("string", _), ("mapping", _), ("integer", _), ("float", _),
            ("boolean", _), ("number", _), ("true", _), ("false", _), ("callable", _),
            ("sequence", _), ("iterable", _):
            false
        default: nil
        }
    }
}
