internal import CRDMA
package import ConnectionProtocol
internal import Glibc
package import LinkRecords
internal import RDMAConnections
internal import SystemPackage

/// A connection on which both sides have proved who they are and know each other's ring; an
/// ``RDMALink`` takes it over.
package struct RDMAConnection: ~Copyable {
    package let terms: LinkTerms
    /// On the coordinator's side, the name of the worker's host.
    let peerHostName: String?
    let parts: ConnectionParts
    /// Written by the other side.
    let ring: RegisteredMemory
    /// A copy of the other side's ring, from which it is written.
    let staging: RegisteredMemory
    let remote: RemoteRing

    /// Connects a worker to its coordinator.
    ///
    /// - Parameter hostName: what the worker's host is to be called; nil for the kernel's name.
    package static func connect(
        to address: ConnectionAddress, dimm: Int, session: LinkSession, epoch: UInt32,
        secret: SharedSecret, hostName: String? = nil
    ) throws(ConnectionError) -> RDMAConnection {
        let greeting = Handshake.greeting(dimm: dimm, session: session, epoch: epoch)
        let request = RDMAHandshake.request(greeting: greeting)
        let (parts, offer) = try reach(address, request)
        let terms = try Handshake.terms(
            of: offer, to: request, dimm: dimm, session: session, epoch: epoch, secret: secret)

        let (ring, staging) = try parts.makeRings(terms)
        var transcript = request + offer
        transcript += RDMAHandshake.introduction(hostName: hostName, ring: ring.asRemote)
        let introduction =
            transcript.dropFirst(request.count + offer.count)
            + secret.proof(by: .worker, of: transcript)
        try parts.pair.postNoticePlaces()
        try parts.send(Array(introduction), while: "proving the secret")
        transcript += introduction.suffix(SharedSecret.proofByteCount)

        let welcome = try parts.receive(
            RDMAHandshake.welcomeByteCount, while: "waiting to be taken")
        let verdict = Handshake.number(UInt32.self, in: welcome, at: 0)
        if let refusal = ConnectionRefusal(rawValue: verdict) { throw .refusedByPeer(refusal) }
        transcript += welcome.dropLast(SharedSecret.proofByteCount)
        let last = Array(welcome.suffix(SharedSecret.proofByteCount))
        guard secret.isProof(last, by: .coordinator, of: transcript) else { throw .wrongSecret }
        return RDMAConnection(
            terms: terms, peerHostName: nil, parts: parts, ring: ring, staging: staging,
            remote: RDMAHandshake.ring(inWelcome: welcome))
    }

    /// The coordinator's side of ``connect(to:dimm:session:epoch:secret:hostName:)``.
    static func answer(
        _ newcomer: ManagerIdentifier, _ privateData: [UInt8], expecting expected: [LinkTerms],
        secret: SharedSecret
    ) throws(ConnectionError) -> RDMAConnection {
        guard privateData.count >= RDMAHandshake.requestByteCount else {
            newcomer.reject([])
            throw .abandoned(step: "waiting for a greeting")
        }
        let request = Array(privateData.prefix(RDMAHandshake.requestByteCount))
        let terms: LinkTerms
        switch Handshake.match(request, expected) {
        case .success(let found): terms = found
        case .failure(let failure):
            newcomer.reject(Handshake.refusal(failure.refusal))
            throw failure.error
        }
        let offer = Handshake.offer(terms, to: request, secret: secret)
        let parts = try ConnectionParts.create(
            answering: newcomer, expecting: RDMAHandshake.introductionByteCount)
        do throws(Errno) {
            try newcomer.accept(offer)
        } catch {
            // It has left already: nothing of ours lacks.
            throw .abandoned(step: "offering")
        }

        let introduction = try parts.receive(
            RDMAHandshake.introductionByteCount, while: "waiting for a proof")
        var transcript = request + offer + introduction.dropLast(SharedSecret.proofByteCount)
        let proof = Array(introduction.suffix(SharedSecret.proofByteCount))
        guard secret.isProof(proof, by: .worker, of: transcript) else {
            try parts.sendLast(RDMAHandshake.farewell(.secret), while: "refusing")
            throw .wrongSecret
        }
        // Only now is there memory that the other side may write to, and is it told where.
        let (ring, staging) = try parts.makeRings(terms)
        try parts.pair.postNoticePlaces()
        transcript += proof
        transcript += RDMAHandshake.welcome(ring: ring.asRemote)
        let welcome =
            transcript.suffix(RDMAHandshake.welcomeByteCount - SharedSecret.proofByteCount)
            + secret.proof(by: .coordinator, of: transcript)
        try parts.send(Array(welcome), while: "taking a worker")
        return RDMAConnection(
            terms: terms, peerHostName: Handshake.hostName(padded: introduction.prefix(64)),
            parts: parts, ring: ring, staging: staging,
            remote: RDMAHandshake.ring(inIntroduction: introduction))
    }

    /// Asks for a connection at the numbers that an address stands for, one after the other.
    ///
    /// - Returns: what came with the answer.
    static func reach(
        _ address: ConnectionAddress, _ request: [UInt8]
    ) throws(ConnectionError) -> (parts: ConnectionParts, offer: [UInt8]) {
        var failure = ConnectionError.address(address.description, rule: "it stands for no number")
        for place in try resolve(address) {
            do {
                return try reach(place, named: address.description, request)
            } catch .unreachable(let name, let cause) {
                failure = .unreachable(name, cause: cause)
            }
        }
        throw failure
    }

    private static func reach(
        _ place: KernelAddress, named name: String, _ request: [UInt8]
    ) throws(ConnectionError) -> (parts: ConnectionParts, offer: [UInt8]) {
        let channel = try EventChannel.open()
        let identifier = try ManagerIdentifier.create(on: channel)
        let step = "connecting to \(name)"
        do throws(Errno) {
            try identifier.resolve(place, within: Handshake.patience)
        } catch {
            throw .unreachable(name, cause: error)
        }
        guard case .addressResolved = try channel.wait(atMost: Handshake.patience * 2, step).kind
        else {
            throw .unreachable(name, cause: .noRouteToHost)
        }
        do throws(Errno) {
            try identifier.resolveRoute(within: Handshake.patience)
        } catch {
            throw .unreachable(name, cause: error)
        }
        guard case .routeResolved = try channel.wait(atMost: Handshake.patience * 2, step).kind
        else {
            throw .unreachable(name, cause: .noRouteToHost)
        }
        let parts = try ConnectionParts.create(
            asking: identifier, expecting: RDMAHandshake.welcomeByteCount)
        do throws(Errno) {
            try identifier.connect(request)
        } catch {
            throw .unreachable(name, cause: error)
        }
        let answer = try channel.wait(atMost: Handshake.queuePatience, "waiting for an offer")
        switch answer.kind {
        case .established where answer.privateData.count >= Handshake.offerByteCount:
            return (parts, Array(answer.privateData.prefix(Handshake.offerByteCount)))
        case .established: throw .abandoned(step: "waiting for an offer")
        case .rejected: throw refusal(answer, name)
        case .unreachable where answer.status == -ETIMEDOUT: throw .timedOut(step: step)
        case .unreachable:
            throw .unreachable(name, cause: Errno(rawValue: abs(answer.status)))
        default: throw .abandoned(step: "waiting for an offer")
        }
    }

    /// Reasons of InfiniBand's connection manager, as the architecture numbers them (volume 1,
    /// table "REJ reason codes").
    private enum Reason {
        static let noSuchService: Int32 = 8
        static let byItsProgram: Int32 = 28
    }

    private static func refusal(_ answer: ManagerEvent, _ name: String) -> ConnectionError {
        switch answer.status {
        case Reason.noSuchService, -ECONNREFUSED: return .refused(name)
        case Reason.byItsProgram where answer.privateData.count >= Handshake.offerByteCount:
            let text = Array(answer.privateData.prefix(Handshake.offerByteCount))
            let verdict = Handshake.number(UInt32.self, in: text, at: 12)
            return ConnectionRefusal(rawValue: verdict).map { .refusedByPeer($0) }
                ?? .abandoned(step: "waiting for an offer")
        default: return .abandoned(step: "waiting for an offer")
        }
    }
}

