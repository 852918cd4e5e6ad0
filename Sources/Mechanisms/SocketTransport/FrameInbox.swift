internal import ConnectionProtocol
internal import LinkRecords
internal import Messages

/// What has come over a connection and was not read yet: whole messages in order, and the one that
/// is just coming.
struct FrameInbox {
    private let maximumMessageByteCount: Int
    let memory: FrameMemory
    private static let chunkByteCount = 1 << 16
    /// As they come from the kernel, many at once or parts of one.
    private let chunk = FrameMemory.orTrap(byteCount: chunkByteCount)
    private let header = FrameMemory.orTrap(byteCount: FrameHeader.byteCount)
    private var headerFill = 0
    /// The message whose payload is still coming, and how much of it is there.
    private var coming: (message: ArrivedFrames.Message, fill: Int)?
    private var places: FramePlaces
    private(set) var frames: ArrivedFrames

    init(_ terms: LinkTerms) {
        maximumMessageByteCount = terms.maximumMessageByteCount
        memory = .orTrap(byteCount: Self.memoryByteCount(terms.capacity))
        places = FramePlaces(memoryByteCount: memory.byteCount)
        frames = ArrivedFrames(terms)
    }

    /// Payloads lie in one piece: a gap at the end can be as long as the longest.
    private static func memoryByteCount(_ capacity: Int) -> Int { 2 * capacity }

    /// Bytes that it holds at most.
    static func byteCount(capacity: Int) -> Int {
        memoryByteCount(capacity) + chunkByteCount + FrameHeader.byteCount
    }

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
        if let (message, fill) = coming {
            let count = min(byteCount, message.byteCount - fill)
            memory.copy(from: chunk, at: offset, byteCount: count, to: message.offset + fill)
            coming = (message, fill + count)
            if fill + count == message.byteCount { finish(message) }
            return count
        }
        let count = min(byteCount, FrameHeader.byteCount - headerFill)
        header.copy(from: chunk, at: offset, byteCount: count, to: headerFill)
        headerFill += count
        if headerFill == FrameHeader.byteCount {
            headerFill = 0
            let (kind, record) = try frames.take(header.words(at: 0), sentByteCount: sentByteCount)
            if kind == .message { try begin(record) }
        }
        return count
    }

    private mutating func begin(_ record: RecordHeader) throws(LinkError) {
        let byteCount = Int(record.byteCount)
        guard byteCount <= maximumMessageByteCount else {
            throw .peerCorrupt(
                "message of \(byteCount) bytes, must be at most \(maximumMessageByteCount)")
        }
        let windowByteCount = FrameHeader.windowByteCount(forMessage: byteCount)
        try frames.takeRoom(windowByteCount)
        let message = ArrivedFrames.Message(
            header: record, offset: places.take((byteCount + 15) / 16 * 16),
            windowByteCount: windowByteCount)
        coming = (message, 0)
        if byteCount == 0 { finish(message) }
    }

    private mutating func finish(_ message: ArrivedFrames.Message) {
        coming = nil
        frames.append(message)
    }

    /// The oldest message was read.
    mutating func removeFirst() {
        frames.removeFirst()
        // From the start again: most of the memory is then never touched.
        if frames.isEmpty, coming == nil { places.startAgain() }
    }
}

extension FrameMemory {
    /// Address space for a window, which any machine has.
    static func orTrap(byteCount: Int) -> FrameMemory {
        do {
            return try .create(byteCount: byteCount)
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
