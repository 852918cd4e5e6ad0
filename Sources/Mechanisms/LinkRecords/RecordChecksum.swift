internal import CVectorKernels

/// The checksum of a record: CRC-32C (Castagnoli, reflected polynomial 0x82F63B78, no inversions)
/// of eight bytes of header, and of the payload in four lanes.
///
/// The payload, filled up with zeros to whole words of 8 bytes, is dealt out word by word to four
/// lanes, which all start from the header's CRC; a last CRC runs over the header's and those of the
/// lanes. A single stream would wait three cycles for each word. A burst of up to 32 bits within
/// a word is found for certain; any other damage with 1 - 2^-32.
package enum RecordChecksum {
    /// Whether the processor computes it.
    package static let hasInstruction = vector_checksum_supported() != 0

    @inlinable @inline(__always)
    package static func of(_ payload: RawSpan, header: UInt64) -> UInt32 {
        hasInstruction ? byInstruction(payload, header: header) : byTable(payload, header: header)
    }

    @inlinable @inline(__always)
    package static func byInstruction(_ payload: RawSpan, header: UInt64) -> UInt32 {
        unsafe payload.withUnsafeBytes { bytes in
            unsafe vector_checksum(
                header, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
        }
    }

    /// The same in Swift, for processors without the instruction.
    package static func byTable(_ payload: RawSpan, header: UInt64) -> UInt32 {
        let start = advance(0, over: header)
        var lanes: [4 of UInt32] = [start, start, start, start]
        let wordCount = (payload.byteCount + 7) / 8
        for index in 0..<wordCount {
            lanes[index % 4] = advance(lanes[index % 4], over: word(index, of: payload))
        }
        let firstHalf = advance(start, over: UInt64(lanes[1]) << 32 | UInt64(lanes[0]))
        return advance(firstHalf, over: UInt64(lanes[3]) << 32 | UInt64(lanes[2]))
    }

    /// Zeros stand behind the payload's end.
    private static func word(_ index: Int, of payload: RawSpan) -> UInt64 {
        let offset = index * 8
        if offset + 8 <= payload.byteCount {
            return unsafe payload.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
        }
        var word: UInt64 = 0
        for byte in offset..<payload.byteCount {
            let value = unsafe payload.unsafeLoad(fromByteOffset: byte, as: UInt8.self)
            word |= UInt64(value) << UInt64(8 * (byte - offset))
        }
        return word
    }

    private static func advance(_ crc: UInt32, over word: UInt64) -> UInt32 {
        let mixed = word ^ UInt64(crc)
        var result: UInt32 = 0
        for byte in 0..<8 {
            let value = Int(mixed >> UInt64(8 * byte) & 0xFF)
            result ^= tables[(7 - byte) * 256 + value]
        }
        return result
    }

    /// [8, 256]: table k advances a byte's CRC over k more bytes of zeros.
    private static let tables: [UInt32] = {
        var tables = (0..<256 as Range<UInt32>).map { value in
            (0..<8).reduce(value) { crc, _ in crc >> 1 ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        for index in 256..<2048 {
            let crc = tables[index - 256]
            tables.append(crc >> 8 ^ tables[Int(crc & 0xFF)])
        }
        return tables
    }()
}
