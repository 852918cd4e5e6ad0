/// An array in NumPy's .npy form, in C order (the last dimension varies fastest).
package struct NumPyArray: Equatable, Sendable {
    /// The elements, by their type.
    package enum Values: Equatable, Sendable {
        case uint8([UInt8])  // |u1
        case int32([Int32])  // <i4
        case int64([Int64])  // <i8
        case float32([Float])  // <f4
        case float64([Double])  // <f8
        case text([String])  // <U

        /// The elements if they are integers of any width.
        package var integers: [Int]? {
            switch self {
            case .uint8(let values): values.map { Int($0) }
            case .int32(let values): values.map { Int($0) }
            case .int64(let values): values.map { Int($0) }
            default: nil
            }
        }
    }

    /// Empty for a single value.
    package let shape: [Int]
    package let values: Values

    package init(shape: [Int], values: Values) {
        self.shape = shape
        self.values = values
    }

    /// Reads an array of version 1 or 2 of the format.
    ///
    /// - Parameters:
    ///   - bytes: a whole .npy file.
    ///   - file: what errors call the file.
    ///   - entry: what errors call the array.
    /// - Throws: for types other than |u1, <i4, <i8, <f4, <f8 and <U, for Fortran order, and for
    ///   fewer or more bytes than the header tells of.
    package init(
        _ bytes: [UInt8], file: String, entry: String
    ) throws(ActivityTraceError) {
        var fields = FieldReader(bytes, file: file, place: .entry(entry))
        let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
        guard bytes.starts(with: magic) else { throw fields.refusal(.notA("a NumPy array")) }
        _ = try fields.take(magic.count)
        let version = try fields.integer(UInt8.self)
        guard version == 1 || version == 2 else {
            throw fields.refusal(.version(Int(version), supported: 2))
        }
        _ = try fields.integer(UInt8.self)
        let length =
            version == 1
            ? Int(try fields.integer(UInt16.self)) : Int(try fields.integer(UInt32.self))
        let text = try fields.take(length)
        guard let header = NumPyHeader(text) else {
            throw fields.refusal(.contains("an array header that cannot be read"))
        }
        guard !header.isFortranOrder else {
            throw fields.refusal(.contains("its elements in Fortran order, not C order"))
        }
        guard let elementCount = header.elementCount else {
            throw fields.refusal(.contains("a shape of more elements than can be counted"))
        }
        shape = header.shape
        values = try Self.values(header.elementType, count: elementCount, &fields)
        try fields.end()
    }

    private static func values(
        _ type: String, count: Int, _ fields: inout FieldReader
    ) throws(ActivityTraceError) -> Values {
        let unitCount = type.hasPrefix("<U") ? Int(type.dropFirst(2)) ?? -1 : 1
        let sizes = ["|u1": 1, "<i4": 4, "<i8": 8, "<f4": 4, "<f8": 8]
        guard unitCount >= 0, let size = sizes[type] ?? (unitCount < 1 << 20 ? 4 : nil),
            sizes[type] != nil || type.hasPrefix("<U")
        else { throw fields.refusal(.contains("elements of type '\(type)'")) }
        // So that a short file cannot make us reserve room for a long array.
        let needed = count.multipliedReportingOverflow(by: size * unitCount)
        guard !needed.overflow, needed.partialValue == fields.remainingByteCount else {
            throw fields.refusal(
                .contains(
                    "\(fields.remainingByteCount) bytes for \(count) elements of type '\(type)'"))
        }
        switch type {
        case "|u1": return .uint8(Array(try fields.take(count)))
        case "<i4": return .int32(try integers(count, &fields))
        case "<i8": return .int64(try integers(count, &fields))
        case "<f4":
            let patterns: [UInt32] = try integers(count, &fields)
            return .float32(patterns.map { Float(bitPattern: $0) })
        case "<f8":
            let patterns: [UInt64] = try integers(count, &fields)
            return .float64(patterns.map { Double(bitPattern: $0) })
        default: return .text(try texts(count, unitCount, &fields))
        }
    }

    private static func integers<Value: FixedWidthInteger>(
        _ count: Int, _ fields: inout FieldReader
    ) throws(ActivityTraceError) -> [Value] {
        var values: [Value] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try fields.integer(Value.self)) }
        return values
    }

    /// Texts of a fixed number of UTF-32 units each; zeros at the end do not belong to them.
    private static func texts(
        _ count: Int, _ unitCount: Int, _ fields: inout FieldReader
    ) throws(ActivityTraceError) -> [String] {
        // Elements of no width take no bytes: their count is bounded by nothing else.
        try fields.check("count of texts", count, in: 0...1 << 20)
        var values: [String] = []
        for _ in 0..<count {
            var units: [UInt32] = try integers(unitCount, &fields)
            while units.last == 0 { units.removeLast() }
            var text = ""
            for unit in units {
                guard let scalar = Unicode.Scalar(unit) else {
                    throw fields.refusal(.contains("a text that is not Unicode"))
                }
                text.unicodeScalars.append(scalar)
            }
            values.append(text)
        }
        return values
    }
}

