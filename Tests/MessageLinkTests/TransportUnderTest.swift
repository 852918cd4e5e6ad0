import ConnectionProtocol
import LinkRecords
import Messages
import RDMAConnections
import RDMATransport
import RingTransport
import Simulation
import SocketTransport
import SystemPackage
import Testing

/// A transport that must behave like all others; a new one adds a conforming type to
/// ``Transports/all``.
protocol TransportUnderTest: Sendable {
    var name: String { get }

    /// Whether each message says which start of the worker it is of.
    var hasEpochs: Bool { get }

    /// Whether a sleeper is woken by something that can be lost.
    var hasDoorbells: Bool { get }

    /// Two connected ends, whose watches do as `watch` says.
    func makePair(
        capacity: Int, policy: WaitPolicy, watch: @escaping LinkWatch
    ) throws -> CarriedPair

    /// What a worker of an earlier start meets at the place of a later one: nil when it is taken.
    func refusalOfStaleWorker() throws -> String?
}

/// The coordinator's end and the worker's.
///
/// Sendable is sound as the tests use it: each end is touched by one thread at a time, and the
/// other takes it over only by starting or joining a thread.
struct CarriedPair: @unchecked Sendable {
    let coordinator: any CarriedLink
    let worker: any CarriedLink
}

/// An argument of a test.
struct Transport: Sendable, CustomTestStringConvertible {
    let base: any TransportUnderTest
    var testDescription: String { base.name }

    func makePair(
        capacity: Int = 1 << 15, policy: WaitPolicy = .sleeping, watch: @escaping LinkWatch = {}
    ) throws -> CarriedPair {
        try base.makePair(capacity: capacity, policy: policy, watch: watch)
    }

    static let all = LinkKind.chosen(
        [Transport(base: SharedMemory()), Transport(base: Sockets())]
            + (RDMA.address == nil ? [] : [Transport(base: RDMA())])
    ) { $0.base.name }
}

struct SharedMemory: TransportUnderTest {
    let name = "shared memory"
    let hasEpochs = false
    let hasDoorbells = true

    func makePair(
        capacity: Int, policy: WaitPolicy, watch: @escaping LinkWatch
    ) throws -> CarriedPair {
        let segment = try RingSegment.create(capacityPerDirection: capacity, session: .random())
        return CarriedPair(
            coordinator: try RingLink.coordinatorEnd(segment, waitPolicy: policy, watch: watch),
            worker: try RingLink.workerEnd(segment, waitPolicy: policy, watch: watch))
    }

    func refusalOfStaleWorker() throws -> String? {
        let segment = try RingSegment.create(capacityPerDirection: 4096, session: .random())
        let descriptor = try segment.descriptor.duplicate()
        do throws(RingError) {
            _ = try RingSegment.adopt(descriptor, session: .random())
            return nil
        } catch {
            return "\(error)"
        }
    }
}

/// A transport whose worker connects to a place where the coordinator listens.
protocol ConnectingTransport: TransportUnderTest {
    var secret: SharedSecret { get }

    func listen() throws -> any ConnectionListener

    /// The worker's end.
    func connect(
        to address: ConnectionAddress, as terms: LinkTerms, _ policy: WaitPolicy,
        _ watch: @escaping LinkWatch
    ) throws(ConnectionError) -> any CarriedLink
}

extension ConnectingTransport {
    var hasEpochs: Bool { true }
    var hasDoorbells: Bool { false }

    func makePair(
        capacity: Int, policy: WaitPolicy, watch: @escaping LinkWatch
    ) throws -> CarriedPair {
        let terms = LinkTerms(dimm: 3, session: .random(), epoch: 2, capacity: capacity)
        let listener = try listen()
        let worker = connecting(to: listener.address, as: terms, policy, watch)
        let found = try listener.link(
            expecting: [terms], secret: secret, atMost: .seconds(5), waitPolicy: policy
        ) { _ in watch }
        guard let found else { throw LinkError.system("no worker came") }
        return CarriedPair(coordinator: found.link, worker: try worker.join().link)
    }

    func refusalOfStaleWorker() throws -> String? {
        let session = LinkSession.random()
        let former = LinkTerms(dimm: 0, session: session, epoch: 0, capacity: 4096)
        let present = LinkTerms(dimm: 0, session: session, epoch: 1, capacity: 4096)
        let listener = try listen()
        let worker = connecting(to: listener.address, as: former, .sleeping) {}
        var refusal: String?
        do throws(ConnectionError) {
            _ = try listener.link(
                expecting: [present], secret: secret, atMost: .seconds(5), waitPolicy: .sleeping
            ) { _ in {} }
        } catch {
            refusal = "\(error)"
        }
        #expect(throws: ConnectionError.refusedByPeer(.epoch)) { try worker.join() }
        return refusal
    }

    private func connecting(
        to address: ConnectionAddress, as terms: LinkTerms, _ policy: WaitPolicy,
        _ watch: @escaping LinkWatch
    ) -> SideThread<LinkBox> {
        let box = WatchBox(watch: watch)
        return SideThread {
            LinkBox(try connect(to: address, as: terms, policy, box.watch))
        }
    }
}

struct Sockets: ConnectingTransport {
    let name = "TCP"
    let secret = SharedSecret.random()

    func listen() throws -> any ConnectionListener {
        try SocketListener.open(at: ConnectionAddress(host: "127.0.0.1", port: 0))
    }

    func connect(
        to address: ConnectionAddress, as terms: LinkTerms, _ policy: WaitPolicy,
        _ watch: @escaping LinkWatch
    ) throws(ConnectionError) -> any CarriedLink {
        let connection = try SocketConnection.connect(
            to: address, dimm: terms.dimm, session: terms.session, epoch: terms.epoch,
            secret: secret)
        return SocketLink(adopting: connection, waitPolicy: policy, watch: watch)
    }
}

/// Over this machine's first RDMA device, if it has one.
struct RDMA: ConnectingTransport {
    /// Where a process of this machine is reached over the device.
    static let address = RDMADevices.address

    let name = "RDMA"
    let secret = SharedSecret.random()

    func listen() throws -> any ConnectionListener {
        let host = try #require(Self.address)
        return try RDMAListener.open(at: ConnectionAddress(host: host, port: 0))
    }

    func connect(
        to address: ConnectionAddress, as terms: LinkTerms, _ policy: WaitPolicy,
        _ watch: @escaping LinkWatch
    ) throws(ConnectionError) -> any CarriedLink {
        let connection = try RDMAConnection.connect(
            to: address, dimm: terms.dimm, session: terms.session, epoch: terms.epoch,
            secret: secret)
        return RDMALink(adopting: connection, waitPolicy: policy, watch: watch)
    }
}

/// Sendable is sound: the thread that makes a link hands it over and does not touch it again.
struct LinkBox: @unchecked Sendable {
    let link: any CarriedLink
    init(_ link: any CarriedLink) { self.link = link }
}

/// Sendable is sound: a watch is called by the thread that owns the link.
private struct WatchBox: @unchecked Sendable {
    let watch: LinkWatch
}
