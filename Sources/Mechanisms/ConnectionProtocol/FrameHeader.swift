package import LinkRecords

/// The 32 bytes in front of every frame, little-endian. The first 16 are a record's, as in a ring
/// but without its seal:
///
///     0   payload bytes
///     4   kind, a ``FrameKind``
///     8   sequence number: counts this direction's frames from zero, and wraps
///     12  checksum of the first half of these 16 bytes and the payload; 0 without checksums
///     16  epoch: how many workers the DIMM had before
///     20  checksum of all other bytes of this header
///     24  bytes of frames that this side has given back so far: the other one's credit
package struct FrameHeader {
    package static let byteCount = 32

    let record: RecordHeader
    let epoch: UInt32
    let releasedByteCount: UInt64

    /// As written, with the header's checksum.
    package var words: [4 of UInt64] {
        let (first, second) = record.words
        return [first, second, UInt64(check) << 32 | UInt64(epoch), releasedByteCount]
    }

    /// Finds damage, behind which no next frame could be found.
    private var check: UInt32 {
        let (first, second) = record.words
        let words: [3 of UInt64] = [first, second, releasedByteCount]
        return RecordChecksum.of(unsafe words.span.bytes, header: UInt64(epoch))
    }

    /// Nil when the header is damaged.
    init?(words: [4 of UInt64]) {
        record = RecordHeader(words: words[0], words[1])
        epoch = UInt32(truncatingIfNeeded: words[2])
        releasedByteCount = words[3]
        guard check == UInt32(truncatingIfNeeded: words[2] >> 32) else { return nil }
    }

    package init(_ record: RecordHeader, epoch: UInt32, releasedByteCount: UInt64) {
        self.record = record
        self.epoch = epoch
        self.releasedByteCount = releasedByteCount
    }

    /// What a message takes of the window: header, payload, and padding as in a ring.
    package static func windowByteCount(forMessage byteCount: Int) -> Int {
        (Self.byteCount + byteCount + 15) / 16 * 16
    }
}

/// What a frame is. Only messages have a payload and take part of the window.
package enum FrameKind: UInt32 {
    case message = 0x4D53_4721
    /// Gives room back, when no message does.
    case credit = 0x4352_4454
    /// The last one: nothing more will come.
    case close = 0x434C_5345
}
