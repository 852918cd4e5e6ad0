package import ConnectionProtocol
internal import Glibc
package import LinkRecords
package import SystemPackage

/// A connection on which both sides have proved who they are; a ``SocketLink`` takes it over.
package struct SocketConnection: ~Copyable, Sendable {
    package let terms: LinkTerms
    /// On the coordinator's side, the name of the worker's host.
    let peerHostName: String?
    let handle: SocketHandle

    /// A dead host is noticed after a minute without a word: it is asked after 15 s of silence, and
    /// again every 5 s; what it does not confirm for that long ends the connection, too.
    private static let silence: (idleSeconds: Int32, intervalSeconds: Int32, probes: Int32) =
        (15, 5, 9)

    init(terms: LinkTerms, peerHostName: String?, handle: consuming SocketHandle) {
        self.terms = terms
        self.peerHostName = peerHostName
        self.handle = handle
    }

    /// Takes over a socket whose two ends have agreed in another way, such as one of a pair.
    package init(adopting descriptor: FileDescriptor, terms: LinkTerms) {
        self.init(
            terms: terms, peerHostName: nil,
            handle: SocketHandle(adopting: descriptor.rawValue))
    }

    /// Connects a worker to its coordinator.
    ///
    /// - Parameter hostName: what the worker's host is to be called; nil for the kernel's name.
    package static func connect(
        to address: ConnectionAddress, dimm: Int, session: LinkSession, epoch: UInt32,
        secret: SharedSecret, hostName: String? = nil
    ) throws(ConnectionError) -> SocketConnection {
        let handle = try firstConnection(to: address)
        setOptions(of: handle)
        let request = HandshakeRequest(
            dimm: dimm, session: session, epoch: epoch, hostName: hostName)
        try write(request.greeting, to: handle, while: "greeting")
        let offer = try read(
            Handshake.offerByteCount, from: handle, while: "waiting for an offer",
            atMost: Handshake.queuePatience)
        let (terms, proof) = try request.answer(to: offer, secret: secret)
        try write(proof, to: handle, while: "proving the secret")
        let verdict = Handshake.number(
            UInt32.self, in: try read(4, from: handle, while: "waiting to be taken"), at: 0)
        if let refusal = ConnectionRefusal(rawValue: verdict) { throw .refusedByPeer(refusal) }
        return SocketConnection(terms: terms, peerHostName: nil, handle: handle)
    }

    private static func firstConnection(
        to address: ConnectionAddress
    ) throws(ConnectionError) -> SocketHandle {
        var failure = ConnectionError.address(address.description, rule: "it stands for no number")
        for place in try resolve(address) {
            do {
                return try SocketTransport.connect(
                    to: place, named: address.description, within: Handshake.patience)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    static func setOptions(of handle: borrowing SocketHandle) {
        // A frame leaves as soon as it is written: somebody waits for it.
        setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1, of: handle)
        setOption(SOL_SOCKET, SO_KEEPALIVE, 1, of: handle)
        setOption(Int32(IPPROTO_TCP), TCP_KEEPIDLE, silence.idleSeconds, of: handle)
        setOption(Int32(IPPROTO_TCP), TCP_KEEPINTVL, silence.intervalSeconds, of: handle)
        setOption(Int32(IPPROTO_TCP), TCP_KEEPCNT, silence.probes, of: handle)
        let seconds = silence.idleSeconds + silence.intervalSeconds * silence.probes
        setOption(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 1000 * seconds, of: handle)
    }

    // MARK: - Whole messages of the handshake

    private static func read(
        _ byteCount: Int, from handle: borrowing SocketHandle, while step: String,
        atMost limit: Duration = Handshake.patience
    ) throws(ConnectionError) -> [UInt8] {
        let deadline = ContinuousClock.now + limit
        var bytes: [UInt8] = []
        while bytes.count < byteCount {
            let (movement, part) = receive(byteCount - bytes.count, from: handle.number)
            switch movement {
            case .moved: bytes += part
            case .nothing: try pause(for: handle, POLLIN, until: deadline, step)
            case .ended, .failed(.connectionReset): throw .abandoned(step: step)
            case .failed(let cause): throw .system(step: step, cause: cause)
            }
        }
        return bytes
    }

    private static func write(
        _ bytes: [UInt8], to handle: borrowing SocketHandle, while step: String
    ) throws(ConnectionError) {
        let deadline = ContinuousClock.now + Handshake.patience
        var rest = bytes[...]
        while !rest.isEmpty {
            switch send(rest, to: handle.number) {
            case .moved(let count): rest = rest.dropFirst(count)
            case .nothing: try pause(for: handle, POLLOUT, until: deadline, step)
            case .ended, .failed(.connectionReset), .failed(.brokenPipe):
                throw .abandoned(step: step)
            case .failed(let cause): throw .system(step: step, cause: cause)
            }
        }
    }

    private static func pause(
        for handle: borrowing SocketHandle, _ events: Int32,
        until deadline: ContinuousClock.Instant, _ step: String
    ) throws(ConnectionError) {
        let rest = ContinuousClock.now.duration(to: deadline)
        guard rest > .zero else { throw .timedOut(step: step) }
        _ = wait(for: handle, events: events, atMost: rest)
    }
}
