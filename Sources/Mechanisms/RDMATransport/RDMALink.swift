internal import ConnectionProtocol
internal import Glibc
package import LinkRecords
package import Messages
internal import RDMAConnections
internal import SystemPackage

/// One end of a connection between queue pairs as a `MessageLink`.
///
/// One thread owns it, and no other serves it. A message is written into the other side's ring by
/// the device, then its header by a second write whose end the other side is told of.
package final class RDMALink: RemoteLink {
    package let maximumMessageByteCount: Int
    private let terms: LinkTerms
    package let peerHostName: String?

    private let geometry: RingGeometry
    private let waitPolicy: WaitPolicy
    private let watch: LinkWatch
    private var inbox: RDMAInbox
    private let outbox: RDMAOutbox
    private let parts: ConnectionParts
    private var counts = LinkStatistics()
    /// Why nothing more will come.
    private var ending: LinkError?
    package private(set) var isClosed = false
    package var fault: LinkFault?
    private var isArmed = false
    private var lastSign = ContinuousClock.now

    /// An end that waits and hears nothing for so long asks whether the other side is still there.
    private static let silence = Duration.seconds(15)

    /// A look at a queue takes as long as some of the looks at a ring that the policy counts.
    /// Estimated, not measured.
    private static let spinsPerLook = 4

    package init(
        adopting connection: consuming RDMAConnection, waitPolicy: WaitPolicy,
        watch: @escaping LinkWatch
    ) {
        terms = connection.terms
        peerHostName = connection.peerHostName
        geometry = RingGeometry(terms)
        maximumMessageByteCount = geometry.maximumMessageByteCount
        parts = connection.parts
        inbox = RDMAInbox(terms, geometry, memory: connection.ring)
        outbox = RDMAOutbox(
            terms, geometry, staging: connection.staging, remote: connection.remote,
            pair: parts.pair)
        self.waitPolicy = waitPolicy
        self.watch = watch
    }

    deinit {
        close()
        linger(upTo: .seconds(2))
        // Before the memory goes that the other side may still write to.
        parts.identifier.disconnect()
    }

    /// Bytes of memory that one end pins: the ring that it reads, and the copy of the other one.
    package static func byteCount(capacity: Int) -> Int {
        2 * RingGeometry(capacity: capacity).memoryByteCount
    }

    package var transportName: String { "rdma" }

    package var statistics: LinkStatistics { counts }

    package func close() {
        guard !isClosed else { return }
        isClosed = true
        // Best effort: where the queue has no place, the end of the connection must say it.
        if outbox.hasPlaces(1) { try? outbox.announce(.close, signalled: true) }
    }

    /// After ``close()``: waits until the other side has got what was sent, at most `limit`.
    package func linger(upTo limit: Duration) {
        let deadline = ContinuousClock.now + limit
        while outbox.isBusy, !hasLost {
            arm()
            if takeCompletions() { continue }
            takeEvents()
            let rest = ContinuousClock.now.duration(to: deadline)
            guard rest > .zero, !hasLost else { return }
            _ = waitForEither(
                parts.pair.descriptor, parts.identifier.channel.descriptor, atMost: rest)
            if parts.pair.disarm() { isArmed = false }
        }
    }

    // MARK: - Sending

    package func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        precondition(!isClosed, "a closed link sends nothing")
        precondition(byteCount >= 0 && byteCount <= maximumMessageByteCount)
        switch ending {
        // What came was wrong; the peer can still be told.
        case nil, .peerCorrupt: break
        case .some(let ending): throw ending
        }
        try waitForRoom(geometry.frameByteCount(forMessage: byteCount))
        let frame = outbox.begin(byteCount, fill)
        counts.messagesSent += 1
        counts.bytesSent += byteCount
        let fault = fault
        self.fault = nil
        do throws(LinkError) {
            try complete(frame, fault)
        } catch {
            // Half a frame is out: nothing that is sent behind it would be understood.
            ending = ending ?? error
            throw error
        }
    }

    private func complete(_ frame: RDMAOutbox.Frame, _ fault: LinkFault?) throws(LinkError) {
        var rest = 0..<frame.byteCount
        if case .halfWritten(let interruption) = fault {
            let half = frame.byteCount / 2
            _ = try write(frame, 0..<half, leaving: 0)
            interruption()
            rest = half..<frame.byteCount
        }
        outbox.seal(frame, fault, releasedByteCount: inbox.frames.releasedByteCount)
        rest = try write(frame, rest, leaving: RDMAOutbox.longestWrite)
        try waitForPlaces(2)
        try post { () throws(Errno) in try outbox.commit(frame, behind: rest) }
    }

    /// Writes a part of a payload into the other side's ring.
    ///
    /// - Returns: its end, of at most `leaving` bytes, which was not written.
    private func write(
        _ frame: RDMAOutbox.Frame, _ range: Range<Int>, leaving: Int
    ) throws(LinkError) -> Range<Int> {
        var rest = range
        while rest.count > leaving {
            let end = min(rest.upperBound, rest.lowerBound + RDMAOutbox.longestWrite)
            let part = rest.lowerBound..<end
            try waitForPlaces(1)
            try post { () throws(Errno) in try outbox.write(frame, part) }
            rest = end..<rest.upperBound
        }
        return rest
    }

    private func post(_ body: () throws(Errno) -> Void) throws(LinkError) {
        do throws(Errno) {
            try body()
        } catch {
            throw failure("the device took no transfer: \(error)")
        }
    }

    private func waitForRoom(_ byteCount: Int) throws(LinkError) {
        try waitFor { [self] in
            outbox.hasRoom(byteCount, creditByteCount: inbox.frames.creditByteCount)
                && outbox.hasPlaces(2)
        }
    }

    private func waitForPlaces(_ count: Int) throws(LinkError) {
        try waitFor { [self] in outbox.hasPlaces(count) }
    }

    private func waitFor(_ isThere: () -> Bool) throws(LinkError) {
        if isThere() { return }
        try waitUntil { () throws(LinkError) in
            if isThere() { return true }
            while self.takeCompletions() {}
            if isThere() { return true }
            if let ending = self.ending { throw ending }
            return false
        }
    }

    // MARK: - Receiving

    package func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        precondition(!isClosed, "a closed link receives nothing")
        if inbox.frames.isEmpty {
            try waitUntil { () throws(LinkError) in try self.hasMessage() }
        }
        try consume(read)
    }

    package func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        precondition(!isClosed, "a closed link receives nothing")
        if try !hasMessage() {
            takeEvents()
            guard try hasMessage() else { return false }
        }
        try consume(read)
        return true
    }

    /// Whether a whole message is there; throws once the peer has ended and all is read.
    private func hasMessage() throws(LinkError) -> Bool {
        while inbox.frames.isEmpty {
            if takeCompletions() { continue }
            if let ending { throw ending }
            return false
        }
        return true
    }

    private func consume(_ read: (RawSpan) -> Void) throws(LinkError) {
        guard let message = inbox.frames.first else {
            preconditionFailure("a message was waited for")
        }
        let isIntact = message.hand(
            over: inbox.memory.content, checking: terms.hasChecksums, to: read)
        counts.noteReceived(message.byteCount, isIntact: isIntact)
        inbox.removeFirst()
        try giveBack()
        guard isIntact else { throw message.damage }
    }

    /// Tells the peer of room that no message has told it of, before it must wait for it: a quarter
    /// of the window beside the half that the longest message takes.
    private func giveBack() throws(LinkError) {
        let released = inbox.frames.releasedByteCount
        guard released - outbox.toldByteCount > UInt64(geometry.capacity / 4), ending == nil
        else { return }
        try waitForPlaces(1)
        try post { () throws(Errno) in
            try outbox.announce(.credit(releasedByteCount: released), signalled: false)
        }
    }

    // MARK: - What the device and the connection say

    /// Takes what the device has done, without waiting.
    ///
    /// - Returns: whether there was anything.
    private func takeCompletions() -> Bool {
        var hasFound = false
        // Some at a time: whoever waits for the first must not wait for all.
        for _ in 0..<16 {
            guard let completion = parts.pair.poll() else { return hasFound }
            hasFound = true
            lastSign = .now
            switch completion {
            case .sent: outbox.takeSent()
            case .notice(let immediate): takeNotice(immediate)
            case .message: end(.peerCorrupt("a message came outside the ring"))
            case .failed(let status): takeFailure(status)
            }
        }
        return hasFound
    }

    private func takeNotice(_ immediate: UInt32) {
        do throws(Errno) {
            try parts.pair.postNoticePlace()
        } catch {
            end(.system("the device takes no more notices: \(error)"))
        }
        switch ending {
        case nil: break
        // Only the first reason counts.
        case .some: return
        }
        do throws(LinkError) {
            try inbox.take(immediate: immediate, sentByteCount: outbox.sentByteCount)
            if inbox.frames.isClosed { end(.peerGone("closed")) }
        } catch {
            end(error)
        }
    }

    private func takeFailure(_ status: TransferStatus) {
        guard !hasLost else { return }
        hasLost = true
        // What the connection manager says of it comes first.
        takeEvents()
        switch status {
        case .flushed: end(.peerGone("the connection ended"))
        case .unanswered: end(.peerGone("the connection was lost: no answer"))
        case .refused(let text): end(.peerGone("it lets nobody write into its ring: \(text)"))
        case .other(let text): end(.system("the device failed: \(text)"))
        }
    }

    /// Whether no transfer will come to its end any more.
    private var hasLost = false

    private func takeEvents() {
        do throws(ConnectionError) {
            while let event = try parts.identifier.channel.next() {
                guard case .disconnected = event.kind else { continue }
                // What came before lies in the queue.
                while !hasLost, takeCompletions() {}
                hasLost = true
                end(.peerGone("the connection ended"))
            }
        } catch {
            end(.system("\(error)"))
        }
    }

    private func end(_ reason: LinkError) { ending = ending ?? reason }

    /// Why the device takes nothing: what the peer said last says more.
    private func failure(_ text: String) -> LinkError {
        while takeCompletions() {}
        takeEvents()
        let known = ending ?? .system(text)
        ending = known
        return known
    }

    // MARK: - Waiting

    /// Looks, yields, then sleeps until `isReady`; the policy says how long each.
    private func waitUntil(_ isReady: () throws(LinkError) -> Bool) throws(LinkError) {
        let looks = try waitPolicy.look(spinsPerLook: Self.spinsPerLook, until: isReady)
        counts.spins += looks.spins
        counts.yields += looks.yields
        if looks.isReady { return }
        while true {
            if try isReady() { return }
            if isArmed {
                try sleep()
            } else {
                // What came before is looked for once more.
                arm()
            }
        }
    }

    private func arm() {
        guard !isArmed else { return }
        parts.pair.arm()
        isArmed = true
    }

    private func sleep() throws(LinkError) {
        counts.sleeps += 1
        let hasFound = waitForEither(
            parts.pair.descriptor, parts.identifier.channel.descriptor,
            atMost: waitPolicy.sleepSlice)
        if parts.pair.disarm() { isArmed = false }
        if hasFound { return takeEvents() }
        try watch()
        probe()
    }

    /// Asks for a sign of life: the device of a host that lives confirms a write of nothing.
    private func probe() {
        let now = ContinuousClock.now
        guard lastSign.duration(to: now) > Self.silence, !outbox.isProbing, outbox.hasPlaces(1)
        else { return }
        try? outbox.probe()
    }
}
