internal import ConnectionProtocol
internal import Glibc
internal import LinkRecords
internal import RDMAConnections
internal import SystemPackage

/// What both sides of a connection are made of, and the messages of their handshake.
final class ConnectionParts {
    let identifier: ManagerIdentifier
    let pair: QueuePair
    /// One message that comes, and one that is sent.
    private let messages: RegisteredMemory

    private static let messageByteCount = 256

    private init(
        _ identifier: ManagerIdentifier, _ pair: QueuePair, _ messages: RegisteredMemory
    ) {
        self.identifier = identifier
        self.pair = pair
        self.messages = messages
    }

    deinit { identifier.disconnect() }

    /// - Parameter byteCount: of the one message that will come.
    static func create(
        asking identifier: ManagerIdentifier, expecting byteCount: Int
    ) throws(ConnectionError) -> ConnectionParts {
        let pair = try QueuePair.create(on: identifier)
        let messages = try pair.register(byteCount: 2 * messageByteCount, .receiving)
        try pair.postReceive(into: messages, at: 0, byteCount: byteCount)
        return ConnectionParts(identifier, pair, messages)
    }

    static func create(
        answering newcomer: ManagerIdentifier, expecting byteCount: Int
    ) throws(ConnectionError) -> ConnectionParts {
        let channel = try EventChannel.open()
        do throws(Errno) {
            try newcomer.migrate(to: channel)
        } catch {
            // It has left already: nothing of ours lacks.
            throw .abandoned(step: "taking a connection")
        }
        return try create(asking: newcomer, expecting: byteCount)
    }

    /// The ring that the other side will write, and the copy of its ring.
    func makeRings(
        _ terms: LinkTerms
    ) throws(ConnectionError) -> (ring: RegisteredMemory, staging: RegisteredMemory) {
        let byteCount = RingGeometry(terms).memoryByteCount
        return (
            try pair.register(byteCount: byteCount, .remoteWriting),
            try pair.register(byteCount: byteCount, .sending)
        )
    }

    /// Sends one message of the handshake. That it has arrived is known by what comes back.
    func send(_ bytes: [UInt8], while step: String) throws(ConnectionError) {
        try post(bytes, step, isSignalled: false)
    }

    /// Sends the last message of a connection, and waits until it has arrived.
    func sendLast(_ bytes: [UInt8], while step: String) throws(ConnectionError) {
        try post(bytes, step, isSignalled: true)
        try waitUntil(step) { if case .sent = $0 { true } else { false } }
    }

    private func post(
        _ bytes: [UInt8], _ step: String, isSignalled: Bool
    ) throws(ConnectionError) {
        messages.content.withMutableBytes(at: Self.messageByteCount, byteCount: bytes.count) {
            part in
            for index in bytes.indices {
                part.storeBytes(of: bytes[index], toByteOffset: index, as: UInt8.self)
            }
        }
        do throws(Errno) {
            try pair.post(
                Transfer(
                    memory: messages, offset: Self.messageByteCount, byteCount: bytes.count,
                    isMessage: true, isSignalled: isSignalled))
        } catch {
            throw .abandoned(step: step)
        }
    }

    /// Waits for the one message of the handshake that comes.
    func receive(_ byteCount: Int, while step: String) throws(ConnectionError) -> [UInt8] {
        try waitUntil(step) { if case .message = $0 { true } else { false } }
        return messages.content.withBytes(at: 0, byteCount: byteCount) { bytes in
            unsafe bytes.withUnsafeBytes { unsafe Array($0) }
        }
    }

    private func waitUntil(
        _ step: String, _ isThere: (Completion) -> Bool
    ) throws(ConnectionError) {
        let deadline = ContinuousClock.now + Handshake.patience
        while true {
            pair.arm()
            while let completion = pair.poll() {
                switch completion {
                case .failed, .notice: throw .abandoned(step: step)
                case .message, .sent: if isThere(completion) { return }
                }
            }
            while let event = try identifier.channel.next() {
                switch event.kind {
                case .established, .other: continue
                default: throw .abandoned(step: step)
                }
            }
            let rest = ContinuousClock.now.duration(to: deadline)
            guard rest > .zero else { throw .timedOut(step: step) }
            _ = waitForEither(pair.descriptor, identifier.channel.descriptor, atMost: rest)
            _ = pair.disarm()
        }
    }
}

extension QueuePair {
    /// Gives the device places for all notices that may come.
    func postNoticePlaces() throws(ConnectionError) {
        do throws(Errno) {
            // One place is the handshake's.
            for _ in 1..<Self.receiveDepth { try postNoticePlace() }
        } catch {
            throw .system(step: "waiting for frames", cause: error)
        }
    }
}

extension RegisteredMemory {
    /// What the other side must know to write here.
    var asRemote: RemoteRing { RemoteRing(address: address, key: remoteKey) }
}
