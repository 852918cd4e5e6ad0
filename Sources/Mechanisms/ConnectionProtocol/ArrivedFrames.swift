package import LinkRecords
package import Messages

/// The frames that came over one direction of a connection: each is held against what must come
/// next, and its message is kept until it is read.
///
/// Where payloads lie is the transport's. Bounded by the window: a peer that sends more breaks the
/// protocol.
package struct ArrivedFrames {
    /// A message that came whole.
    package struct Message {
        let header: RecordHeader
        /// Where its payload lies in the memory.
        package let offset: Int
        /// What it takes of the window until it is read.
        package let windowByteCount: Int

        package var byteCount: Int { Int(header.byteCount) }

        package init(header: RecordHeader, offset: Int, windowByteCount: Int) {
            self.header = header
            self.offset = offset
            self.windowByteCount = windowByteCount
        }
    }

    private let terms: LinkTerms
    private var waiting: [Message] = []
    private var firstWaiting = 0
    private var sequence: UInt32 = 0
    /// Of the window, ever: messages that came, and that were read.
    private var arrivedByteCount: UInt64 = 0
    package private(set) var releasedByteCount: UInt64 = 0
    /// What the peer has given back, as it said last.
    package private(set) var creditByteCount: UInt64 = 0
    package private(set) var isClosed = false

    package init(_ terms: LinkTerms) { self.terms = terms }

    // MARK: What comes

    /// Takes the next frame's header; of one without payload that is all.
    ///
    /// - Parameter sentByteCount: of the window, so far: the peer can give back no more.
    package mutating func take(
        _ words: [4 of UInt64], sentByteCount: UInt64
    ) throws(LinkError) -> (kind: FrameKind, record: RecordHeader) {
        guard let found = FrameHeader(words: words) else {
            throw .peerCorrupt("the header of frame \(sequence) is damaged: its checksum is wrong")
        }
        try checkOpen()
        guard found.epoch == terms.epoch else {
            throw .peerCorrupt(
                "frame of epoch \(found.epoch), must be \(terms.epoch): its sender was replaced"
            )
        }
        guard found.record.sequence == sequence else {
            throw .peerCorrupt(
                "frame with sequence number \(found.record.sequence), must be \(sequence)")
        }
        sequence &+= 1
        try takeCredit(found.releasedByteCount, sentByteCount: sentByteCount)
        guard let kind = FrameKind(rawValue: found.record.kind) else {
            throw .peerCorrupt("frame of unknown kind \(found.record.kind)")
        }
        guard kind == .message || found.record.byteCount == 0 else {
            throw .peerCorrupt("a frame without payload names \(found.record.byteCount) bytes")
        }
        if kind == .close { isClosed = true }
        return (kind, found.record)
    }

    package mutating func takeCredit(
        _ released: UInt64, sentByteCount: UInt64
    ) throws(LinkError) {
        guard (creditByteCount...sentByteCount).contains(released) else {
            throw .peerCorrupt(
                "a credit of \(released) bytes, must lie in \(creditByteCount)...\(sentByteCount)")
        }
        creditByteCount = released
    }

    /// The peer says, without a frame, that nothing more will come.
    package mutating func takeClose() { isClosed = true }

    package func checkOpen() throws(LinkError) {
        guard !isClosed else { throw .peerCorrupt("a frame came behind the last one") }
    }

    /// A message comes that takes so much of the window.
    package mutating func takeRoom(_ windowByteCount: Int) throws(LinkError) {
        arrivedByteCount += UInt64(windowByteCount)
        guard arrivedByteCount - releasedByteCount <= UInt64(terms.capacity) else {
            throw .peerCorrupt("more than the \(terms.capacity) bytes that may wait to be read")
        }
    }

    /// A message is there whole.
    package mutating func append(_ message: Message) { waiting.append(message) }

    // MARK: What is read

    package var isEmpty: Bool { firstWaiting == waiting.count }

    /// The oldest message that is there.
    package var first: Message? { isEmpty ? nil : waiting[firstWaiting] }

    /// The oldest message was read: its room is the peer's again. There must be one.
    package mutating func removeFirst() {
        releasedByteCount += UInt64(waiting[firstWaiting].windowByteCount)
        firstWaiting += 1
        if firstWaiting == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            firstWaiting = 0
        } else if firstWaiting > 1024 {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
    }
}

extension ArrivedFrames.Message {
    /// Hands the payload over if it is as it was when it was summed up.
    ///
    /// Touches no link: who reads may send.
    ///
    /// - Returns: false for a damaged one, which nobody has read then.
    package func hand(
        over memory: FrameMemory, checking: Bool, to read: (RawSpan) -> Void
    ) -> Bool {
        memory.withBytes(at: offset, byteCount: byteCount) { bytes in
            guard
                !checking || RecordChecksum.of(bytes, header: header.digest) == header.checksum
            else { return false }
            read(bytes)
            return true
        }
    }

    /// What a receiver learns in place of a damaged message.
    package var damage: LinkError {
        .damaged(
            "message of \(byteCount) bytes, sequence number \(header.sequence): its checksum is "
                + "wrong")
    }
}
