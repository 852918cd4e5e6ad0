/// Typed access to a model file's metadata.
///
/// A getter returns `nil`, or in its `required…` form throws, where the key is missing. A value
/// of another type, or out of bounds, is always an error that names the key.
package struct ModelMetadata: Sendable {
    let file: ModelFile

    /// Longest string that ``string(_:)`` copies: a chat template takes kilobytes.
    private static let stringByteLimit = 1 << 20
    /// Longest element that ``byteStrings(_:maximumCount:)`` copies: tokens are short.
    private static let elementByteLimit = 1 << 16

    /// In the order of the file.
    package var keys: [String] { file.index.keys }

    package func contains(_ key: String) -> Bool { file.index.entries[key] != nil }

    // MARK: Scalars

    /// An integer of any width.
    package func integer(
        _ key: String, in allowed: ClosedRange<Int>
    ) throws(ModelFileError) -> Int? {
        guard let entry = file.index.entries[key] else { return nil }
        guard case .scalar(let type) = entry.kind, type.isInteger else {
            throw wrongType(key, entry, expected: "an integer")
        }
        let value = try withCursor(over: entry) { (cursor, bytes) throws(ModelFileError) in
            try cursor.readInteger(type, from: bytes)
        }
        guard let value = Int(exactly: value), allowed.contains(value) else {
            throw refusal(
                key,
                .outOfRange(
                    value: "\(value)", allowed: "\(allowed.lowerBound) to \(allowed.upperBound)"))
        }
        return value
    }

    package func requiredInteger(
        _ key: String, in allowed: ClosedRange<Int>
    ) throws(ModelFileError) -> Int {
        try required(key, try integer(key, in: allowed))
    }

    /// A float32, or a float64 rounded to one. NaN lies in no range.
    package func float(
        _ key: String, in allowed: ClosedRange<Float>
    ) throws(ModelFileError) -> Float? {
        guard let entry = file.index.entries[key] else { return nil }
        let value: Float
        switch entry.kind {
        case .scalar(.float32):
            value = Float(bitPattern: try scalar(UInt32.self, of: entry))
        case .scalar(.float64):
            value = Float(Double(bitPattern: try scalar(UInt64.self, of: entry)))
        default:
            throw wrongType(key, entry, expected: "a floating-point number")
        }
        guard allowed.contains(value) else {
            throw refusal(
                key,
                .outOfRange(
                    value: "\(value)", allowed: "\(allowed.lowerBound) to \(allowed.upperBound)"))
        }
        return value
    }

    package func requiredFloat(
        _ key: String, in allowed: ClosedRange<Float>
    ) throws(ModelFileError) -> Float {
        try required(key, try float(key, in: allowed))
    }

    package func boolean(_ key: String) throws(ModelFileError) -> Bool? {
        guard let entry = file.index.entries[key] else { return nil }
        guard case .scalar(.bool) = entry.kind else {
            throw wrongType(key, entry, expected: "a boolean")
        }
        let byte = try scalar(UInt8.self, of: entry)
        guard byte <= 1 else { throw refusal(key, .notABoolean(byte)) }
        return byte == 1
    }

    /// Text of at most a mebibyte.
    package func string(_ key: String) throws(ModelFileError) -> String? {
        guard let entry = file.index.entries[key] else { return nil }
        guard case .string = entry.kind else {
            throw wrongType(key, entry, expected: "a string")
        }
        try requireLength(UInt64(entry.range.count), limit: Self.stringByteLimit, key)
        let bytes = file.withBytes { $0.copy(entry.range) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw refusal(key, .notUTF8)
        }
        return text
    }

    package func requiredString(_ key: String) throws(ModelFileError) -> String {
        try required(key, try string(key))
    }

    // MARK: Arrays

    /// How many elements the array at a key has, without reading them.
    package func arrayCount(_ key: String) throws(ModelFileError) -> Int? {
        guard let entry = file.index.entries[key] else { return nil }
        guard case .array(_, let count) = entry.kind else {
            throw wrongType(key, entry, expected: "an array")
        }
        return count
    }

    /// An array of strings as bytes: a token may be half a character.
    package func byteStrings(
        _ key: String, maximumCount: Int
    ) throws(ModelFileError) -> [[UInt8]]? {
        try elements(key, maximumCount: maximumCount, expected: "an array of strings") {
            $0 == .string
        } read: { (cursor, _, bytes) throws(ModelFileError) in
            let length = try cursor.read(UInt64.self, from: bytes)
            try requireLength(length, limit: Self.elementByteLimit, key)
            return bytes.copy(try cursor.skip(length))
        }
    }

    package func floats(_ key: String, maximumCount: Int) throws(ModelFileError) -> [Float]? {
        try elements(key, maximumCount: maximumCount, expected: "an array of float32") {
            $0 == .float32
        } read: { (cursor, _, bytes) throws(ModelFileError) in
            Float(bitPattern: try cursor.read(UInt32.self, from: bytes))
        }
    }

    /// An array of integers of any width, each of which must lie in `allowed`.
    package func integers(
        _ key: String, maximumCount: Int, in allowed: ClosedRange<Int>
    ) throws(ModelFileError) -> [Int]? {
        try elements(key, maximumCount: maximumCount, expected: "an array of integers") {
            $0.isInteger
        } read: { (cursor, type, bytes) throws(ModelFileError) in
            let value = try cursor.readInteger(type, from: bytes)
            guard let value = Int(exactly: value), allowed.contains(value) else {
                throw refusal(
                    key,
                    .outOfRange(
                        value: "\(value)",
                        allowed: "\(allowed.lowerBound) to \(allowed.upperBound)"))
            }
            return value
        }
    }
}