/// Where a coordinator waits for its workers' connections.
package final class RDMAListener {
    /// With the port that was chosen when 0 was asked for.
    package let address: ConnectionAddress
    private let identifier: ManagerIdentifier

    /// Listens at the first number that the address's host stands for.
    package static func open(at address: ConnectionAddress) throws(ConnectionError) -> RDMAListener
    {
        guard let place = try resolve(address).first else {
            throw .address(address.description, rule: "it stands for no number")
        }
        let identifier = try ManagerIdentifier.create(on: .open())
        do throws(Errno) {
            try identifier.bind(to: place)
            try identifier.listen()
        } catch {
            throw .listening(cause: error)
        }
        return RDMAListener(
            address: ConnectionAddress(host: address.host, port: identifier.port), identifier)
    }

    private init(address: ConnectionAddress, _ identifier: ManagerIdentifier) {
        self.address = address
        self.identifier = identifier
    }

    /// Waits for a connection, at most `limit`, and for what its other end says of itself.
    ///
    /// - Returns: nil when none came.
    /// - Throws: what was wrong with the one that came. It is closed; another may come.
    package func accept(
        expecting expected: [LinkTerms], secret: SharedSecret, atMost limit: Duration
    ) throws(ConnectionError) -> RDMAConnection? {
        let channel = identifier.channel
        let deadline = ContinuousClock.now + limit
        while true {
            while let event = try next(from: channel) {
                guard case .request(let newcomer) = event.kind else { continue }
                return try .answer(
                    newcomer, event.privateData, expecting: expected, secret: secret)
            }
            let rest = ContinuousClock.now.duration(to: deadline)
            guard rest > .zero else { return nil }
            _ = waitForEither(channel.descriptor, channel.descriptor, atMost: rest)
        }
    }
}

extension RDMAListener: ConnectionListener {
    package func link(
        expecting expected: [LinkTerms], secret: SharedSecret, atMost limit: Duration,
        waitPolicy: WaitPolicy, watch: (Int) -> LinkWatch
    ) throws(ConnectionError) -> (dimm: Int, link: any RemoteLink)? {
        guard
            let connection = try accept(expecting: expected, secret: secret, atMost: limit)
        else { return nil }
        let dimm = connection.terms.dimm
        return (
            dimm, RDMALink(adopting: connection, waitPolicy: waitPolicy, watch: watch(dimm))
        )
    }

    private func next(from channel: EventChannel) throws(ConnectionError) -> ManagerEvent? {
        do {
            return try channel.next()
        } catch .system(_, let cause) {
            throw .listening(cause: cause)
        }
    }
}

extension RDMAConnection {
    /// Asks for a connection with a request of one's own and leaves again, as somebody does who
    /// does not know the secret, or speaks another protocol.
    package static func ask(
        at address: ConnectionAddress, saying request: [UInt8]
    ) throws(ConnectionError) {
        _ = try reach(address, request)
    }
}
