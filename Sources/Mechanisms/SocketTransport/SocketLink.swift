internal import ConnectionProtocol
internal import Glibc
package import LinkRecords
package import Messages
internal import SystemPackage

/// One end of a connection as a `MessageLink`.
///
/// One thread owns it, and no other serves it: whoever waits, to send or to receive, takes in what
/// comes, up to the window, so two ends that both send never wait for each other. Unlike a ring, a
/// connection holds what was sent only as far as the kernel's memory goes: a long message is sent
/// when its receiver, too, waits or looks.
package final class SocketLink: RemoteLink {
    package let maximumMessageByteCount: Int

    let connection: SocketConnection
    private let waitPolicy: WaitPolicy
    private let watch: LinkWatch
    private var inbox: FrameInbox
    /// The frame that is being sent.
    let outbox: FrameMemory
    private var sequence: UInt32 = 0
    /// Of the peer's window, so far.
    private var sentByteCount: UInt64 = 0
    /// What the peer knows of what this end gave back.
    private var toldByteCount: UInt64 = 0
    private var counts = LinkStatistics()
    /// Why nothing more will come.
    private var ending: LinkError?
    package private(set) var isClosed = false
    package var fault: LinkFault?

    /// A look at a socket is a system call, which takes as long as some of the looks at a ring that
    /// the policy counts. Estimated, not measured.
    private static let spinsPerLook = 16

    package init(
        adopting connection: consuming SocketConnection, waitPolicy: WaitPolicy,
        watch: @escaping LinkWatch
    ) {
        let terms = connection.terms
        maximumMessageByteCount = terms.maximumMessageByteCount
        inbox = FrameInbox(terms)
        outbox = .orTrap(byteCount: FrameHeader.byteCount + maximumMessageByteCount)
        self.connection = connection
        self.waitPolicy = waitPolicy
        self.watch = watch
    }

    deinit { close() }

    /// Bytes of memory that one end holds at most: what has come, what is being sent.
    package static func byteCount(capacity: Int) -> Int {
        FrameInbox.byteCount(capacity: capacity) + FrameHeader.byteCount + capacity / 2
    }

    package var transportName: String { "tcp" }

    /// The name of the worker's host, as it told it; on the worker's side, nil.
    package var peerHostName: String? { connection.peerHostName }

    package var statistics: LinkStatistics { counts }

    /// What both sides agreed on.
    var terms: LinkTerms { connection.terms }

    package func close() {
        guard !isClosed else { return }
        isClosed = true
        setHeader(.close, byteCount: 0)
        // Best effort: where the kernel has no room, the end of the connection must say it.
        _ = outbox.send(at: 0, byteCount: FrameHeader.byteCount, to: connection.handle)
        endSending(connection.handle)
    }

    /// After ``close()``: waits until the peer has ended its side, too, at most `limit`. A process
    /// that ends with unread bytes in its socket takes back what it sent last.
    package func linger(upTo limit: Duration) {
        let deadline = ContinuousClock.now + limit
        while true {
            switch outbox.receive(at: 0, byteCount: outbox.byteCount, from: connection.handle) {
            case .moved: continue
            case .ended, .failed: return
            case .nothing:
                let rest = ContinuousClock.now.duration(to: deadline)
                guard rest > .zero else { return }
                _ = wait(for: connection.handle, events: POLLIN, atMost: rest)
            }
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
        let windowByteCount = UInt64(FrameHeader.windowByteCount(forMessage: byteCount))
        try waitForRoom(windowByteCount)
        let before = sentByteCount
        outbox.withMutableBytes(at: FrameHeader.byteCount, byteCount: byteCount, fill)
        precondition(sentByteCount == before, "while a message is written, no other is sent")
        sentByteCount += windowByteCount
        counts.messagesSent += 1
        counts.bytesSent += byteCount
        guard let fault else {
            setHeader(.message, byteCount: byteCount)
            return try write(FrameHeader.byteCount + byteCount)
        }
        self.fault = nil
        try sendFaulty(fault, byteCount: byteCount)
    }

    /// Completes the frame whose payload is in the outbox; it counts as sent.
    ///
    /// - Parameters:
    ///   - change: of the payload's checksum, for fault injection.
    ///   - epoch: in place of the link's own, for fault injection.
    func setHeader(
        _ kind: FrameKind, byteCount: Int, changing change: UInt32 = 0, epoch: UInt32? = nil
    ) {
        var record = RecordHeader(.message, byteCount: byteCount, sequence: sequence)
        record.kind = kind.rawValue
        if terms.hasChecksums, kind == .message {
            outbox.withBytes(at: FrameHeader.byteCount, byteCount: byteCount) {
                record.checksum = RecordChecksum.of($0, header: record.digest) ^ change
            }
        }
        let header = FrameHeader(
            record, epoch: epoch ?? terms.epoch, releasedByteCount: inbox.frames.releasedByteCount)
        outbox.setWords(header.words, at: 0)
        sequence &+= 1
        toldByteCount = inbox.frames.releasedByteCount
    }

    /// For fault injection: as if a frame had been lost.
    func skipSequenceNumber() { sequence &+= 1 }

    /// Writes a part of the outbox; takes in what comes while the kernel has no room.
    func write(from start: Int = 0, _ end: Int) throws(LinkError) {
        var offset = start
        while offset < end {
            switch outbox.send(at: offset, byteCount: end - offset, to: connection.handle) {
            case .moved(let count): offset += count
            case .nothing:
                do throws(LinkError) {
                    try rest(until: POLLIN | POLLOUT)
                } catch {
                    // Half a frame is out: nothing that is sent behind it would be understood.
                    ending = ending ?? error
                    throw error
                }
            case .ended: throw .system("a socket took no bytes")
            case .failed(let cause): throw failure(cause)
            }
        }
    }

    private func waitForRoom(_ byteCount: UInt64) throws(LinkError) {
        func hasRoom() -> Bool {
            sentByteCount - inbox.frames.creditByteCount + byteCount <= UInt64(terms.capacity)
        }
        if hasRoom() { return }
        try waitUntil { () throws(LinkError) in
            if hasRoom() { return true }
            _ = try self.takeIn()
            if hasRoom() { return true }
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
        guard try hasMessage() else { return false }
        try consume(read)
        return true
    }

    /// Whether a whole message is there; throws once the peer has ended and all is read.
    private func hasMessage() throws(LinkError) -> Bool {
        while inbox.frames.isEmpty {
            if let ending { throw ending }
            guard try takeIn() else { return false }
        }
        return true
    }

    private func consume(_ read: (RawSpan) -> Void) throws(LinkError) {
        guard let message = inbox.frames.first else {
            preconditionFailure("a message was waited for")
        }
        let isIntact = message.hand(over: inbox.memory, checking: terms.hasChecksums, to: read)
        counts.noteReceived(message.byteCount, isIntact: isIntact)
        inbox.removeFirst()
        try giveBack()
        guard isIntact else { throw message.damage }
    }

    /// Tells the peer of room that no message has told it of, before it must wait for it: a quarter
    /// of the window beside the half that the longest message takes.
    private func giveBack() throws(LinkError) {
        guard inbox.frames.releasedByteCount - toldByteCount > UInt64(terms.capacity / 4),
            ending == nil
        else { return }
        setHeader(.credit, byteCount: 0)
        do {
            try write(FrameHeader.byteCount)
        } catch .peerGone {
            // Nobody needs the room any more; what came before the end is still to be read.
        }
    }

    /// Takes what the kernel has of the peer's bytes, without waiting.
    ///
    /// - Returns: whether anything was there.
    private func takeIn() throws(LinkError) -> Bool {
        guard ending == nil else { return false }
        do throws(LinkError) {
            switch try inbox.fill(from: connection.handle, sentByteCount: sentByteCount) {
            case .moved:
                if inbox.frames.isClosed { ending = .peerGone("closed") }
                return true
            case .nothing: return false
            case .ended:
                ending = .peerGone("the connection ended")
                return true
            case .failed(let cause):
                ending = .peerGone("the connection was lost: \(cause)")
                return true
            }
        } catch {
            ending = error
            return true
        }
    }

    /// Why the peer does not take what is sent: what it said last says more than the kernel.
    private func failure(_ cause: Errno) -> LinkError {
        while ending == nil, (try? takeIn()) == true {}
        let known = ending ?? .peerGone("the connection was lost: \(cause)")
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
        while try !isReady() { try sleep(until: POLLIN) }
    }

    /// Sleeps until the kernel takes bytes again, and takes in what comes.
    private func rest(until events: Int32) throws(LinkError) {
        try sleep(until: ending == nil ? events : POLLOUT)
        _ = try takeIn()
        if let ending, inbox.frames.isClosed == false { throw ending }
    }

    private func sleep(until events: Int32) throws(LinkError) {
        counts.sleeps += 1
        let found = wait(
            for: connection.handle, events: events, atMost: waitPolicy.sleepSlice)
        guard found == 0 else { return }
        try watch()
    }
}
