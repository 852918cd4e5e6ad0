import ConnectionProtocol
import LinkRecords
import Testing

/// The handshake's two sides, without anything that carries what they say.
@Suite struct HandshakeSidesTests {
    @Test func `Two that greet as the same worker: one is taken`() throws {
        let secret = SharedSecret.random()
        let terms = LinkTerms(dimm: 2, session: .random(), epoch: 0, capacity: 4096)
        var outcomes: [Bool] = []
        var expected = [terms]
        var replies = [HandshakeReply(), HandshakeReply()]
        var proofs: [[UInt8]] = []
        for index in replies.indices {
            let request = HandshakeRequest(
                dimm: terms.dimm, session: terms.session, epoch: terms.epoch)
            let (offer, _) = replies[index].advance(
                request.greeting, expecting: expected, secret: secret)
            proofs.append(try request.answer(to: offer, secret: secret).proof)
        }
        for index in replies.indices {
            let (_, outcome) = replies[index].advance(
                proofs[index], expecting: expected, secret: secret)
            if case .taken(terms, _) = outcome {
                outcomes.append(true)
                expected = []
            } else {
                outcomes.append(false)
            }
        }
        #expect(outcomes == [true, false])
    }
}
