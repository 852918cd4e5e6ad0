import CLinuxShims
import Glibc
import MappedMemory
package import Messages

/// One end of a worker's segment: two rings as a `MessageLink`.
///
/// One thread owns it. Closing, or the end of the object, lets the peer read what was sent and
/// then fail with `peerGone`; a peer that dies without closing is found by the watch.
package final class RingLink: MessageLink {
    /// Runs after each slice of sleep that brought nothing; throws when waiting is pointless,
    /// for instance because the peer died or a signal asked this process to stop.
    package typealias Watch = () throws(LinkError) -> Void

    package let maximumMessageByteCount: Int

    private let mapping: SharedMapping  // the producer's and the consumer's views point into it
    private var producer: RingProducer
    private var consumer: RingConsumer
    private let end: RingEnd
    private let ownState: SharedWord
    private let peerState: SharedWord
    private let waitPolicy: WaitPolicy
    private let barrier: SleeperBarrier
    private let watch: Watch
    private var counts = LinkStatistics()
    private var isClosed = false

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

    /// Messages, bytes and waits of this end so far.
    package var statistics: LinkStatistics { counts }

    /// Tells the peer that nothing more will come; sending and receiving then fail on both ends.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        // Release pairs with the peer's acquire: who sees the word sees all that was sent.
        ownState.storeReleasing(EndState.closed.rawValue)
        producer.ring.dataDoorbell.ring()
        consumer.ring.roomDoorbell.ring()
    }

    package func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        precondition(byteCount >= 0 && byteCount <= maximumMessageByteCount)
        precondition(!isClosed, "a closed link sends nothing")
        if try peerIsClosed() { throw Self.closedByPeer }
        let offset: Int
        if let found = try producer.tryReserve(byteCount: byteCount) {
            offset = found
        } else {
            offset = try waitForRoom(byteCount: byteCount)
        }
        producer.ring.records.withMutablePayload(
            at: offset + RingLayout.recordHeaderByteCount, byteCount: byteCount, fill)
        if producer.publish(byteCount: byteCount, at: offset) { counts.wakes += 1 }
        counts.messagesSent += 1
        counts.bytesSent += byteCount
    }

    package func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        precondition(!isClosed, "a closed link receives nothing")
        if try !consumer.hasRecord() { try waitForRecord() }
        try consume(read)
    }

    package func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        precondition(!isClosed, "a closed link receives nothing")
        guard try hasRecordOrThrow() else { return false }
        try consume(read)
        return true
    }

    private func consume(_ read: (RawSpan) -> Void) throws(LinkError) {
        let record = try consumer.front()
        consumer.ring.records.withPayload(
            at: record.payloadOffset, byteCount: record.byteCount, read)
        if consumer.release(record) { counts.wakes += 1 }
        counts.messagesReceived += 1
        counts.bytesReceived += record.byteCount
    }

    // MARK: - Waiting

    private func waitForRecord() throws(LinkError) {
        try wait(on: consumer.ring.dataDoorbell) { () throws(LinkError) in
            try self.hasRecordOrThrow()
        }
    }

    private func waitForRoom(byteCount: Int) throws(LinkError) -> Int {
        var offset: Int?
        try wait(on: producer.ring.roomDoorbell) { () throws(LinkError) in
            if try self.peerIsClosed() { throw Self.closedByPeer }
            offset = try self.producer.tryReserve(byteCount: byteCount)
            return offset != nil
        }
        guard let offset else { preconditionFailure("waiting ends with room or throws") }
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
            try watch()
        }
    }

    private func hasRecordOrThrow() throws(LinkError) -> Bool {
        if try consumer.hasRecord() { return true }
        guard try peerIsClosed() else { return false }
        // The word was written after the last message: look once more before giving up.
        if try consumer.hasRecord() { return true }
        throw Self.closedByPeer
    }

    private func peerIsClosed() throws(LinkError) -> Bool {
        let state = peerState.loadAcquiring()
        switch EndState(rawValue: state) {
        case .attached, .absent: return false
        case .closed: return true
        case nil:
            throw .peerCorrupt("state word of the \(end.peer.rawValue)'s end is \(state)")
        }
    }

    private static let closedByPeer = LinkError.peerGone("closed")
}

/// What one end of a link did so far.
package struct LinkStatistics: Equatable, Sendable {
    package var messagesSent = 0
    package var messagesReceived = 0
    package var bytesSent = 0
    package var bytesReceived = 0
    /// Looks at an empty or full ring while spinning.
    package var spins = 0
    /// Times the core was offered to others.
    package var yields = 0
    /// Times the kernel was asked to sleep.
    package var sleeps = 0
    /// Times the peer slept and was woken: system calls.
    package var wakes = 0

    package init() {}
}
