import Messages

/// The writing side of one ring: its own counters, and the peer's last known one.
///
/// `tail` and `head` count bytes and never wrap: 64 bits last 29 years at 20 GB/s, so plain
/// arithmetic may trap. Bytes in use are `tail - head`, at most the capacity.
struct RingProducer {
    let ring: RingView
    private(set) var tail: UInt64 = 0
    private var cachedHead: UInt64 = 0  // re-read only when room seems to be lacking
    private var sequence: UInt64 = 0
    private var isBarrierNeeded = true
    private let canOmitBarrier = ProcessBarriers.areReceived

    init(_ ring: RingView) { self.ring = ring }

    /// Finds room for a message of `byteCount`, writing a skip record first when the message
    /// would cross the end of the ring. Nothing is visible to the consumer yet.
    ///
    /// - Returns: byte offset of the record; nil when there is no room.
    @inline(__always)
    mutating func tryReserve(byteCount: Int) throws(LinkError) -> Int? {
        let recordByteCount = RingLayout.recordByteCount(forMessage: byteCount)
        let offset = Int(tail & UInt64(ring.capacity - 1))
        let beforeEnd = ring.capacity - offset
        let isSkipping = recordByteCount > beforeEnd
        let needed = isSkipping ? beforeEnd + recordByteCount : recordByteCount
        if ring.capacity - Int(tail - cachedHead) < needed {
            try refreshHead()
            if ring.capacity - Int(tail - cachedHead) < needed { return nil }
        }
        guard isSkipping else { return offset }
        setHeader(.skip, byteCount: beforeEnd - RingLayout.recordHeaderByteCount, at: offset)
        tail += UInt64(beforeEnd)
        return 0
    }

    /// Makes the record at `offset`, and a skip before it, visible to the consumer.
    ///
    /// - Returns: whether the consumer slept and was woken.
    @inline(__always)
    mutating func publish(byteCount: Int, at offset: Int) -> Bool {
        setHeader(.message, byteCount: byteCount, at: offset)
        tail += UInt64(RingLayout.recordByteCount(forMessage: byteCount))
        if isBarrierNeeded && canOmitBarrier {
            isBarrierNeeded = !ring.dataDoorbell.sleeperBringsBarrier
        }
        // Release pairs with the consumer's acquire: it sees the whole record.
        ring.tail.storeReleasing(tail)
        return ring.dataDoorbell.ringIfSleeping(isBarrierNeeded: isBarrierNeeded)
    }

    /// Reads the consumer's counter and checks it: a peer's memory is input.
    private mutating func refreshHead() throws(LinkError) {
        // Acquire pairs with the consumer's release: its reads of the records are over.
        let head = ring.head.loadAcquiring()
        guard head >= cachedHead, head <= tail,
            head.isMultiple(of: UInt64(RingLayout.recordAlignment))
        else {
            throw .peerCorrupt(
                "\(ring.direction.rawValue): head is \(head), not a multiple of 16"
                    + " in \(cachedHead)...\(tail)")
        }
        cachedHead = head
    }

    @inline(__always)
    private mutating func setHeader(_ kind: RecordKind, byteCount: Int, at offset: Int) {
        ring.records.setHeader(
            RecordHeader(
                byteCount: UInt32(byteCount), kind: kind.rawValue, sequence: sequence),
            at: offset)
        sequence += 1
    }
}
