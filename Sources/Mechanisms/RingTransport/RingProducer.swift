import LinkRecords
import Messages

/// The writing side of one ring.
///
/// What changes lives in a ``Cursor`` that the link copies in and out: a local copy needs no
/// exclusivity checks, which would cost more than the ring itself.
struct RingProducer {
    /// The producer's own counters, and the consumer's last known one.
    ///
    /// `tail` and `head` count bytes and never wrap: 64 bits last 29 years at 20 GB/s, so plain
    /// arithmetic may trap. Bytes in use are `tail - head`, at most the capacity.
    struct Cursor: Equatable {
        fileprivate(set) var tail: UInt64 = 0
        fileprivate var cachedHead: UInt64 = 0  // re-read only when room seems to be lacking
        fileprivate var sequence: UInt32 = 0  // wraps
        fileprivate var isBarrierNeeded = true
    }

    let ring: RingView
    private let canOmitBarrier = ProcessBarriers.areReceived

    init(_ ring: RingView) { self.ring = ring }

    /// Finds room for a message of `byteCount`, writing a skip record first when the message
    /// would cross the end of the ring. Nothing is visible to the consumer yet.
    ///
    /// - Returns: byte offset of the record; nil when there is no room.
    @inline(__always)
    func tryReserve(byteCount: Int, _ cursor: inout Cursor) throws(LinkError) -> Int? {
        let recordByteCount = RingLayout.recordByteCount(forMessage: byteCount)
        let offset = Int(cursor.tail & UInt64(ring.capacity - 1))
        let beforeEnd = ring.capacity - offset
        let isSkipping = recordByteCount > beforeEnd
        let needed = isSkipping ? beforeEnd + recordByteCount : recordByteCount
        if ring.capacity - Int(cursor.tail - cursor.cachedHead) < needed {
            // Acquire pairs with the consumer's release: its reads of the records are over.
            let head = ring.head.loadAcquiring()
            guard head >= cursor.cachedHead, head <= cursor.tail,
                head.isMultiple(of: UInt64(RingLayout.recordAlignment))
            else {
                throw Self.corruptHead(
                    head, atLeast: cursor.cachedHead, atMost: cursor.tail, ring.direction)
            }
            cursor.cachedHead = head
            if ring.capacity - Int(cursor.tail - head) < needed { return nil }
        }
        guard isSkipping else { return offset }
        setHeader(
            RecordHeader(
                .skip, byteCount: beforeEnd - RingLayout.recordHeaderByteCount,
                sequence: cursor.sequence),
            at: offset, &cursor)
        cursor.tail += UInt64(beforeEnd)
        return 0
    }

    /// Makes the record at `offset`, and a skip before it, visible to the consumer.
    ///
    /// - Parameter writtenByteCount: how many of the message's bytes mean anything.
    /// - Returns: whether the consumer slept and was woken.
    @inline(__always)
    func publish(
        byteCount: Int, writtenByteCount: Int, at offset: Int, _ cursor: inout Cursor
    ) -> Bool {
        finish(byteCount: byteCount, writtenByteCount: writtenByteCount, at: offset, &cursor)
        return show(&cursor)
    }

    /// The first half of publishing: completes the record at `offset`.
    @inline(__always)
    func finish(
        byteCount: Int, writtenByteCount: Int, at offset: Int, _ cursor: inout Cursor
    ) {
        setHeader(
            RecordHeader(
                messageOf: byteCount, writtenByteCount: writtenByteCount,
                sequence: cursor.sequence),
            at: offset, &cursor)
        cursor.tail += UInt64(RingLayout.recordByteCount(forMessage: byteCount))
    }

    /// The second half: shows the consumer all records that are complete.
    @inline(__always)
    func show(_ cursor: inout Cursor) -> Bool {
        if cursor.isBarrierNeeded && canOmitBarrier {
            cursor.isBarrierNeeded = !ring.dataDoorbell.sleeperBringsBarrier
        }
        // Release pairs with the consumer's acquire: it sees the whole record.
        ring.tail.storeReleasing(cursor.tail)
        return ring.dataDoorbell.ringIfSleeping(isBarrierNeeded: cursor.isBarrierNeeded)
    }

    /// For fault injection: shows the records without a look at who sleeps.
    func showSilently(_ cursor: inout Cursor) { ring.tail.storeReleasing(cursor.tail) }

    /// For fault injection: as if a record had been lost.
    func skipSequenceNumber(_ cursor: inout Cursor) { cursor.sequence &+= 1 }

    @inline(__always)
    private func setHeader(
        _ unsealed: RecordHeader, at offset: Int, _ cursor: inout Cursor
    ) {
        var header = unsealed
        if ring.hasChecksums {
            if let summedByteCount = header.summedByteCount {
                header.checksum = ring.records.checksum(
                    of: header, summedByteCount: summedByteCount, at: offset)
            }
            header.toggleSeal()
        }
        ring.records.setHeader(header, at: offset)
        cursor.sequence &+= 1
    }

    /// Static, with plain numbers: an address of `self` or the cursor would force both into memory.
    @inline(never)
    private static func corruptHead(
        _ head: UInt64, atLeast minimum: UInt64, atMost maximum: UInt64,
        _ direction: RingDirection
    ) -> LinkError {
        .peerCorrupt(
            "\(direction.rawValue): head is \(head), not a multiple of"
                + " \(RingLayout.recordAlignment) in \(minimum)...\(maximum)")
    }
}
