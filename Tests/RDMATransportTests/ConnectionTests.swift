import ConnectionProtocol
import Foundation
import LinkRecords
import Messages
import RDMAConnections
import RDMATransport
import Simulation
import Testing

/// How two processes find each other over a device, and who is turned away. What an open link does
/// is tested by the suite of all transports.
@Suite(.enabled(if: RDMADevices.address != nil, "needs an RDMA device; the lab has one"))
struct RDMAConnectionTests {
    private let secret = SharedSecret.random()
    private let session = LinkSession.random()
    private let listener: RDMAListener

    init() throws {
        let host = try #require(RDMADevices.address)
        listener = try RDMAListener.open(at: ConnectionAddress(host: host, port: 0))
    }

    private func terms(dimm: Int = 0, epoch: UInt32 = 0, capacity: Int = 1 << 15) -> LinkTerms {
        LinkTerms(dimm: dimm, session: session, epoch: epoch, capacity: capacity)
    }

    private func connecting(
        _ terms: LinkTerms, secret: SharedSecret? = nil
    ) -> SideThread<LinkTerms> {
        let secret = secret ?? self.secret
        return SideThread { [address = listener.address] in
            try RDMAConnection.connect(
                to: address, dimm: terms.dimm, session: terms.session, epoch: terms.epoch,
                secret: secret
            ).terms
        }
    }

    /// What the coordinator finds wrong with whoever comes next; nil when it is taken.
    private func refusal(expecting terms: [LinkTerms]) -> ConnectionError? {
        do throws(ConnectionError) {
            _ = try listener.accept(expecting: terms, secret: secret, atMost: .seconds(5))
            return nil
        } catch {
            return error
        }
    }

    @Test func `Both sides agree on what the coordinator offers`() throws {
        let offered = terms(dimm: 7, epoch: 3, capacity: 1 << 20)
        let worker = connecting(offered)
        #expect(refusal(expecting: [terms(), offered]) == nil)
        #expect(try worker.join() == offered)
    }

    @Test func `Who knows another secret is refused`() throws {
        let worker = connecting(terms(), secret: .random())
        // The worker finds out first and leaves.
        #expect(refusal(expecting: [terms()]) == .abandoned(step: "waiting for a proof"))
        #expect(throws: ConnectionError.wrongSecret) { try worker.join() }
    }

    @Test func `A worker of another epoch, start or place is refused`() throws {
        let expected = [terms(dimm: 1, epoch: 5)]
        let former = connecting(terms(dimm: 1, epoch: 4))
        #expect(
            refusal(expecting: expected)
                == .handshake(field: "epoch", expected: "5", found: "4"))
        #expect(throws: ConnectionError.refusedByPeer(.epoch)) { try former.join() }
        let elsewhere = connecting(terms(dimm: 2))
        #expect(
            refusal(expecting: expected) == .handshake(field: "DIMM", expected: "1", found: "2"))
        #expect(throws: ConnectionError.refusedByPeer(.worker)) { try elsewhere.join() }
    }

    /// The first bytes of a request, as the article tells them.
    private static let magic = Array("HERMSOCK".utf8)

    @Test(arguments: [
        ([UInt8](repeating: 0x47, count: 56), "magic number", ConnectionRefusal.magic),
        (magic + [9, 0, 0, 0] + [UInt8](repeating: 0, count: 44), "version", .version),
    ])
    func `Another protocol or version is named on both sides`(
        request: [UInt8], field: String, verdict: ConnectionRefusal
    ) throws {
        let stranger = SideThread { [address = listener.address] in
            try RDMAConnection.ask(at: address, saying: request)
        }
        guard case .handshake(let found, _, _) = refusal(expecting: [terms()]) else {
            Issue.record("not refused for its handshake")
            return
        }
        #expect(found == field)
        #expect(throws: ConnectionError.refusedByPeer(verdict)) { try stranger.join() }
    }

    @Test func `A stranger that leaves does no harm to the one behind it`() throws {
        let stranger = SideThread { [address = listener.address, terms = terms()] in
            let greeting = Handshake.greeting(
                dimm: terms.dimm, session: terms.session, epoch: terms.epoch)
            try RDMAConnection.ask(
                at: address, saying: greeting + [UInt8](repeating: 0, count: 16))
        }
        #expect(refusal(expecting: [terms()]) == .abandoned(step: "waiting for a proof"))
        try stranger.join()
        let worker = connecting(terms())
        #expect(refusal(expecting: [terms()]) == nil)
        #expect(try worker.join() == terms())
    }

    @Test func `Nobody comes, nobody listens, and no way leads`() throws {
        #expect(
            try listener.accept(
                expecting: [terms()], secret: secret, atMost: .milliseconds(10)) == nil)
        let host = listener.address.host
        var place = ConnectionAddress(host: host, port: 0)
        do {
            place = try RDMAListener.open(at: place).address
        }
        #expect(throws: ConnectionError.refused(place.description)) {
            _ = try RDMAConnection.connect(
                to: place, dimm: 0, session: session, epoch: 0, secret: secret)
        }
        // A number for documentation alone (RFC 5737).
        let nowhere = ConnectionAddress(host: "192.0.2.1", port: 7000)
        let error = #expect(throws: ConnectionError.self) {
            _ = try RDMAConnection.connect(
                to: nowhere, dimm: 0, session: session, epoch: 0, secret: secret)
        }
        guard case .unreachable(nowhere.description, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    // MARK: Ends

    private func pair() throws -> (coordinator: RDMALink, worker: RDMALink) {
        let terms = terms()
        let worker = SideThread { [address = listener.address, secret] in
            LinkBox(
                RDMALink(
                    adopting: try RDMAConnection.connect(
                        to: address, dimm: terms.dimm, session: terms.session,
                        epoch: terms.epoch, secret: secret),
                    waitPolicy: .sleeping
                ) {})
        }
        let accepted = try listener.accept(
            expecting: [terms], secret: secret, atMost: .seconds(5))
        guard let connection = accepted else { throw LinkError.system("no worker came") }
        let coordinator = RDMALink(adopting: connection, waitPolicy: .sleeping) {}
        return (coordinator, try worker.join().link)
    }

    @Test func `A worker says which host it is on`() throws {
        let pair = try pair()
        #expect(pair.coordinator.peerHostName == ProcessInfo.processInfo.hostName)
        #expect(pair.worker.peerHostName == nil)
        #expect(pair.worker.transportName == "rdma")
    }

    /// What was sent before is there, though the queue pair that sent it is not.
    @Test func `An end that is gone is read to its end`() throws {
        var pair: (coordinator: RDMALink, worker: RDMALink)? = try pair()
        let coordinator = try #require(pair?.coordinator)
        for number in 0..<20 as Range<UInt8> {
            try pair?.worker.send(byteCount: 1) {
                $0.storeBytes(of: number, toByteOffset: 0, as: UInt8.self)
            }
        }
        pair = nil
        for number in 0..<20 as Range<UInt8> {
            var found: UInt8?
            try coordinator.receive {
                found = unsafe $0.unsafeLoad(fromByteOffset: 0, as: UInt8.self)
            }
            #expect(found == number)
        }
        #expect(throws: LinkError.peerGone("closed")) { try coordinator.receive { _ in } }
    }
}

/// Sendable is sound: the thread that makes a link hands it over and does not touch it again.
private struct LinkBox: @unchecked Sendable {
    let link: RDMALink
    init(_ link: RDMALink) { self.link = link }
}
