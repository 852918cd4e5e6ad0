/// Turns bytes that arrive in pieces into text, holding back a scalar until it is complete.
///
/// Whatever the pieces, their texts together are what decoding all bytes at once would give: each
/// maximal part of an ill-formed sequence becomes one U+FFFD. Source: The Unicode Standard,
/// section 3.9, "U+FFFD Substitution of Maximal Subparts" and table 3-7.
package struct StreamingDecoder: Sendable {
    /// The beginning of a scalar, well formed so far, at most three bytes.
    private var held: [UInt8] = []
    private var missingByteCount = 0
    private var removesLeadingSpace: Bool

    /// - Parameter removesLeadingSpace: drop one space at the very beginning; see
    ///   `Tokenizer.addsLeadingSpace`.
    package init(removesLeadingSpace: Bool = false) {
        self.removesLeadingSpace = removesLeadingSpace
    }

    /// The text that `bytes` completes.
    package mutating func append(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + held.count)
        for byte in bytes { append(byte, to: &output) }
        return text(output)
    }

    /// Ends the text: U+FFFD for a scalar that never became complete. The decoder can then be used
    /// for another text, without removing a leading space.
    package mutating func finish() -> String {
        var output: [UInt8] = []
        replaceHeld(to: &output)
        let last = text(output)
        removesLeadingSpace = false
        return last
    }

    private mutating func append(_ byte: UInt8, to output: inout [UInt8]) {
        if missingByteCount > 0 {
            if allowedNext.contains(byte) {
                held.append(byte)
                missingByteCount -= 1
                if missingByteCount == 0 {
                    output += held
                    held.removeAll(keepingCapacity: true)
                }
                return
            }
            replaceHeld(to: &output)
        }
        switch byte {
        case 0x00...0x7F: output.append(byte)
        case 0xC2...0xDF: hold(byte, missing: 1)
        case 0xE0...0xEF: hold(byte, missing: 2)
        case 0xF0...0xF4: hold(byte, missing: 3)
        default: output.append(contentsOf: Self.replacement)
        }
    }

    /// Bytes that may follow `held`. Only second bytes depend on the first: it must not begin an
    /// overlong form, a surrogate or a value above U+10FFFF.
    private var allowedNext: ClosedRange<UInt8> {
        guard held.count == 1 else { return 0x80...0xBF }
        return switch held[0] {
        case 0xE0: 0xA0...0xBF
        case 0xED: 0x80...0x9F
        case 0xF0: 0x90...0xBF
        case 0xF4: 0x80...0x8F
        default: 0x80...0xBF
        }
    }

    private mutating func hold(_ byte: UInt8, missing: Int) {
        held.append(byte)
        missingByteCount = missing
    }

    private mutating func replaceHeld(to output: inout [UInt8]) {
        guard !held.isEmpty else { return }
        output.append(contentsOf: Self.replacement)
        held.removeAll(keepingCapacity: true)
        missingByteCount = 0
    }

    private mutating func text(_ output: [UInt8]) -> String {
        guard removesLeadingSpace, let first = output.first else {
            return String(decoding: output, as: UTF8.self)
        }
        removesLeadingSpace = false
        return String(
            decoding: output.dropFirst(first == UInt8(ascii: " ") ? 1 : 0), as: UTF8.self)
    }

    private static let replacement = Array("\u{FFFD}".utf8)
}
