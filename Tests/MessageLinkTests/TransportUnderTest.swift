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

struct Sockets: TransportUnderTest {
    let name = "TCP"
    let hasEpochs = true
    private let secret = SharedSecret.random()

    func makePair(
        capacity: Int, policy: WaitPolicy, watch: @escaping LinkWatch
    ) throws -> CarriedPair {
        let terms = LinkTerms(dimm: 3, session: .random(), epoch: 2, capacity: capacity)
        let listener = try SocketListener.open(at: SocketAddress(host: "127.0.0.1", port: 0))
        let address = listener.address
        let worker = connecting(to: address, as: terms, policy, watch)
        guard
            let connection = try listener.accept(
                expecting: [terms], secret: secret, atMost: .seconds(5))
        else { throw LinkError.system("no worker came") }
        return CarriedPair(
            coordinator: SocketLink(adopting: connection, waitPolicy: policy, watch: watch),
            worker: try worker.join().link)
    }

    func refusalOfStaleWorker() throws -> String? {
        let session = LinkSession.random()
        let former = LinkTerms(dimm: 0, session: session, epoch: 0, capacity: 4096)
        let present = LinkTerms(dimm: 0, session: session, epoch: 1, capacity: 4096)
        let listener = try SocketListener.open(at: SocketAddress(host: "127.0.0.1", port: 0))
        let worker = connecting(to: listener.address, as: former, .sleeping) {}
        var refusal: String?
        do throws(SocketError) {
            _ = try listener.accept(expecting: [present], secret: secret, atMost: .seconds(5))
        } catch {
            refusal = "\(error)"
        }
        #expect(throws: SocketError.refusedByPeer(.epoch)) { try worker.join() }
        return refusal
    }

    private func connecting(
        to address: SocketAddress, as terms: LinkTerms, _ policy: WaitPolicy,
        _ watch: @escaping LinkWatch
    ) -> SideThread<LinkBox> {
        let parts = ConnectionParts(watch: watch)
        return SideThread { [secret] in
            let connection = try SocketConnection.connect(
                to: address, dimm: terms.dimm, session: terms.session, epoch: terms.epoch,
                secret: secret)
            return LinkBox(
                SocketLink(adopting: connection, waitPolicy: policy, watch: parts.watch))
        }
    }
}

/// Over this machine's first RDMA device, if it has one.
struct RDMA: TransportUnderTest {
    /// Where a process of this machine is reached over the device.
    static let address = RDMADevices.address

    let name = "RDMA"
    let hasEpochs = true
    private let secret = SharedSecret.random()

    private func listener() throws -> RDMAListener {
        let host = try #require(Self.address)
        return try RDMAListener.open(at: SocketAddress(host: host, port: 0))
    }

    func makePair(
        capacity: Int, policy: WaitPolicy, watch: @escaping LinkWatch
    ) throws -> CarriedPair {
        let terms = LinkTerms(dimm: 3, session: .random(), epoch: 2, capacity: capacity)
        let listener = try listener()
        let worker = connecting(to: listener.address, as: terms, policy, watch)
        guard
            let connection = try listener.accept(
                expecting: [terms], secret: secret, atMost: .seconds(5))
        else { throw LinkError.system("no worker came") }
        return CarriedPair(
            coordinator: RDMALink(adopting: connection, waitPolicy: policy, watch: watch),
            worker: try worker.join().link)
    }

    func refusalOfStaleWorker() throws -> String? {
        let session = LinkSession.random()
        let former = LinkTerms(dimm: 0, session: session, epoch: 0, capacity: 4096)
        let present = LinkTerms(dimm: 0, session: session, epoch: 1, capacity: 4096)
        let listener = try listener()
        let worker = connecting(to: listener.address, as: former, .sleeping) {}
        var refusal: String?
        do throws(SocketError) {
            _ = try listener.accept(expecting: [present], secret: secret, atMost: .seconds(5))
        } catch {
            refusal = "\(error)"
        }
        #expect(throws: SocketError.refusedByPeer(.epoch)) { try worker.join() }
        return refusal
    }

    private func connecting(
        to address: SocketAddress, as terms: LinkTerms, _ policy: WaitPolicy,
        _ watch: @escaping LinkWatch
    ) -> SideThread<LinkBox> {
        let parts = ConnectionParts(watch: watch)
        return SideThread { [secret] in
            let connection = try RDMAConnection.connect(
                to: address, dimm: terms.dimm, session: terms.session, epoch: terms.epoch,
                secret: secret)
            return LinkBox(RDMALink(adopting: connection, waitPolicy: policy, watch: parts.watch))
        }
    }
}

/// Sendable is sound: the thread that makes a link hands it over and does not touch it again.
struct LinkBox: @unchecked Sendable {
    let link: any CarriedLink
    init(_ link: any CarriedLink) { self.link = link }
}

/// Sendable is sound: a watch is called by the thread that owns the link.
private struct ConnectionParts: @unchecked Sendable {
    let watch: LinkWatch
}
