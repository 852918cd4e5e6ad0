import CLinuxShims
import Glibc
package import LinkRecords
import MappedMemory
package import Messages

/// One end of a worker's segment: two rings as a `MessageLink`.
///
/// One thread owns it. Closing, or the end of the object, lets the peer read what was sent and
/// then fail with `peerGone`; a peer that dies without closing is found by the watch.
package final class RingLink: CarriedLink {
    package typealias Watch = LinkWatch

    package let maximumMessageByteCount: Int

    private let mapping: SharedMapping  // the producer's and the consumer's views point into it
    private let layout: RingLayout
    let producer: RingProducer
    private let consumer: RingConsumer
    var outgoing = RingProducer.Cursor()
    private var reserving = RingProducer.Cursor()  // from `waitForRoom` to `send`
    private var incoming = RingConsumer.Cursor()
    private let end: RingEnd
    private let ownState: SharedWord
    private let peerState: SharedWord
    private let waitPolicy: WaitPolicy
    private let barrier: SleeperBarrier
    private let watch: Watch
    var counts = LinkStatistics()
    package private(set) var isClosed = false

    package var fault: LinkFault? {
        didSet { isOrdinary = fault == nil && !isClosed }
    }

    /// Whether neither the end is closed nor a fault waits: what sending asks about both at once.
    private var isOrdinary = true

    /// Attaches the coordinator's end of `segment`, once.
    package static func coordinatorEnd(
        _ segment: borrowing RingSegment, waitPolicy: WaitPolicy, watch: @escaping Watch
    ) throws(RingError) -> RingLink {
        try RingLink(.coordinator, of: segment, waitPolicy: waitPolicy, watch: watch)
    }

    /// Attaches the worker's end of `segment`, once.
    package static func workerEnd(
        _ segment: borrowing RingSegment, waitPolicy: WaitPolicy, watch: @escaping Watch
    ) throws(RingError) -> RingLink {
        try RingLink(.worker, of: segment, waitPolicy: waitPolicy, watch: watch)
    }

    /// Where the pages with a direction's records lie in this process, each made present.
    package func recordAddresses(of direction: RingDirection) -> Range<UInt> {
        let range = layout.recordsRange(of: direction)
        mapping.touch(range)
        return mapping.addresses(of: range)
    }

    private init(
        _ end: RingEnd, of segment: borrowing RingSegment, waitPolicy: WaitPolicy,
        watch: @escaping Watch
    ) throws(RingError) {
        let mapping = try segment.map()
        let layout = segment.layout
        let ownState = SharedWord(in: mapping, at: end.stateOffset)
        guard ownState.replace(EndState.absent.rawValue, by: EndState.attached.rawValue).isReplaced
        else { throw .endInUse(end.rawValue) }
        self.end = end
        self.layout = layout
        self.ownState = ownState
        self.waitPolicy = waitPolicy
        self.watch = watch
        maximumMessageByteCount = layout.maximumMessageByteCount
        peerState = SharedWord(in: mapping, at: end.peer.stateOffset)
        producer = RingProducer(RingView(end.outgoing, in: mapping, layout: layout))
        consumer = RingConsumer(
            RingView(end.incoming, in: mapping, layout: layout),
            maximumMessageByteCount: layout.maximumMessageByteCount)
        barrier =
            waitPolicy.spinIterations > 0 && ProcessBarriers.areSendable ? .everywhere : .fence
        self.mapping = mapping
        consumer.ring.dataDoorbell.announce(barrier)
        producer.ring.roomDoorbell.announce(barrier)
    }

    deinit { close() }

    package var transportName: String { "shared-memory" }

    package var statistics: LinkStatistics { counts }

    package func close() {
        guard !isClosed else { return }
        isClosed = true
        isOrdinary = false
        // Release pairs with the peer's acquire: who sees the word sees all that was sent.
        ownState.storeReleasing(EndState.closed.rawValue)
        producer.ring.dataDoorbell.ring()
        consumer.ring.roomDoorbell.ring()
    }

    @inline(__always)
    package func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        try send(byteCount: byteCount, writtenByteCount: byteCount, fill)
    }

    package func send(
        byteCount: Int, writtenByteCount: Int, _ fill: (inout MutableRawSpan) -> Void
    ) throws(LinkError) {
        precondition(writtenByteCount >= 0 && writtenByteCount <= byteCount)
        guard isOrdinary else {
            return try sendFaulty(
                byteCount: byteCount, writtenByteCount: writtenByteCount, fill)
        }
        var cursor = outgoing
        let offset = try reserve(byteCount: byteCount, &cursor)
        let before = outgoing.tail
        producer.ring.records.withMutablePayload(
            at: offset + RingLayout.recordHeaderByteCount, byteCount: writtenByteCount, fill)
        precondition(outgoing.tail == before, "while a message is written, no other is sent")
        if producer.publish(
            byteCount: byteCount, writtenByteCount: writtenByteCount, at: offset, &cursor)
        {
            counts.wakes += 1
        }
        outgoing = cursor
        counts.messagesSent += 1
        counts.bytesSent += byteCount
    }

    /// Waits for room; `cursor` is a copy of `outgoing`.
    ///
    /// - Returns: byte offset of the record.
    @inline(__always)
    func reserve(
        byteCount: Int, _ cursor: inout RingProducer.Cursor
    ) throws(LinkError) -> Int {
        precondition(byteCount >= 0 && byteCount <= maximumMessageByteCount)
        if try peerIsClosed() { throw Self.closedByPeer }
        if let found = try producer.tryReserve(byteCount: byteCount, &cursor) { return found }
        let offset = try waitForRoom(byteCount: byteCount)
        cursor = reserving
        return offset
    }

    package func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        precondition(!isClosed, "a closed link receives nothing")
        var cursor = incoming
        if try !consumer.hasRecord(&cursor) {
            try waitForRecord()
            cursor = incoming
        }
        try consume(read, &cursor)
    }

    package func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        precondition(!isClosed, "a closed link receives nothing")
        guard try refreshIncoming() else { return false }
        var cursor = incoming
        try consume(read, &cursor)
        return true
    }

    @inline(__always)
    private func consume(
        _ read: (RawSpan) -> Void, _ cursor: inout RingConsumer.Cursor
    ) throws(LinkError) {
        let record = try consumer.front(&cursor)
        guard consumer.isIntact(record) else { throw drop(record, &cursor) }
        let before = incoming.head
        consumer.ring.records.withPayload(
            at: record.payloadOffset, byteCount: record.byteCount, read)
        precondition(incoming.head == before, "while a message is read, no other is received")
        if consumer.release(record, &cursor) { counts.wakes += 1 }
        incoming = cursor
        counts.messagesReceived += 1
        counts.bytesReceived += record.byteCount
    }

    /// Gives a damaged record's room back, so that the next one is the oldest.
    @inline(never)
    private func drop(
        _ record: RingConsumer.Record, _ cursor: inout RingConsumer.Cursor
    ) -> LinkError {
        if consumer.release(record, &cursor) { counts.wakes += 1 }
        incoming = cursor
        counts.messagesDamaged += 1
        return RingConsumer.damaged(record, consumer.ring.direction)
    }

    // MARK: - Waiting

    // These work on the stored cursors: passing on a local one's address would force it into
    // memory on the path that does not wait, too.

    @inline(never)
    private func waitForRecord() throws(LinkError) {
        try wait(on: consumer.ring.dataDoorbell) { () throws(LinkError) in
            try self.refreshIncoming()
        }
    }

    /// Leaves the cursor, moved behind a skip if one was needed, in `reserving`: the skip counts
    /// only once the message behind it is published.
    @inline(never)
    private func waitForRoom(byteCount: Int) throws(LinkError) -> Int {
        var offset: Int?
        try wait(on: producer.ring.roomDoorbell) { () throws(LinkError) in
            if try self.peerIsClosed() { throw Self.closedByPeer }
            var cursor = self.outgoing
            offset = try self.producer.tryReserve(byteCount: byteCount, &cursor)
            self.reserving = cursor
            return offset != nil
        }
        guard let offset else { preconditionFailure("waiting ends with room") }
        return offset
    }

    /// Spins, yields, then sleeps until `isReady`; the policy says how long each.
    private func wait(
        on doorbell: Doorbell, until isReady: () throws(LinkError) -> Bool
    ) throws(LinkError) {
        for _ in 0..<waitPolicy.spinIterations {
            if try isReady() { return }
            counts.spins += 1
            shim_cpu_pause()
        }
        for _ in 0..<waitPolicy.yieldCount {
            if try isReady() { return }
            counts.yields += 1
            sched_yield()
        }
        while true {
            let ticket = doorbell.arm(barrier)
            defer { doorbell.disarm(barrier) }
            if try isReady() { return }
            counts.sleeps += 1
            let outcome = doorbell.sleep(ticket, atMost: waitPolicy.sleepSlice)
            switch outcome {
            case 0, EAGAIN, EINTR, ETIMEDOUT: break
            default: throw .system("cannot sleep on a doorbell: errno \(outcome)")
            }
            if try isReady() { return }
            do throws(LinkError) {
                try watch()
            } catch {
                // What the peer published since the look above and before it died still counts.
                if try isReady() { return }
                throw error
            }
        }
    }

    /// Whether a record is there; throws once the peer has closed and all is read.
    private func refreshIncoming() throws(LinkError) -> Bool {
        var cursor = incoming
        if try !consumer.hasRecord(&cursor) {
            guard try peerIsClosed() else { return false }
            // The word was written after the last message: look once more before giving up.
            guard try consumer.hasRecord(&cursor) else { throw Self.closedByPeer }
        }
        incoming = cursor
        return true
    }

    @inline(__always)
    private func peerIsClosed() throws(LinkError) -> Bool {
        let state = peerState.loadAcquiring()
        if state < EndState.closed.rawValue { return false }
        if state == EndState.closed.rawValue { return true }
        throw corruptState(state)
    }

    @inline(never)
    private func corruptState(_ state: UInt32) -> LinkError {
        .peerCorrupt("state word of the \(end.peer.rawValue)'s end is \(state)")
    }

    private static let closedByPeer = LinkError.peerGone("closed")
}