// MARK: - Reading and refusing

extension ModelMetadata {
    private func elements<Element>(
        _ key: String, maximumCount: Int, expected: String,
        accepting: (MetadataValueType) -> Bool,
        read: (inout ByteCursor, MetadataValueType, RawSpan) throws(ModelFileError) -> Element
    ) throws(ModelFileError) -> [Element]? {
        guard let entry = file.index.entries[key] else { return nil }
        guard case .array(let type, let count) = entry.kind, accepting(type) else {
            throw wrongType(key, entry, expected: expected)
        }
        guard count <= maximumCount else {
            throw refusal(
                key, .outOfRange(value: "\(count) elements", allowed: "at most \(maximumCount)"))
        }
        return try withCursor(over: entry) { (cursor, bytes) throws(ModelFileError) in
            var result: [Element] = []
            result.reserveCapacity(count)
            for _ in 0..<count { result.append(try read(&cursor, type, bytes)) }
            return result
        }
    }

    private func withCursor<Result>(
        over entry: MetadataEntry,
        _ body: (inout ByteCursor, RawSpan) throws(ModelFileError) -> Result
    ) throws(ModelFileError) -> Result {
        try file.withBytes { (bytes: RawSpan) throws(ModelFileError) -> Result in
            var cursor = ByteCursor(file: file.name, range: entry.range)
            return try body(&cursor, bytes)
        }
    }

    private func scalar<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, of entry: MetadataEntry
    ) throws(ModelFileError) -> Value {
        try withCursor(over: entry) { (cursor, bytes) throws(ModelFileError) in
            try cursor.read(type, from: bytes)
        }
    }

    private func required<Value>(_ key: String, _ value: Value?) throws(ModelFileError) -> Value {
        guard let value else { throw refusal(key, .missing) }
        return value
    }

    private func requireLength(
        _ byteCount: UInt64, limit: Int, _ key: String
    ) throws(ModelFileError) {
        guard byteCount <= UInt64(limit) else {
            throw refusal(
                key, .lengthOutOfRange("a string", length: byteCount, allowed: 0...limit))
        }
    }

    private func wrongType(
        _ key: String, _ entry: MetadataEntry, expected: String
    ) -> ModelFileError {
        refusal(key, .wrongValueType(found: entry.typeName, expected: expected))
    }

    /// An error about the value of a key.
    func refusal(_ key: String, _ rule: ModelFileError.Rule) -> ModelFileError {
        ModelFileError(file: file.name, place: .key(key), rule: rule)
    }
}

extension ByteCursor {
    /// Reads an integer of any of the file's widths; `Int128` holds them all.
    fileprivate mutating func readInteger(
        _ type: MetadataValueType, from bytes: RawSpan
    ) throws(ModelFileError) -> Int128 {
        switch type {
        case .uint8: Int128(try read(UInt8.self, from: bytes))
        case .int8: Int128(try read(Int8.self, from: bytes))
        case .uint16: Int128(try read(UInt16.self, from: bytes))
        case .int16: Int128(try read(Int16.self, from: bytes))
        case .uint32: Int128(try read(UInt32.self, from: bytes))
        case .int32: Int128(try read(Int32.self, from: bytes))
        case .uint64: Int128(try read(UInt64.self, from: bytes))
        case .int64: Int128(try read(Int64.self, from: bytes))
        case .float32, .bool, .string, .array, .float64:
            preconditionFailure("the caller checked that the type is an integer")
        }
    }
}
