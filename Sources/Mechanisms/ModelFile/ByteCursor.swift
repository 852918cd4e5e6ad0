/// Reads little-endian values from a model file, front to back, checking every step.
///
/// A cursor keeps a position, not the bytes, so the mapped file is passed to each call. The file
/// may change while it is mapped, so values that are read again are checked again.
struct ByteCursor {
    /// Named in errors.
    let file: String
    private(set) var offset: Int
    /// The cursor never moves past this byte offset.
    let end: Int

    init(file: String, range: Range<Int>) {
        precondition(range.lowerBound >= 0)
        self.file = file
        offset = range.lowerBound
        end = range.upperBound
    }

    var remaining: Int { end - offset }

    /// Steps over `byteCount` bytes and returns where they were.
    mutating func skip(_ byteCount: UInt64) throws(ModelFileError) -> Range<Int> {
        guard byteCount <= UInt64(remaining) else {
            throw failure(.truncated(needed: byteCount, available: remaining))
        }
        let start = offset
        offset += Int(byteCount)
        return start..<offset
    }

    /// Steps over `count` elements of `elementByteCount` bytes each.
    mutating func skip(
        _ count: UInt64, elementByteCount: Int, of what: String
    ) throws(ModelFileError) -> Range<Int> {
        try requireRoom(for: count, elementByteCount: elementByteCount, of: what)
        return try skip(count * UInt64(elementByteCount))
    }

    /// Refuses a count that the rest of the file cannot hold, before anything is allocated.
    func requireRoom(
        for count: UInt64, elementByteCount: Int, of what: String
    ) throws(ModelFileError) {
        guard count <= UInt64(remaining / elementByteCount) else {
            throw failure(.countExceedsFile(what, count: count, remainingBytes: remaining))
        }
    }

    mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type, from bytes: RawSpan
    ) throws(ModelFileError) -> Value {
        let range = try skip(UInt64(MemoryLayout<Value>.size))
        return bytes.loadLittleEndian(at: range.lowerBound, as: Value.self)
    }

    /// A string's 64-bit length and its bytes, stepped over.
    mutating func skipString(from bytes: RawSpan) throws(ModelFileError) -> Range<Int> {
        try skip(try read(UInt64.self, from: bytes))
    }

    /// An error about the byte at which the cursor stands.
    func failure(_ rule: ModelFileError.Rule) -> ModelFileError {
        ModelFileError(file: file, place: .byte(offset), rule: rule)
    }
}
