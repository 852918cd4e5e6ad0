import Messages

/// The reading side of one ring. See ``RingProducer`` for the counters' rules.
struct RingConsumer {
    /// A checked message record in the ring.
    struct Record {
        let payloadOffset: Int
        let byteCount: Int
    }

    let ring: RingView
    private let maximumMessageByteCount: Int
    private(set) var head: UInt64 = 0
    private var cachedTail: UInt64 = 0  // re-read only when the ring seems empty
    private var sequence: UInt64 = 0
    private var isBarrierNeeded = true
    private let canOmitBarrier = ProcessBarriers.areReceived

    init(_ ring: RingView, maximumMessageByteCount: Int) {
        self.ring = ring
        self.maximumMessageByteCount = maximumMessageByteCount
    }

    /// Whether a record is there.
    @inline(__always)
    mutating func hasRecord() throws(LinkError) -> Bool {
        if head != cachedTail { return true }
        // Acquire pairs with the producer's release: whole records are visible.
        let tail = ring.tail.loadAcquiring()
        if tail == cachedTail { return false }
        guard tail > cachedTail, tail - head <= UInt64(ring.capacity),
            tail.isMultiple(of: UInt64(RingLayout.recordAlignment))
        else {
            throw .peerCorrupt(
                "\(ring.direction.rawValue): tail is \(tail), not a multiple of 16"
                    + " in \(cachedTail)...\(head + UInt64(ring.capacity))")
        }
        cachedTail = tail
        return true
    }

    /// The oldest message, with everything that the peer wrote about it checked. Call only when
    /// ``hasRecord()`` said so.
    @inline(__always)
    mutating func front() throws(LinkError) -> Record {
        var offset = Int(head & UInt64(ring.capacity - 1))
        var header = ring.records.header(at: offset)
        if header.kind == RecordKind.skip.rawValue {
            try passSkip(header, at: offset)
            offset = 0
            header = ring.records.header(at: 0)
        }
        guard header.kind == RecordKind.message.rawValue else {
            throw corrupt("kind", found: UInt64(header.kind), rule: "a message's")
        }
        guard header.sequence == sequence else {
            throw corrupt("sequence number", found: header.sequence, rule: "\(sequence)")
        }
        let byteCount = Int(header.byteCount)
        let available = Int(cachedTail - head)
        guard byteCount <= maximumMessageByteCount,
            RingLayout.recordByteCount(forMessage: byteCount)
                <= min(available, ring.capacity - offset)
        else {
            throw corrupt(
                "byte count", found: UInt64(byteCount),
                rule: "at most \(maximumMessageByteCount), and inside the published bytes")
        }
        return Record(
            payloadOffset: offset + RingLayout.recordHeaderByteCount, byteCount: byteCount)
    }

    /// Gives the room of `record`, the oldest message, back to the producer.
    ///
    /// - Returns: whether the producer slept and was woken.
    @inline(__always)
    mutating func release(_ record: Record) -> Bool {
        head += UInt64(RingLayout.recordByteCount(forMessage: record.byteCount))
        sequence += 1
        if isBarrierNeeded && canOmitBarrier {
            isBarrierNeeded = !ring.roomDoorbell.sleeperBringsBarrier
        }
        // Release pairs with the producer's acquire: our reads of the record are over.
        ring.head.storeReleasing(head)
        return ring.roomDoorbell.ringIfSleeping(isBarrierNeeded: isBarrierNeeded)
    }

    /// Moves behind a skip record, which must reach exactly to the end of the ring.
    private mutating func passSkip(
        _ header: RecordHeader, at offset: Int
    ) throws(LinkError) {
        let beforeEnd = ring.capacity - offset
        guard header.sequence == sequence else {
            throw corrupt("sequence number", found: header.sequence, rule: "\(sequence)")
        }
        guard offset > 0,
            Int(header.byteCount) == beforeEnd - RingLayout.recordHeaderByteCount
        else {
            throw corrupt(
                "skip", found: UInt64(header.byteCount),
                rule: "to the end of the ring, and not from its start")
        }
        // A skip is published together with the message behind it.
        guard Int(cachedTail - head) > beforeEnd else {
            throw corrupt("skip", found: UInt64(header.byteCount), rule: "followed by a message")
        }
        head += UInt64(beforeEnd)
        sequence += 1
    }

    private func corrupt(_ field: String, found: UInt64, rule: String) -> LinkError {
        .peerCorrupt(
            "\(ring.direction.rawValue): record at \(head) has \(field) \(found),"
                + " must be \(rule)")
    }
}
