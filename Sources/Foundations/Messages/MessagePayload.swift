/// Typed reads and writes of message bytes: this module's only file with raw pointers.
///
/// Every access is bounds-checked against the span first; a peer's values may be anything, but
/// the memory read is always the message's own.
extension RawSpan {
    package func word16(at byteOffset: Int) -> UInt16 {
        precondition(byteOffset >= 0 && byteOffset <= byteCount - 2)
        return unsafe unsafeLoadUnaligned(fromByteOffset: byteOffset, as: UInt16.self)
    }

    package func word32(at byteOffset: Int) -> UInt32 {
        precondition(byteOffset >= 0 && byteOffset <= byteCount - 4)
        return unsafe unsafeLoadUnaligned(fromByteOffset: byteOffset, as: UInt32.self)
    }

    package func word64(at byteOffset: Int) -> UInt64 {
        precondition(byteOffset >= 0 && byteOffset <= byteCount - 8)
        return unsafe unsafeLoadUnaligned(fromByteOffset: byteOffset, as: UInt64.self)
    }

    /// Copies `destination.count` floats that start at `byteOffset`.
    package func copyFloats(at byteOffset: Int, into destination: inout MutableSpan<Float>) {
        let floatCount = destination.count
        precondition(byteOffset >= 0 && byteOffset <= byteCount - 4 * floatCount)
        unsafe destination.withUnsafeMutableBytes { target in
            unsafe withUnsafeBytes { source in
                guard floatCount > 0 else { return }
                unsafe target.copyMemory(
                    from: UnsafeRawBufferPointer(
                        rebasing: source[byteOffset..<byteOffset + 4 * floatCount]))
            }
        }
    }

    /// A copy of `byteCount` bytes from `byteOffset` on.
    package func copiedBytes(at byteOffset: Int, byteCount copiedByteCount: Int) -> [UInt8] {
        precondition(byteOffset >= 0 && copiedByteCount >= 0)
        precondition(byteOffset <= byteCount - copiedByteCount)
        return unsafe withUnsafeBytes { bytes in
            unsafe Array(bytes[byteOffset..<byteOffset + copiedByteCount])
        }
    }

    /// `byteCount` bytes from `byteOffset` as text; invalid UTF-8 is repaired.
    package func text(at byteOffset: Int, byteCount textByteCount: Int) -> String {
        precondition(byteOffset >= 0 && textByteCount >= 0)
        precondition(byteOffset <= byteCount - textByteCount)
        return unsafe withUnsafeBytes { bytes in
            unsafe String(decoding: bytes[byteOffset..<byteOffset + textByteCount], as: UTF8.self)
        }
    }
}

extension MutableRawSpan {
    /// Writes floats from `byteOffset` on.
    package mutating func store(_ floats: Span<Float>, at byteOffset: Int) {
        unsafe store(bytes: floats.bytes, at: byteOffset)
    }

    /// Writes double-precision numbers from `byteOffset` on.
    package mutating func store(_ numbers: Span<Double>, at byteOffset: Int) {
        unsafe store(bytes: numbers.bytes, at: byteOffset)
    }

    /// Writes 64-bit words from `byteOffset` on.
    package mutating func store(_ words: Span<UInt64>, at byteOffset: Int) {
        unsafe store(bytes: words.bytes, at: byteOffset)
    }

    /// Writes bytes from `byteOffset` on.
    package mutating func store(_ bytes: Span<UInt8>, at byteOffset: Int) {
        unsafe store(bytes: bytes.bytes, at: byteOffset)
    }

    /// Writes bytes from `byteOffset` on.
    package mutating func store(bytes source: RawSpan, at byteOffset: Int) {
        let sourceByteCount = source.byteCount
        precondition(byteOffset >= 0 && byteOffset <= byteCount - sourceByteCount)
        guard sourceByteCount > 0 else { return }
        unsafe withUnsafeMutableBytes { target in
            unsafe source.withUnsafeBytes { bytes in
                let part = unsafe UnsafeMutableRawBufferPointer(
                    rebasing: target[byteOffset..<byteOffset + sourceByteCount])
                unsafe part.copyMemory(from: bytes)
            }
        }
    }
}
