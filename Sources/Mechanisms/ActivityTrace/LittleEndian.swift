/// Numbers and texts of a file: appended to bytes, and taken from bytes with every bound checked.
extension [UInt8] {
    mutating func append(littleEndian value: some FixedWidthInteger & UnsignedInteger) {
        for byte in 0..<value.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: value >> (8 * byte)))
        }
    }

    /// Appends a count of bytes (UInt16) and the text as UTF-8.
    mutating func append(text: String) {
        precondition(text.utf8.count <= UInt16.max)
        append(littleEndian: UInt16(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}

/// Takes the fields of a file's part one after the other.
struct FieldReader {
    private let bytes: [UInt8]
    private let file: String
    private let place: ActivityTraceError.Place
    private(set) var offset: Int

    init(_ bytes: [UInt8], from offset: Int = 0, file: String, place: ActivityTraceError.Place) {
        self.bytes = bytes
        self.offset = offset
        self.file = file
        self.place = place
    }

    var remainingByteCount: Int { bytes.count - offset }

    mutating func integer<Value: FixedWidthInteger>(
        _ type: Value.Type
    ) throws(ActivityTraceError) -> Value {
        let byteCount = MemoryLayout<Value>.size
        try require(byteCount)
        var value: Value = 0
        for byte in 0..<byteCount {
            value |= Value(truncatingIfNeeded: bytes[offset + byte]) << Value(8 * byte)
        }
        offset += byteCount
        return value
    }

    /// A UInt32 within bounds.
    mutating func count(
        _ name: String, in allowed: ClosedRange<Int>
    ) throws(ActivityTraceError) -> Int {
        let value = Int(try integer(UInt32.self))
        try check(name, value, in: allowed)
        return value
    }

    /// A text as `append(text:)` writes it, at most `maximumByteCount` long.
    mutating func text(
        _ name: String, in allowed: ClosedRange<Int>
    ) throws(ActivityTraceError) -> String {
        let byteCount = Int(try integer(UInt16.self))
        try check("length of the \(name) in bytes", byteCount, in: allowed)
        guard let text = String(validating: try take(byteCount), as: UTF8.self) else {
            throw refusal(.contains("a \(name) that is not UTF-8"))
        }
        return text
    }

    mutating func take(_ byteCount: Int) throws(ActivityTraceError) -> ArraySlice<UInt8> {
        try require(byteCount)
        defer { offset += byteCount }
        return bytes[offset..<offset + byteCount]
    }

    /// Refuses what stands after the last field.
    func end() throws(ActivityTraceError) {
        guard remainingByteCount == 0 else {
            throw refusal(.contains("\(remainingByteCount) bytes after its last field"))
        }
    }

    func check(
        _ name: String, _ value: Int, in allowed: ClosedRange<Int>
    ) throws(ActivityTraceError) {
        guard allowed.contains(value) else {
            throw refusal(.outOfRange(name, value: value, allowed: allowed))
        }
    }

    func refusal(_ rule: ActivityTraceError.Rule) -> ActivityTraceError {
        .refused(file: file, place: place, rule: rule)
    }

    private func require(_ byteCount: Int) throws(ActivityTraceError) {
        guard byteCount <= remainingByteCount else {
            throw refusal(
                .truncated(
                    neededByteCount: byteCount, availableByteCount: remainingByteCount))
        }
    }
}