/// The header of an array: a Python dictionary of exactly three keys.
struct NumPyHeader: Equatable {
    var elementType = ""
    var isFortranOrder = false
    var shape: [Int] = []

    /// Elements of all dimensions together, or nil when Int cannot hold the number.
    var elementCount: Int? {
        var count = 1
        for extent in shape {
            let product = count.multipliedReportingOverflow(by: extent)
            if product.overflow { return nil }
            count = product.partialValue
        }
        return count
    }

    /// Nil for anything but the three keys with values of their types.
    init?(_ bytes: some Collection<UInt8>) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var scanner = LiteralScanner(text)
        var keys: Set<String> = []
        guard scanner.take("{") else { return nil }
        while !scanner.take("}") {
            guard let key = scanner.string(), keys.insert(key).inserted, scanner.take(":")
            else { return nil }
            switch key {
            case "descr":
                guard let type = scanner.string() else { return nil }
                elementType = type
            case "fortran_order":
                if scanner.take("True") {
                    isFortranOrder = true
                } else if !scanner.take("False") {
                    return nil
                }
            case "shape":
                guard let extents = scanner.tuple() else { return nil }
                shape = extents
            default: return nil
            }
            guard scanner.take(",") || scanner.isNext("}") else { return nil }
        }
        guard keys.count == 3, scanner.isAtEnd else { return nil }
    }
}

/// Takes Python literals from a text; blanks between them do not count.
private struct LiteralScanner {
    private var rest: Substring

    init(_ text: String) { rest = text[...] }

    var isAtEnd: Bool { rest.allSatisfy(\.isWhitespace) }

    func isNext(_ token: String) -> Bool {
        rest.drop(while: \.isWhitespace).hasPrefix(token)
    }

    mutating func take(_ token: String) -> Bool {
        guard isNext(token) else { return false }
        rest = rest.drop(while: \.isWhitespace).dropFirst(token.count)
        return true
    }

    /// A text in quotes, without escapes: no name that NumPy writes here needs them.
    mutating func string() -> String? {
        let quote = isNext("'") ? "'" : "\""
        guard take(quote), let end = rest.firstIndex(of: Character(quote)) else { return nil }
        defer { rest = rest[end...].dropFirst() }
        let text = rest[..<end]
        return text.contains("\\") ? nil : String(text)
    }

    /// Non-negative integers in parentheses; a single one has a comma behind it.
    mutating func tuple() -> [Int]? {
        guard take("(") else { return nil }
        var values: [Int] = []
        while !take(")") {
            rest = rest.drop(while: \.isWhitespace)
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let value = Int(digits), value >= 0 else { return nil }
            rest = rest.dropFirst(digits.count)
            values.append(value)
            guard take(",") || (isNext(")") && values.count > 1) else { return nil }
        }
        return values
    }
}
