import LinkRecords
import Messages

/// The reading side of one ring. See ``RingProducer`` for cursors and counters.
struct RingConsumer {
    /// The consumer's own counters, and the producer's last known one.
    struct Cursor: Equatable {
        fileprivate(set) var head: UInt64 = 0
        fileprivate var cachedTail: UInt64 = 0  // re-read only when the ring seems empty
        fileprivate var sequence: UInt32 = 0  // wraps
        fileprivate var isBarrierNeeded = true
    }

    /// A checked message record in the ring.
    struct Record {
        fileprivate let header: RecordHeader
        fileprivate let summedByteCount: Int
        fileprivate let offset: Int

        var payloadOffset: Int { offset + RingLayout.recordHeaderByteCount }
        var byteCount: Int { Int(header.byteCount) }
    }

    let ring: RingView
    private let maximumMessageByteCount: Int
    private let canOmitBarrier = ProcessBarriers.areReceived

    init(_ ring: RingView, maximumMessageByteCount: Int) {
        self.ring = ring
        self.maximumMessageByteCount = maximumMessageByteCount
    }

    /// Whether a record is there.
    @inline(__always)
    func hasRecord(_ cursor: inout Cursor) throws(LinkError) -> Bool {
        if cursor.head != cursor.cachedTail { return true }
        // Acquire pairs with the producer's release: whole records are visible.
        let tail = ring.tail.loadAcquiring()
        if tail == cursor.cachedTail { return false }
        guard tail > cursor.cachedTail, tail - cursor.head <= UInt64(ring.capacity),
            tail.isMultiple(of: UInt64(RingLayout.recordAlignment))
        else {
            throw Self.corruptTail(
                tail, atLeast: cursor.cachedTail, atMost: cursor.head + UInt64(ring.capacity),
                ring.direction)
        }
        cursor.cachedTail = tail
        return true
    }

    /// The oldest message, with everything that the peer wrote about it checked. Call only when
    /// ``hasRecord(_:)`` said so.
    @inline(__always)
    func front(_ cursor: inout Cursor) throws(LinkError) -> Record {
        var offset = Int(cursor.head & UInt64(ring.capacity - 1))
        var header = header(at: offset)
        if header.kind == RecordKind.skip.rawValue {
            let beforeEnd = ring.capacity - offset
            guard offset > 0, header.sequence == cursor.sequence,
                Int(header.byteCount) == beforeEnd - RingLayout.recordHeaderByteCount,
                // A skip is published together with the message behind it.
                Int(cursor.cachedTail - cursor.head) > beforeEnd
            else {
                throw Self.corruptSkip(
                    header, sequence: cursor.sequence, offset: offset, beforeEnd: beforeEnd,
                    at: cursor.head, ring.direction)
            }
            cursor.head += UInt64(beforeEnd)
            cursor.sequence &+= 1
            offset = 0
            header = self.header(at: 0)
        }
        let byteCount = Int(header.byteCount)
        let available = min(Int(cursor.cachedTail - cursor.head), ring.capacity - offset)
        guard let summedByteCount = header.summedByteCount, header.sequence == cursor.sequence,
            byteCount <= maximumMessageByteCount,
            RingLayout.recordByteCount(forMessage: byteCount) <= available
        else {
            throw Self.corruptMessage(
                header, sequence: cursor.sequence, maximum: maximumMessageByteCount,
                available: available, at: cursor.head, ring.direction)
        }
        return Record(header: header, summedByteCount: summedByteCount, offset: offset)
    }

    /// A copy of the header at `offset`, its seal taken off: a damaged one has a wrong kind.
    @inline(__always)
    private func header(at offset: Int) -> RecordHeader {
        var header = ring.records.header(at: offset)
        if ring.hasChecksums { header.toggleSeal() }
        return header
    }

    /// Whether header and what is summed of the payload are as they were when the producer summed
    /// them up. It finds accidents, not malice: the producer can still write.
    @inline(__always)
    func isIntact(_ record: Record) -> Bool {
        !ring.hasChecksums
            || ring.records.checksum(
                of: record.header, summedByteCount: record.summedByteCount, at: record.offset)
                == record.header.checksum
    }

    /// Gives the room of `record`, the oldest message, back to the producer.
    ///
    /// - Returns: whether the producer slept and was woken.
    @inline(__always)
    func release(_ record: Record, _ cursor: inout Cursor) -> Bool {
        cursor.head += UInt64(RingLayout.recordByteCount(forMessage: record.byteCount))
        cursor.sequence &+= 1
        if cursor.isBarrierNeeded && canOmitBarrier {
            cursor.isBarrierNeeded = !ring.roomDoorbell.sleeperBringsBarrier
        }
        // Release pairs with the producer's acquire: our reads of the record are over.
        ring.head.storeReleasing(cursor.head)
        return ring.roomDoorbell.ringIfSleeping(isBarrierNeeded: cursor.isBarrierNeeded)
    }

    // MARK: - Errors

    @inline(never)
    static func damaged(_ record: Record, _ direction: RingDirection) -> LinkError {
        .damaged(
            "\(direction.rawValue): message of \(record.byteCount) bytes, sequence number"
                + " \(record.header.sequence): its checksum is wrong")
    }

    // Static, with plain numbers: an address of `self` or the cursor would force both into memory.

    @inline(never)
    private static func corruptTail(
        _ tail: UInt64, atLeast minimum: UInt64, atMost maximum: UInt64,
        _ direction: RingDirection
    ) -> LinkError {
        .peerCorrupt(
            "\(direction.rawValue): tail is \(tail), not a multiple of"
                + " \(RingLayout.recordAlignment) in \(minimum)...\(maximum)")
    }

    @inline(never)
    private static func corruptMessage(
        _ header: RecordHeader, sequence: UInt32, maximum: Int, available: Int,
        at position: UInt64, _ direction: RingDirection
    ) -> LinkError {
        let fault: String
        if header.summedByteCount == nil {
            fault = "kind \(header.kind), must be a message's (or the header is damaged)"
        } else if header.sequence != sequence {
            fault = "sequence number \(header.sequence), must be \(sequence)"
        } else {
            fault =
                "byte count \(header.byteCount), must be at most \(maximum), and the record"
                + " within the \(available) bytes there"
        }
        return .peerCorrupt("\(direction.rawValue): record at \(position) has \(fault)")
    }

    @inline(never)
    private static func corruptSkip(
        _ header: RecordHeader, sequence: UInt32, offset: Int, beforeEnd: Int,
        at position: UInt64, _ direction: RingDirection
    ) -> LinkError {
        let fault: String
        if header.sequence != sequence {
            fault = "sequence number \(header.sequence), must be \(sequence)"
        } else if offset == 0
            || Int(header.byteCount) != beforeEnd - RingLayout.recordHeaderByteCount
        {
            fault =
                "skip \(header.byteCount), must be to the end of the ring, and not from its start"
        } else {
            fault = "skip \(header.byteCount), must be followed by a message"
        }
        return .peerCorrupt("\(direction.rawValue): record at \(position) has \(fault)")
    }
}
