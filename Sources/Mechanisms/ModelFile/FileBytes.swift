// The only file of this module that uses raw memory. Offsets that come in here were checked
// against the file's size; the spans check them again and trap.

import MappedMemory
import SystemPackage

/// The bytes of a model file, wherever they live. They never change place, nor length.
enum FileBytes: ~Copyable, Sendable {
    case mapped(FileMapping)
    case inMemory([UInt8])

    var byteCount: Int {
        switch self {
        case .mapped(let mapping): mapping.byteCount
        case .inMemory(let bytes): bytes.count
        }
    }

    var descriptor: FileDescriptor? {
        switch self {
        case .mapped(let mapping): mapping.descriptor
        case .inMemory: nil
        }
    }

    func withSpan<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch self {
        case .mapped(let mapping): try mapping.withSpan(body)
        case .inMemory(let bytes): try bytes.withRawSpan(body)
        }
    }
}

// Functions of their own: spans of what a `switch` has bound crash the compiler (Swift 6.3).

extension FileMapping {
    fileprivate func withSpan<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes)
    }
}

extension [UInt8] {
    fileprivate func withRawSpan<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(span.bytes)
    }
}

extension ModelFile {
    /// A part of the file, valid as long as this object is.
    ///
    /// Swift lets no span leave a class's stored property, even an immutable one. Here it is
    /// sound: `storage` is a `let`, and owns memory that stays in place until this object ends.
    @_lifetime(borrow self)
    func span(of range: Range<Int>) -> RawSpan {
        let start = unsafe storage.withSpan { bytes in
            unsafe bytes.extracting(range).withUnsafeBytes { $0.baseAddress }
        }
        // An empty array has no address.
        guard let start = unsafe start else { return RawSpan() }
        let span = unsafe RawSpan(_unsafeStart: start, byteCount: range.count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }
}

extension RawSpan {
    /// A little-endian integer at any offset. Every bit pattern is an integer, so this is safe.
    func loadLittleEndian<Value: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Value.Type
    ) -> Value {
        Value(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    /// A copy of the bytes of a range that lies inside the span.
    func copy(_ range: Range<Int>) -> [UInt8] {
        unsafe extracting(range).withUnsafeBytes { unsafe [UInt8]($0) }
    }
}
