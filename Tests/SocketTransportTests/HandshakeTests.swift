import ConnectionProtocol
import LinkRecords
import Messages
import Simulation
import SocketTransport
import Testing

/// How two processes find out whether they belong together.
@Suite struct HandshakeTests {
    @Test func `Both sides agree on what the coordinator offers`() throws {
        let fixture = try SocketFixture()
        let offered = fixture.terms(dimm: 7, epoch: 3, capacity: 1 << 20)
        let worker = fixture.connecting(offered)
        #expect(try fixture.accepted(expecting: [fixture.terms(), offered]) == offered)
        #expect(try worker.join() == offered)
    }

    @Test func `Who knows another secret is refused on both sides`() throws {
        let fixture = try SocketFixture()
        let worker = fixture.connecting(fixture.terms(), secret: .random())
        // The worker finds out first and leaves.
        let refusal = try #require(fixture.refusal(expecting: [fixture.terms()]))
        #expect(refusal == .abandoned(step: "waiting for a proof"), "\(refusal)")
        #expect(throws: ConnectionError.wrongSecret) { try worker.join() }
    }

    @Test func `A worker of another start, epoch or place is refused`() throws {
        let fixture = try SocketFixture()
        let expected = [fixture.terms(dimm: 1, epoch: 5)]
        let former = fixture.connecting(fixture.terms(dimm: 1, epoch: 4))
        #expect(
            fixture.refusal(expecting: expected)
                == .handshake(field: "epoch", expected: "5", found: "4"))
        #expect(throws: ConnectionError.refusedByPeer(.epoch)) { try former.join() }
        let stranger = fixture.connecting(expected[0], session: .random())
        #expect(fixture.refusal(expecting: expected) != nil)
        #expect(throws: ConnectionError.refusedByPeer(.session)) { try stranger.join() }
        let elsewhere = fixture.connecting(fixture.terms(dimm: 2))
        #expect(
            fixture.refusal(expecting: expected)
                == .handshake(field: "DIMM", expected: "1", found: "2"))
        #expect(throws: ConnectionError.refusedByPeer(.worker)) { try elsewhere.join() }
    }

    /// The greeting's first bytes, as the article tells them.
    private static let magic = Array("HERMSOCK".utf8)

    @Test(arguments: [
        ([UInt8](repeating: 0x47, count: 136), "magic number"),
        (magic + [9, 0, 0, 0] + [UInt8](repeating: 0, count: 124), "version"),
    ])
    func `Another protocol or version is named`(greeting: [UInt8], field: String) throws {
        let fixture = try SocketFixture()
        let stranger = try Stranger(at: fixture.listener.address)
        stranger.say(greeting)
        guard case .handshake(let found, _, _) = fixture.refusal(expecting: [fixture.terms()])
        else {
            Issue.record("not refused for its handshake")
            return
        }
        #expect(found == field)
    }

    @Test func `A stranger that leaves does no harm to the one behind it`() throws {
        let fixture = try SocketFixture()
        do {
            let stranger = try Stranger(at: fixture.listener.address)
            stranger.say([1, 2, 3])
        }
        #expect(
            fixture.refusal(expecting: [fixture.terms()])
                == .abandoned(step: "waiting for a greeting"))
        let worker = fixture.connecting(fixture.terms())
        #expect(fixture.refusal(expecting: [fixture.terms()]) == nil)
        #expect(try worker.join() == fixture.terms())
    }

    @Test func `Strangers that say nothing hold nobody up, however many`() throws {
        let fixture = try SocketFixture()
        // More than are listened to at once: the first must go.
        let strangers = try (0..<100).map { _ in try Stranger(at: fixture.listener.address) }
        let workers = (0..<2).map { fixture.connecting(fixture.terms(dimm: $0)) }
        var rest = [fixture.terms(dimm: 0), fixture.terms(dimm: 1)]
        while !rest.isEmpty {
            // Sooner than the time that one stranger has.
            let found = try #require(
                try fixture.accepted(expecting: rest, within: .seconds(4)))
            rest.removeAll { $0 == found }
        }
        for worker in workers { _ = try worker.join() }
        withExtendedLifetime(strangers) {}
    }

    @Test func `A worker that has greeted keeps its place, however many strangers follow`() throws {
        let fixture = try SocketFixture()
        let terms = fixture.terms()
        let request = HandshakeRequest(
            dimm: terms.dimm, session: terms.session, epoch: terms.epoch)
        let worker = try Stranger(at: fixture.listener.address)
        worker.say(request.greeting)
        let strangers = try (0..<100).map { _ in try Stranger(at: fixture.listener.address) }
        #expect(try fixture.accepted(expecting: [terms], within: .milliseconds(200)) == nil)
        let offer = worker.hear(Handshake.offerByteCount)
        try #require(offer.count == Handshake.offerByteCount)
        worker.say(try request.answer(to: offer, secret: fixture.secret).proof)
        #expect(try fixture.accepted(expecting: [terms], within: .seconds(4)) == terms)
        withExtendedLifetime(strangers) {}
    }

    @Test func `Nobody comes, and nobody listens`() throws {
        let fixture = try SocketFixture()
        #expect(
            try fixture.accepted(expecting: [fixture.terms()], within: .milliseconds(10)) == nil)
        var place = fixture.listener.address
        do {
            let other = try SocketFixture()
            place = other.listener.address
        }
        #expect(throws: ConnectionError.refused(place.description)) {
            _ = try SocketConnection.connect(
                to: place, dimm: 0, session: .random(), epoch: 0, secret: .random())
        }
    }
}
