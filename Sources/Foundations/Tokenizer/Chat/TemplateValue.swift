/// A value while a template is evaluated; the kinds are Python's.
enum TemplateValue: Sendable {
    /// A name or attribute that does not exist, by its name.
    case undefined(String)
    case none
    case bool(Bool)
    case integer(Int)
    case real(Double)
    case text(TaggedText)
    case list([TemplateValue])
    case dictionary(TemplateDictionary)
    /// A `namespace()`, by its number in the evaluator: it alone can change.
    case namespace(Int)
    /// A built-in function, by its name.
    case function(String)

    static func template(_ text: String) -> TemplateValue {
        .text(TaggedText(text, isTemplateText: true))
    }

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .real(let value): value != 0
        case .text(let text): !text.isEmpty
        case .list(let elements): !elements.isEmpty
        case .dictionary(let dictionary): !dictionary.entries.isEmpty
        case .namespace, .function: true
        }
    }

    /// For error messages.
    var kindName: String {
        switch self {
        case .undefined(let name): "undefined '\(name)'"
        case .none: "none"
        case .bool: "a boolean"
        case .integer, .real: "a number"
        case .text: "a string"
        case .list: "a list"
        case .dictionary: "a mapping"
        case .namespace: "a namespace"
        case .function(let name): "function '\(name)'"
        }
    }

    /// Booleans count as 0 and 1, as in Python.
    var integer: Int? {
        switch self {
        case .integer(let value): value
        case .bool(let value): value ? 1 : 0
        default: nil
        }
    }

    var real: Double? {
        if case .real(let value) = self { return value }
        return integer.map(Double.init)
    }

    func equals(_ other: TemplateValue) -> Bool {
        switch (self, other) {
        case (.undefined, .undefined), (.none, .none): true
        case (.text(let left), .text(let right)): left.compare(to: right) == 0
        case (.list(let left), .list(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.equals($1) }
        case (.dictionary(let left), .dictionary(let right)):
            left.entries.count == right.entries.count
                && left.entries.allSatisfy { entry in
                    right[entry.key]?.equals(entry.value) ?? false
                }
        case (.namespace(let left), .namespace(let right)): left == right
        case (.function(let left), .function(let right)): left == right
        default:
            if let left = integer, let right = other.integer {
                left == right
            } else if let left = real, let right = other.real {
                left == right
            } else {
                false
            }
        }
    }
}

/// A mapping that keeps the order of insertion, as Python's does. Keys are texts, and remember
/// their origin like any text.
struct TemplateDictionary: Sendable {
    private(set) var entries: [(key: TaggedText, value: TemplateValue)] = []

    subscript(key: String) -> TemplateValue? {
        get { self[TaggedText(key, isTemplateText: true)] }
        set { self[TaggedText(key, isTemplateText: true)] = newValue }
    }

    /// Setting `nil` leaves an entry as it is: templates never remove one.
    subscript(key: TaggedText) -> TemplateValue? {
        get { entries.first { $0.key.compare(to: key) == 0 }?.value }
        set {
            guard let newValue else { return }
            if let index = entries.firstIndex(where: { $0.key.compare(to: key) == 0 }) {
                entries[index].value = newValue
            } else {
                entries.append((key, newValue))
            }
        }
    }
}
