/// The first 16 bytes of a record, as one end wrote them.
///
///     0   payload bytes, padding excluded
///     4   kind, a ``RecordKind``, XOR the seal of what stands at 0 and 8
///     8   sequence number: counts this direction's records from zero, skips included, and wraps
///     12  checksum of this header and the payload, or its first bytes where only they mean
///         anything; 0 in a skip, whose every field is known anyway
///
/// The seal tells a damaged header, behind which no next record can be found, from a damaged
/// payload: a wrong byte count within bounds would otherwise look like the latter. Without
/// checksums, seal and checksum are zero.
///
/// Public, unlike what the package shares otherwise: a ring reads and writes one for each message,
/// and the compiler inlines only public bodies across modules.
@frozen public struct RecordHeader {
    public var byteCount: UInt32
    public var kind: UInt32
    public var sequence: UInt32
    public var checksum: UInt32 = 0

    /// As written and read.
    @inlinable public var words: (UInt64, UInt64) {
        (
            UInt64(kind) << 32 | UInt64(byteCount),
            UInt64(checksum) << 32 | UInt64(sequence)
        )
    }

    @inlinable public init(words first: UInt64, _ second: UInt64) {
        byteCount = UInt32(truncatingIfNeeded: first)
        kind = UInt32(truncatingIfNeeded: first >> 32)
        sequence = UInt32(truncatingIfNeeded: second)
        checksum = UInt32(truncatingIfNeeded: second >> 32)
    }

    @inlinable public init(_ kind: RecordKind, byteCount: Int, sequence: UInt32) {
        self.byteCount = UInt32(byteCount)
        self.kind = kind.rawValue
        self.sequence = sequence
    }

    /// A message whose first `writtenByteCount` bytes mean anything. Of more than 1 MiB, or where
    /// rounding makes it the whole, all are summed.
    @inlinable @inline(__always)
    public init(messageOf byteCount: Int, writtenByteCount: Int, sequence: UInt32) {
        self.init(.message, byteCount: byteCount, sequence: sequence)
        let unitCount = (writtenByteCount + 15) / 16
        if unitCount <= Self.largestUnitCount, 16 * unitCount < byteCount {
            kind = RecordKind.messageHead.rawValue | UInt32(unitCount)
        }
    }

    @usableFromInline static let largestUnitCount = 0xFFFF

    /// Payload bytes that the checksum is about; `nil` where the kind, its seal taken off, is no
    /// message's.
    @inlinable @inline(__always)
    public var summedByteCount: Int? {
        if kind == RecordKind.message.rawValue { return Int(byteCount) }
        guard kind & 0xFFFF_0000 == RecordKind.messageHead.rawValue else { return nil }
        let summed = 16 * Int(kind & 0xFFFF)
        return summed < Int(byteCount) ? summed : nil
    }

    /// What stands in the header, its seal taken off, as the checksum sees it.
    @inlinable @inline(__always)
    public var summedWord: UInt64 { digest ^ UInt64(kind) << 32 }

    /// Puts the seal on the kind, or takes it off again.
    @inlinable @inline(__always)
    public mutating func toggleSeal() {
        // 2^64 divided by the golden ratio, as in Fibonacci hashing. Odd, and no run of its bits
        // is all zeros or ones, so each flipped bit of the digest changes the product's upper half.
        let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15
        kind ^= UInt32(truncatingIfNeeded: digest &* multiplier >> 32)
    }

    /// What stands at 0 and 8.
    @inlinable @inline(__always)
    public var digest: UInt64 { UInt64(sequence) << 32 | UInt64(byteCount) }
}
