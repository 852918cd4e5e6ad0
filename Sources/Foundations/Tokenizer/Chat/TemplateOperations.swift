/// Operators, subscripts and conversions, with Python's meaning.
extension TemplateEvaluator {
    mutating func evaluate(
        all expressions: [TemplateExpression]
    ) throws(ChatTemplateError) -> [TemplateValue] {
        var values: [TemplateValue] = []
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    // MARK: Conversions

    /// What printing a value writes.
    func text(
        of value: TemplateValue, at position: Position
    ) throws(ChatTemplateError) -> TaggedText {
        let string: String
        switch value {
        case .text(let text): return text
        case .undefined: string = ""
        case .none: string = "None"
        case .bool(let value): string = value ? "True" : "False"
        case .integer(let value): string = String(value)
        case .real(let value): string = String(value)
        case .list, .dictionary, .namespace, .function:
            throw .unsupported(construct: "printing \(value.kindName)", position)
        }
        return TaggedText(string, isTemplateText: true)
    }

    /// What a loop over a value visits.
    mutating func elements(
        of value: TemplateValue, at position: Position
    ) throws(ChatTemplateError) -> [TemplateValue] {
        switch value {
        case .list(let elements): return elements
        case .undefined: return []
        case .dictionary(let dictionary): return dictionary.entries.map { .text($0.key) }
        case .text(let text):
            try charge(text.count, at: position)
            return text.units.map { .text(TaggedText(units: [$0])) }
        default: throw .evaluation("cannot iterate over \(value.kindName)", position)
        }
    }

    // MARK: Attributes, subscripts, slices

    func attribute(
        _ name: String, of object: TemplateValue, at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        switch object {
        case .dictionary(let dictionary): return dictionary[name] ?? .undefined(name)
        case .namespace(let number): return namespace(number)[name] ?? .undefined(name)
        case .undefined: throw .evaluation("\(object.kindName) has no '\(name)'", position)
        default: return .undefined(name)
        }
    }

    func element(
        _ key: TemplateValue, of object: TemplateValue, at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        switch (object, key) {
        case (.undefined, _):
            throw .evaluation("\(object.kindName) has no elements", position)
        case (.dictionary(let dictionary), .text(let name)):
            return dictionary[name] ?? .undefined(name.string)
        case (.namespace(let number), .text(let name)):
            return namespace(number)[name] ?? .undefined(name.string)
        case (.list(let elements), _):
            guard let index = Self.index(key, count: elements.count) else { break }
            return elements[index]
        case (.text(let text), _):
            guard let index = Self.index(key, count: text.count) else { break }
            return .text(TaggedText(units: [text.units[index]]))
        default: break
        }
        return .undefined("element")
    }

    /// Negative indices count from the end.
    private static func index(_ key: TemplateValue, count: Int) -> Int? {
        guard let key = key.integer else { return nil }
        let index = key < 0 ? key + count : key
        return (0..<count).contains(index) ? index : nil
    }

    mutating func bound(_ expression: TemplateExpression?) throws(ChatTemplateError) -> Int? {
        guard let expression else { return nil }
        let value = try evaluate(expression)
        if case .none = value { return nil }
        guard let bound = value.integer else {
            throw .evaluation(
                "a slice needs whole numbers, not \(value.kindName)", expression.position)
        }
        return bound
    }

    mutating func slice(
        _ object: TemplateValue, _ bounds: (start: Int?, stop: Int?, step: Int?),
        at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        let step = bounds.step ?? 1
        guard step != 0 else { throw .evaluation("a slice's step is zero", position) }
        let count: Int
        switch object {
        case .list(let elements): count = elements.count
        case .text(let text): count = text.count
        default: throw .evaluation("cannot slice \(object.kindName)", position)
        }
        let limits = step > 0 ? 0...count : -1...(count - 1)
        func clamped(_ bound: Int?, default whole: Int) -> Int {
            guard let bound else { return whole }
            let index = bound < 0 ? bound + count : bound
            return min(max(index, limits.lowerBound), limits.upperBound)
        }
        let first = clamped(bounds.start, default: step > 0 ? 0 : count - 1)
        let end = clamped(bounds.stop, default: step > 0 ? count : -1)
        let indices = Array(stride(from: first, to: end, by: step))
        try charge(indices.count, at: position)
        if case .text(let text) = object {
            return .text(TaggedText(units: indices.map { text.units[$0] }))
        }
        guard case .list(let elements) = object else { return object }
        return .list(indices.map { elements[$0] })
    }

    // MARK: Operators

    mutating func arithmetic(
        _ name: String, _ left: TemplateValue, _ right: TemplateValue, at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        switch (name, left, right) {
        case ("+", .text(var text), .text(let more)):
            try charge(text.count + more.count, at: position)
            text.append(more)
            return .text(text)
        case ("+", .list(let elements), .list(let more)):
            try charge(elements.count + more.count, at: position)
            return .list(elements + more)
        case ("*", .text(let text), .integer(let count)):
            let repetitions = max(count, 0)
            let (total, overflow) = text.count.multipliedReportingOverflow(by: repetitions)
            try charge(overflow ? Int.max : total, at: position)
            guard !text.isEmpty else { return .text(text) }
            return .text(
                TaggedText(units: repeatElement(text.units, count: repetitions).joined()))
        case ("%", .text, _):
            throw .unsupported(construct: "string formatting with '%'", position)
        default: break
        }
        if let left = left.integer, let right = right.integer, name != "/" {
            return .integer(try integerArithmetic(name, left, right, at: position))
        }
        guard let first = left.real, let second = right.real else {
            throw .evaluation(
                "'\(name)' does not apply to \(left.kindName) and \(right.kindName)", position)
        }
        switch name {
        case "+": return .real(first + second)
        case "-": return .real(first - second)
        case "*": return .real(first * second)
        case "/" where second != 0: return .real(first / second)
        case "//" where second != 0: return .real((first / second).rounded(.down))
        case "%" where second != 0:
            return .real(first - second * (first / second).rounded(.down))
        default: throw .evaluation("division by zero", position)
        }
    }

    private func integerArithmetic(
        _ name: String, _ left: Int, _ right: Int, at position: Position
    ) throws(ChatTemplateError) -> Int {
        let (value, overflow): (Int, Bool)
        switch name {
        case "+": (value, overflow) = left.addingReportingOverflow(right)
        case "-": (value, overflow) = left.subtractingReportingOverflow(right)
        case "*": (value, overflow) = left.multipliedReportingOverflow(by: right)
        default:
            guard right != 0 else { throw .evaluation("division by zero", position) }
            let (quotient, quotientOverflow) = left.dividedReportingOverflow(by: right)
            let (remainder, _) = left.remainderReportingOverflow(dividingBy: right)
            // Python rounds down, so that the remainder has the divisor's sign.
            let isAdjusted = remainder != 0 && (remainder < 0) != (right < 0)
            if name == "//" {
                (value, overflow) = (isAdjusted ? quotient - 1 : quotient, quotientOverflow)
            } else {
                (value, overflow) = (isAdjusted ? remainder + right : remainder, false)
            }
        }
        guard !overflow else { throw .evaluation("a number is too large", position) }
        return value
    }

    mutating func concatenate(
        _ parts: [TemplateExpression], at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        var result = TaggedText()
        for part in parts {
            let text = try text(of: try evaluate(part), at: part.position)
            try charge(text.count, at: position)
            result.append(text)
        }
        return .text(result)
    }

    mutating func compare(
        _ first: TemplateExpression, _ rest: [TemplateComparison], at position: Position
    ) throws(ChatTemplateError) -> TemplateValue {
        var left = try evaluate(first)
        for step in rest {
            let right = try evaluate(step.operand)
            guard try compare(step.name, left, right, at: position) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    mutating func compare(
        _ name: String, _ left: TemplateValue, _ right: TemplateValue, at position: Position
    ) throws(ChatTemplateError) -> Bool {
        switch name {
        case "==": return left.equals(right)
        case "!=": return !left.equals(right)
        case "in": return try contains(left, in: right, at: position)
        case "not in": return !(try contains(left, in: right, at: position))
        default: break
        }
        let order: Int
        if case (.text(let left), .text(let right)) = (left, right) {
            order = left.compare(to: right)
        } else if let left = left.integer, let right = right.integer {
            order = left < right ? -1 : left == right ? 0 : 1
        } else if let left = left.real, let right = right.real {
            order = left < right ? -1 : left == right ? 0 : 1
        } else {
            throw .evaluation(
                "'\(name)' does not apply to \(left.kindName) and \(right.kindName)", position)
        }
        return switch name {
        case "<": order < 0
        case "<=": order <= 0
        case ">": order > 0
        default: order >= 0
        }
    }

    mutating func contains(
        _ element: TemplateValue, in container: TemplateValue, at position: Position
    ) throws(ChatTemplateError) -> Bool {
        switch (container, element) {
        case (.undefined, _): return false
        case (.text(let text), .text(let part)):
            return try firstIndex(of: part, in: text, from: 0, at: position) != nil
        case (.list(let elements), _):
            try charge(elements.count, at: position)
            return elements.contains { $0.equals(element) }
        case (.dictionary(let dictionary), .text(let key)): return dictionary[key] != nil
        case (.dictionary, _): return false
        default:
            throw .evaluation(
                "'in' does not apply to \(element.kindName) and \(container.kindName)", position)
        }
    }

    /// Searching is charged by its comparisons, which can exceed the text's length.
    mutating func firstIndex(
        of part: TaggedText, in text: TaggedText, from start: Int, at position: Position
    ) throws(ChatTemplateError) -> Int? {
        var comparisonCount = 0
        let index = text.firstIndex(of: part, from: start, comparisonCount: &comparisonCount)
        try charge(comparisonCount, at: position)
        return index
    }
}
