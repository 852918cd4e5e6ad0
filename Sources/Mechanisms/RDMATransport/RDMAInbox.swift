internal import ConnectionProtocol
internal import LinkRecords
internal import Messages

/// The ring that the other side writes into, and what of it was not read yet.
struct RDMAInbox {
    private let geometry: RingGeometry
    let memory: RegisteredMemory
    private var places: FramePlaces
    private(set) var frames: ArrivedFrames

    init(_ terms: LinkTerms, _ geometry: RingGeometry, memory: RegisteredMemory) {
        self.geometry = geometry
        self.memory = memory
        places = FramePlaces(memoryByteCount: geometry.memoryByteCount)
        frames = ArrivedFrames(terms)
    }

    /// Takes a notice of the peer's.
    ///
    /// - Parameter sentByteCount: of the window, so far: the peer can give back no more.
    mutating func take(immediate: UInt32, sentByteCount: UInt64) throws(LinkError) {
        try frames.checkOpen()
        switch Notice(immediate: immediate) {
        case .frame(let byteCount): try takeFrame(byteCount, sentByteCount)
        case .credit(let partial):
            try frames.takeCredit(
                Notice.extend(partial, from: frames.creditByteCount), sentByteCount: sentByteCount)
        case .close: frames.takeClose()
        case nil: throw .peerCorrupt("unknown notice \(immediate)")
        }
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
        try frames.takeRoom(byteCount)
        let start = places.take(byteCount)
        // The peer can write on: this copy is what is checked and used.
        let (kind, record) = try frames.take(
            memory.content.words(at: start), sentByteCount: sentByteCount)
        // Credits and the end are notices here.
        guard kind == .message else {
            throw .peerCorrupt("frame of kind \(record.kind), must be a message")
        }
        let messageByteCount = Int(record.byteCount)
        guard messageByteCount <= geometry.maximumMessageByteCount,
            geometry.frameByteCount(forMessage: messageByteCount) == byteCount
        else {
            throw .peerCorrupt("message of \(messageByteCount) bytes in a frame of \(byteCount)")
        }
        frames.append(
            ArrivedFrames.Message(
                header: record, offset: start + FrameHeader.byteCount, windowByteCount: byteCount))
    }

    /// The oldest message was read.
    mutating func removeFirst() { frames.removeFirst() }
}
