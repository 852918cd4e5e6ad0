/// The printable stand-ins by which byte-level vocabularies write arbitrary bytes.
///
/// A byte that is printable in Latin-1 stands for itself; the other 68 become U+0100, U+0101 and
/// so on in byte order, so a space is written `Ġ` (U+0120). Source: GPT-2, `bytes_to_unicode`.
enum ByteAlphabet {
    /// Stand-in scalar of each byte, [256].
    static let scalars: [UInt16] = {
        var scalars = [UInt16](repeating: 0, count: 256)
        var next: UInt16 = 256
        for byte in 0..<256 {
            if standsForItself(byte) {
                scalars[byte] = UInt16(byte)
            } else {
                scalars[byte] = next
                next += 1
            }
        }
        return scalars
    }()

    /// Byte of each stand-in scalar, or -1; [324].
    static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 256 + 68)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    private static func standsForItself(_ byte: Int) -> Bool {
        (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
    }

    /// Appends the bytes that `text` (UTF-8) stands for.
    ///
    /// - Returns: `false` when `text` holds anything but stand-ins; then `output` is as before.
    static func append(
        bytesOf text: some Collection<UInt8>, to output: inout [UInt8]
    ) -> Bool {
        let countBefore = output.count
        var iterator = text.makeIterator()
        while let first = iterator.next() {
            var scalar = Int(first)
            // All stand-ins lie below U+0144, so they take one or two bytes.
            if first >= 0x80 {
                guard (0xC2...0xDF).contains(first), let second = iterator.next(),
                    second & 0xC0 == 0x80
                else {
                    output.removeSubrange(countBefore...)
                    return false
                }
                scalar = Int(first & 0x1F) << 6 | Int(second & 0x3F)
            }
            guard scalar < bytes.count, bytes[scalar] >= 0 else {
                output.removeSubrange(countBefore...)
                return false
            }
            output.append(UInt8(bytes[scalar]))
        }
        return true
    }
}
