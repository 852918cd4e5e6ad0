internal import LinkRecords
internal import Messages

/// What has come over a connection and was not read yet: whole messages in order, and the one that
/// is just coming.
///
/// Bounded by the window: a peer that sends more breaks the protocol.
struct FrameInbox {
    /// A message that came whole.
    struct Entry {
        let header: RecordHeader
        /// Where its payload lies in the memory.
        let offset: Int

        var byteCount: Int { Int(header.byteCount) }
        var windowByteCount: Int { FrameHeader.windowByteCount(forMessage: byteCount) }
    }

    private let terms: LinkTerms
    private let maximumMessageByteCount: Int
    let memory: FrameMemory
    private static let chunkByteCount = 1 << 16
    /// As they come from the kernel, many at once or parts of one.
    private let chunk = FrameMemory(byteCount: chunkByteCount)
    private let header = FrameMemory(byteCount: FrameHeader.byteCount)
    private var headerFill = 0
    /// The message whose payload is still coming, and how much of it is there.
    private var coming: (entry: Entry, fill: Int)?
    /// Bytes of the memory that were ever taken, gaps at its end included. The window keeps what
    /// is not read from being written over: with a gap it takes less than the memory has.
    private var taken = 0
    private var waiting: [Entry] = []
    private var firstWaiting = 0
    private var sequence: UInt32 = 0
    /// Of the window, ever: messages that came, and that were read.
    private var arrivedByteCount: UInt64 = 0
    private(set) var releasedByteCount: UInt64 = 0
    /// What the peer has given back, as it said last.
    private(set) var creditByteCount: UInt64 = 0
    private(set) var isClosed = false

    init(_ terms: LinkTerms, maximumMessageByteCount: Int) {
        self.terms = terms
        self.maximumMessageByteCount = maximumMessageByteCount
        memory = FrameMemory(byteCount: Self.memoryByteCount(terms.capacity))
    }

    /// Payloads lie in one piece: a gap at the end can be as long as the longest.
    private static func memoryByteCount(_ capacity: Int) -> Int { 2 * capacity }

    /// Bytes that it holds at most.
    static func byteCount(capacity: Int) -> Int {
        memoryByteCount(capacity) + chunkByteCount + FrameHeader.byteCount
    }

    /// The oldest message that is there.
    var first: Entry? { firstWaiting < waiting.count ? waiting[firstWaiting] : nil }

    /// Takes what the kernel has, once.
    ///
    /// - Parameter sentByteCount: of the window, so far: the peer can give back no more.
    mutating func fill(
        from handle: borrowing SocketHandle, sentByteCount: UInt64
    ) throws(LinkError) -> Movement {
        let movement = chunk.receive(at: 0, byteCount: chunk.byteCount, from: handle)
        guard case .moved(let count) = movement else { return movement }
        var offset = 0
        while offset < count {
            offset += try take(at: offset, byteCount: count - offset, sentByteCount)
        }
        return movement
    }

    /// - Returns: how many bytes of the chunk were of use, at least one.
    private mutating func take(
        at offset: Int, byteCount: Int, _ sentByteCount: UInt64
    ) throws(LinkError) -> Int {
        if let (entry, fill) = coming {
            let count = min(byteCount, entry.byteCount - fill)
            memory.copy(from: chunk, at: offset, byteCount: count, to: entry.offset + fill)
            coming = (entry, fill + count)
            if fill + count == entry.byteCount { finish(entry) }
            return count
        }
        let count = min(byteCount, FrameHeader.byteCount - headerFill)
        header.copy(from: chunk, at: offset, byteCount: count, to: headerFill)
        headerFill += count
        if headerFill == FrameHeader.byteCount {
            headerFill = 0
            try begin(sentByteCount)
        }
        return count
    }

    private mutating func begin(_ sentByteCount: UInt64) throws(LinkError) {
        let found = FrameHeader(
            words: [
                header.word(at: 0), header.word(at: 8), header.word(at: 16), header.word(at: 24),
            ])
        guard let found else {
            throw .peerCorrupt("the header of frame \(sequence) is damaged: its checksum is wrong")
        }
        guard !isClosed else { throw .peerCorrupt("a frame came behind the last one") }
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
        guard (creditByteCount...sentByteCount).contains(found.releasedByteCount) else {
            throw .peerCorrupt(
                "a credit of \(found.releasedByteCount) bytes, must lie in "
                    + "\(creditByteCount)...\(sentByteCount)")
        }
        creditByteCount = found.releasedByteCount
        switch FrameKind(rawValue: found.record.kind) {
        case .message: try beginMessage(found.record)
        case .credit, .close:
            guard found.record.byteCount == 0 else {
                throw .peerCorrupt("a frame without payload names \(found.record.byteCount) bytes")
            }
            if found.record.kind == FrameKind.close.rawValue { isClosed = true }
        case nil: throw .peerCorrupt("frame of unknown kind \(found.record.kind)")
        }
    }

    private mutating func beginMessage(_ record: RecordHeader) throws(LinkError) {
        let byteCount = Int(record.byteCount)
        guard byteCount <= maximumMessageByteCount else {
            throw .peerCorrupt(
                "message of \(byteCount) bytes, must be at most \(maximumMessageByteCount)")
        }
        arrivedByteCount += UInt64(FrameHeader.windowByteCount(forMessage: byteCount))
        guard arrivedByteCount - releasedByteCount <= UInt64(terms.capacity) else {
            throw .peerCorrupt("more than the \(terms.capacity) bytes that may wait to be read")
        }
        let place = (byteCount + 15) / 16 * 16
        let offset = taken % memory.byteCount
        if offset + place > memory.byteCount { taken += memory.byteCount - offset }
        let entry = Entry(header: record, offset: taken % memory.byteCount)
        taken += place
        coming = (entry, 0)
        if byteCount == 0 { finish(entry) }
    }

    private mutating func finish(_ entry: Entry) {
        coming = nil
        waiting.append(entry)
    }

    /// Whether a payload is as it was when it was summed up.
    func isIntact(_ entry: Entry) -> Bool {
        guard terms.hasChecksums else { return true }
        var sum: UInt32 = 0
        memory.withBytes(at: entry.offset, byteCount: entry.byteCount) {
            sum = RecordChecksum.of($0, header: entry.header.digest)
        }
        return sum == entry.header.checksum
    }

    /// The oldest message was read.
    mutating func removeFirst() {
        releasedByteCount += UInt64(waiting[firstWaiting].windowByteCount)
        firstWaiting += 1
        if firstWaiting == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            firstWaiting = 0
            // From the start again: most of the memory is then never touched.
            if coming == nil { taken = 0 }
        } else if firstWaiting > 1024 {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
    }
}
