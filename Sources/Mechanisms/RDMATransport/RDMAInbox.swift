internal import LinkRecords
internal import Messages
internal import SocketTransport

/// The ring that the other side writes into, and what of it was not read yet.
struct RDMAInbox {
    /// A message that came whole.
    struct Entry {
        let header: RecordHeader
        /// Where its payload lies in the memory.
        let offset: Int
        let frameByteCount: Int

        var byteCount: Int { Int(header.byteCount) }
    }

    private let terms: LinkTerms
    private let geometry: RingGeometry
    let memory: RegisteredMemory
    /// Bytes that were ever taken, gaps included.
    private var position = 0
    private var waiting: [Entry] = []
    private var firstWaiting = 0
    private var sequence: UInt32 = 0
    /// Of the window, ever: frames that came, and that were read.
    private var arrivedByteCount: UInt64 = 0
    private(set) var releasedByteCount: UInt64 = 0
    /// What the peer has given back, as it said last.
    private(set) var creditByteCount: UInt64 = 0
    private(set) var isClosed = false

    init(_ terms: LinkTerms, _ geometry: RingGeometry, memory: RegisteredMemory) {
        self.terms = terms
        self.geometry = geometry
        self.memory = memory
    }

    /// The oldest message that is there.
    var first: Entry? { firstWaiting < waiting.count ? waiting[firstWaiting] : nil }

    /// Takes a notice of the peer's.
    ///
    /// - Parameter sentByteCount: of the window, so far: the peer can give back no more.
    mutating func take(immediate: UInt32, sentByteCount: UInt64) throws(LinkError) {
        guard !isClosed else { throw .peerCorrupt("a notice came behind the last one") }
        switch Notice(immediate: immediate) {
        case .frame(let byteCount): try takeFrame(byteCount, sentByteCount)
        case .credit(let partial):
            try takeCredit(Notice.extend(partial, from: creditByteCount), sentByteCount)
        case .close: isClosed = true
        case nil: throw .peerCorrupt("unknown notice \(immediate)")
        }
    }

    private mutating func takeCredit(
        _ released: UInt64, _ sentByteCount: UInt64
    ) throws(LinkError) {
        guard (creditByteCount...sentByteCount).contains(released) else {
            throw .peerCorrupt(
                "a credit of \(released) bytes, must lie in \(creditByteCount)...\(sentByteCount)")
        }
        creditByteCount = released
    }

    private mutating func takeFrame(
        _ byteCount: Int, _ sentByteCount: UInt64
    ) throws(LinkError) {
        let longest = geometry.frameByteCount(forMessage: geometry.maximumMessageByteCount)
        guard byteCount >= FrameHeader.byteCount, byteCount <= longest,
            byteCount % geometry.granule == 0
        else {
            throw .peerCorrupt("frame of \(byteCount) bytes, must be at most \(longest)")
        }
        arrivedByteCount += UInt64(byteCount)
        guard arrivedByteCount - releasedByteCount <= UInt64(geometry.capacity) else {
            throw .peerCorrupt("more than the \(geometry.capacity) bytes that may wait to be read")
        }
        let start = geometry.place(byteCount, behind: &position)
        // The peer can write on: this copy is what is checked and used.
        let found = FrameHeader(
            words: [
                memory.word(at: start), memory.word(at: start + 8), memory.word(at: start + 16),
                memory.word(at: start + 24),
            ])
        guard let found else {
            throw .peerCorrupt("the header of frame \(sequence) is damaged: its checksum is wrong")
        }
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
        try takeCredit(found.releasedByteCount, sentByteCount)
        guard found.record.kind == FrameKind.message.rawValue else {
            throw .peerCorrupt("frame of unknown kind \(found.record.kind)")
        }
        let messageByteCount = Int(found.record.byteCount)
        guard messageByteCount <= geometry.maximumMessageByteCount,
            geometry.frameByteCount(forMessage: messageByteCount) == byteCount
        else {
            throw .peerCorrupt("message of \(messageByteCount) bytes in a frame of \(byteCount)")
        }
        waiting.append(
            Entry(
                header: found.record, offset: start + FrameHeader.byteCount,
                frameByteCount: byteCount))
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
        releasedByteCount += UInt64(waiting[firstWaiting].frameByteCount)
        firstWaiting += 1
        if firstWaiting == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            firstWaiting = 0
        } else if firstWaiting > RingGeometry.frameLimit {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
    }
}
