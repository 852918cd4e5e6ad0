package import ConnectionProtocol
internal import Glibc
package import LinkRecords
internal import SystemPackage

/// Where a coordinator waits for its workers' connections.
///
/// Whoever has connected is listened to at the same time as all others: one that says nothing costs
/// nobody time.
package final class SocketListener {
    /// With the port that the kernel chose when 0 was asked for.
    package let address: ConnectionAddress
    private let handle: SocketHandle
    /// Who has connected and not proved yet who it is, the first first.
    private var pending: [PendingHandshake] = []

    /// So many of those are listened to beside those that are expected; with one more, the first
    /// that has not greeted must go. Who has greeted has named a start that is waited for, which
    /// no stranger knows.
    private static let strangerLimit = 64

    /// Listens at the first number that the address's host stands for.
    package static func open(at address: ConnectionAddress) throws(ConnectionError)
        -> SocketListener
    {
        guard let place = try resolve(address).first else {
            throw .address(address.description, rule: "it stands for no number")
        }
        let handle = try listen(at: place)
        return SocketListener(
            address: ConnectionAddress(host: address.host, port: port(of: handle)), handle: handle)
    }

    private init(address: ConnectionAddress, handle: consuming SocketHandle) {
        self.address = address
        self.handle = handle
    }

    /// Waits, at most `limit`, until one of the expected workers has proved who it is. With the
    /// last of them, whoever else has connected is turned away.
    ///
    /// - Returns: nil when none did.
    /// - Throws: what was wrong with one that came. It is closed; another may come.
    package func accept(
        expecting expected: [LinkTerms], secret: SharedSecret, atMost limit: Duration
    ) throws(ConnectionError) -> SocketConnection? {
        let deadline = ContinuousClock.now + limit
        while true {
            for index in pending.indices {
                let movement: PendingHandshake.Movement
                do throws(ConnectionError) {
                    movement = try pending[index].advance(expecting: expected, secret: secret)
                } catch {
                    pending.remove(at: index)
                    throw error
                }
                guard case .ended = movement else { continue }
                let ended = pending.remove(at: index)
                if expected.count == 1 { pending.removeAll() }
                return ended.connection()
            }
            // One at a time: what a worker has said is heard before others come.
            if try takeIncoming(limit: Self.strangerLimit + expected.count) { continue }
            let now = ContinuousClock.now
            guard now < deadline else { return nil }
            let first = pending.map(\.deadline).reduce(deadline, min)
            wait(
                for: [(handle.number, POLLIN)] + pending.map { ($0.number, $0.events) },
                atMost: max(.zero, now.duration(to: first)))
        }
    }

    /// Takes the next connection that waits.
    ///
    /// - Returns: whether one did.
    private func takeIncoming(limit: Int) throws(ConnectionError) -> Bool {
        guard let incoming = try SocketTransport.accept(from: handle) else { return false }
        if pending.count >= limit, let silent = pending.firstIndex(where: { !$0.hasGreeted }) {
            pending.remove(at: silent)
        }
        SocketConnection.setOptions(of: incoming)
        pending.append(PendingHandshake(incoming))
        return true
    }
}

extension SocketListener: ConnectionListener {
    package func link(
        expecting expected: [LinkTerms], secret: SharedSecret, atMost limit: Duration,
        waitPolicy: WaitPolicy, watch: (Int) -> LinkWatch
    ) throws(ConnectionError) -> (dimm: Int, link: any RemoteLink)? {
        guard
            let connection = try accept(expecting: expected, secret: secret, atMost: limit)
        else { return nil }
        let dimm = connection.terms.dimm
        return (
            dimm, SocketLink(adopting: connection, waitPolicy: waitPolicy, watch: watch(dimm))
        )
    }
}

/// A connection whose other end has not proved yet who it is. It advances by what has come, and
/// never waits.
private final class PendingHandshake {
    enum Movement {
        case goesOn
        /// Both have said all.
        case ended
    }

    /// As long as it is pending.
    private var handle: SocketHandle?
    let number: Int32
    private var reply = HandshakeReply()
    private var said: [UInt8] = []
    private var unsent: ArraySlice<UInt8> = []
    private var taken: (terms: LinkTerms, hostName: String)?
    /// Until when the other end must have said, or taken in, what comes next.
    private(set) var deadline: ContinuousClock.Instant

    init(_ handle: consuming SocketHandle) {
        number = handle.number
        self.handle = consume handle
        deadline = .now + Handshake.patience
    }

    /// Whether it has named a worker that is expected.
    var hasGreeted: Bool { reply.hasGreeted }

    /// What to wait for.
    var events: Int32 { unsent.isEmpty ? POLLIN : POLLOUT }

    /// - Throws: why this is no worker that is expected.
    func advance(
        expecting expected: [LinkTerms], secret: SharedSecret
    ) throws(ConnectionError) -> Movement {
        while true {
            guard try sendAll() else { return .goesOn }
            if taken != nil { return .ended }
            guard try receiveAll() else { return .goesOn }
            let (answer, outcome) = reply.advance(said, expecting: expected, secret: secret)
            said = []
            unsent = answer[...]
            deadline = .now + Handshake.patience
            switch outcome {
            case .awaitsMore: break
            case .taken(let terms, let hostName): taken = (terms, hostName)
            case .refused(let error):
                // A socket that has sent nothing takes so few bytes; the worker is not waited for.
                _ = try? sendAll()
                throw error
            }
        }
    }

    /// Hands the connection over; once.
    func connection() -> SocketConnection {
        guard let taken, let handle = handle.take() else {
            preconditionFailure("only an ended handshake has a connection")
        }
        return SocketConnection(
            terms: taken.terms, peerHostName: taken.hostName, handle: handle)
    }

    private func sendAll() throws(ConnectionError) -> Bool {
        while !unsent.isEmpty {
            switch send(unsent, to: number) {
            case .moved(let count): unsent = unsent.dropFirst(count)
            case .nothing: return try isInTime("answering")
            case .ended, .failed(.connectionReset), .failed(.brokenPipe):
                throw .abandoned(step: "answering")
            case .failed(let cause): throw .system(step: "answering", cause: cause)
            }
        }
        return true
    }

    private func receiveAll() throws(ConnectionError) -> Bool {
        while said.count < reply.awaitedByteCount {
            let (movement, part) = receive(reply.awaitedByteCount - said.count, from: number)
            switch movement {
            case .moved: said += part
            case .nothing: return try isInTime(reply.stepName)
            case .ended, .failed(.connectionReset): throw .abandoned(step: reply.stepName)
            case .failed(let cause): throw .system(step: reply.stepName, cause: cause)
            }
        }
        return true
    }

    /// False: there is time left, and nothing to do.
    private func isInTime(_ step: String) throws(ConnectionError) -> Bool {
        guard ContinuousClock.now < deadline else { throw .timedOut(step: step) }
        return false
    }
}
