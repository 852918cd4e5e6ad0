internal import Glibc
package import LinkRecords
internal import SystemPackage

/// A connection on which both sides have proved who they are; a ``SocketLink`` takes it over.
package struct SocketConnection: ~Copyable, Sendable {
    package let terms: LinkTerms
    /// On the coordinator's side, the name of the worker's host.
    let peerHostName: String?
    let handle: SocketHandle

    /// How long either side may take for one message of the handshake.
    package static let patience = Duration.seconds(5)

    /// How long a worker waits for its turn: the coordinator speaks with one after the other.
    private static let queuePatience = Duration.seconds(60)

    /// A dead host is noticed after a minute without a word: it is asked after 15 s of silence, and
    /// again every 5 s; what it does not confirm for that long ends the connection, too.
    private static let silence: (idleSeconds: Int32, intervalSeconds: Int32, probes: Int32) =
        (15, 5, 9)

    /// Connects a worker to its coordinator.
    package static func connect(
        to address: SocketAddress, dimm: Int, session: LinkSession, epoch: UInt32,
        secret: SharedSecret
    ) throws(SocketError) -> SocketConnection {
        let handle = try firstConnection(to: address)
        setOptions(of: handle)
        let hello = Handshake.hello(dimm: dimm, session: session, epoch: epoch)
        try write(hello, to: handle, while: "greeting")
        let offer = try read(
            Handshake.offerByteCount, from: handle, while: "waiting for an offer",
            atMost: queuePatience)
        let terms = try Handshake.terms(
            in: offer, dimm: dimm, session: session, epoch: epoch)
        let said = hello + offer.dropLast(SharedSecret.proofByteCount)
        let proof = Array(offer.suffix(SharedSecret.proofByteCount))
        guard secret.isProof(proof, by: .coordinator, of: said) else { throw .wrongSecret }
        try write(
            secret.proof(by: .worker, of: hello + offer), to: handle, while: "proving the secret")
        let verdict = Handshake.number(
            UInt32.self, in: try read(4, from: handle, while: "waiting to be taken"), at: 0)
        if let refusal = SocketRefusal(rawValue: verdict) { throw .refusedByPeer(refusal) }
        return SocketConnection(terms: terms, peerHostName: nil, handle: handle)
    }

    /// The coordinator's side of ``connect(to:dimm:session:epoch:secret:)``.
    static func answer(
        on handle: consuming SocketHandle, expecting expected: [LinkTerms], secret: SharedSecret
    ) throws(SocketError) -> SocketConnection {
        setOptions(of: handle)
        let hello = try read(
            Handshake.helloByteCount, from: handle, while: "waiting for a greeting")
        let terms: LinkTerms
        switch Handshake.match(hello, expected) {
        case .success(let found): terms = found
        case .failure(let failure):
            try write(Handshake.refusal(failure.refusal), to: handle, while: "refusing")
            throw failure.error
        }
        var offer = Handshake.offer(terms)
        offer += secret.proof(by: .coordinator, of: hello + offer)
        try write(offer, to: handle, while: "offering")
        let proof = try read(
            SharedSecret.proofByteCount, from: handle, while: "waiting for a proof")
        guard secret.isProof(proof, by: .worker, of: hello + offer) else {
            try write(
                Handshake.bytes(of: SocketRefusal.secret.rawValue), to: handle, while: "refusing")
            throw .wrongSecret
        }
        try write(Handshake.bytes(of: UInt32(0)), to: handle, while: "taking a worker")
        return SocketConnection(
            terms: terms, peerHostName: Handshake.hostName(in: hello), handle: handle)
    }

    private static func firstConnection(
        to address: SocketAddress
    ) throws(SocketError) -> SocketHandle {
        var failure = SocketError.address(address.description, rule: "it stands for no number")
        for place in try resolve(address) {
            do {
                return try SocketTransport.connect(
                    to: place, named: address.description, within: patience)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private static func setOptions(of handle: borrowing SocketHandle) {
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
        atMost limit: Duration = patience
    ) throws(SocketError) -> [UInt8] {
        let deadline = ContinuousClock.now + limit
        var bytes: [UInt8] = []
        while bytes.count < byteCount {
            let (movement, part) = receive(byteCount - bytes.count, from: handle)
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
    ) throws(SocketError) {
        let deadline = ContinuousClock.now + patience
        var rest = bytes[...]
        while !rest.isEmpty {
            switch send(rest, to: handle) {
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
    ) throws(SocketError) {
        let rest = ContinuousClock.now.duration(to: deadline)
        guard rest > .zero else { throw .timedOut(step: step) }
        _ = wait(for: handle, events: events, atMost: rest)
    }
}

/// Where a coordinator waits for its workers' connections.
package struct SocketListener: ~Copyable, Sendable {
    /// With the port that the kernel chose when 0 was asked for.
    package let address: SocketAddress
    private let handle: SocketHandle

    /// Listens at the first number that the address's host stands for.
    package static func open(at address: SocketAddress) throws(SocketError) -> SocketListener {
        guard let place = try resolve(address).first else {
            throw .address(address.description, rule: "it stands for no number")
        }
        let handle = try listen(at: place)
        return SocketListener(
            address: SocketAddress(host: address.host, port: port(of: handle)), handle: handle)
    }

    private init(address: SocketAddress, handle: consuming SocketHandle) {
        self.address = address
        self.handle = handle
    }

    /// Waits for a connection, at most `limit`, and for what its other end says of itself.
    ///
    /// - Returns: nil when none came.
    /// - Throws: what was wrong with the one that came. It is closed; another may come.
    package func accept(
        expecting expected: [LinkTerms], secret: SharedSecret, atMost limit: Duration
    ) throws(SocketError) -> SocketConnection? {
        if let incoming = try SocketTransport.accept(from: handle) {
            return try .answer(on: incoming, expecting: expected, secret: secret)
        }
        guard wait(for: handle, events: POLLIN, atMost: limit) != 0,
            let incoming = try SocketTransport.accept(from: handle)
        else { return nil }
        return try .answer(on: incoming, expecting: expected, secret: secret)
    }
}
