package import LinkRecords

/// The worker's side of the handshake, without a socket.
package struct HandshakeRequest {
    private let dimm: Int
    private let session: LinkSession
    private let epoch: UInt32
    /// What is said first.
    package let greeting: [UInt8]

    /// - Parameter hostName: what the worker's host is to be called; nil for the kernel's name.
    package init(dimm: Int, session: LinkSession, epoch: UInt32, hostName: String? = nil) {
        self.dimm = dimm
        self.session = session
        self.epoch = epoch
        greeting = Handshake.hello(
            dimm: dimm, session: session, epoch: epoch, hostName: hostName)
    }

    /// What the coordinator offers, and what to say to it.
    ///
    /// - Parameter offer: 96 bytes.
    /// - Throws: what the coordinator refused, or what is wrong with it.
    package func answer(
        to offer: [UInt8], secret: SharedSecret
    ) throws(ConnectionError) -> (terms: LinkTerms, proof: [UInt8]) {
        precondition(offer.count == Handshake.offerByteCount)
        let terms = try Handshake.terms(
            of: offer, to: greeting, dimm: dimm, session: session, epoch: epoch, secret: secret)
        return (terms, secret.proof(by: .worker, of: greeting + offer))
    }
}

/// The coordinator's side of the handshake, without a socket: what a worker says goes in, what it
/// is to be told comes out.
package struct HandshakeReply {
    /// What has become of it.
    package enum Outcome {
        case awaitsMore
        /// A worker, and the name of its host.
        case taken(LinkTerms, hostName: String)
        case refused(ConnectionError)
    }

    private enum Step {
        case greeting
        case proving(LinkTerms, said: [UInt8], hostName: String)
    }

    private var step = Step.greeting

    package init() {}

    /// How many bytes the worker says next.
    package var awaitedByteCount: Int {
        switch step {
        case .greeting: Handshake.helloByteCount
        case .proving: SharedSecret.proofByteCount
        }
    }

    /// Whether the worker has named one that is expected.
    package var hasGreeted: Bool {
        switch step {
        case .greeting: false
        case .proving: true
        }
    }

    /// What is waited for, as an error says it.
    package var stepName: String {
        switch step {
        case .greeting: "waiting for a greeting"
        case .proving: "waiting for a proof"
        }
    }

    /// - Parameters:
    ///   - said: ``awaitedByteCount`` bytes.
    ///   - expected: workers that are waited for at this moment.
    /// - Returns: what to tell the worker, and what has become of it.
    package mutating func advance(
        _ said: [UInt8], expecting expected: [LinkTerms], secret: SharedSecret
    ) -> (reply: [UInt8], outcome: Outcome) {
        precondition(said.count == awaitedByteCount)
        switch step {
        case .greeting:
            switch Handshake.match(said, expected) {
            case .success(let terms):
                let offer = Handshake.offer(terms, to: said, secret: secret)
                step = .proving(
                    terms, said: said + offer,
                    hostName: Handshake.hostName(padded: said.suffix(Handshake.hostNameByteCount)))
                return (offer, .awaitsMore)
            case .failure(let failure):
                return (Handshake.refusal(failure.refusal), .refused(failure.error))
            }
        case .proving(let terms, let transcript, let hostName):
            guard secret.isProof(said, by: .worker, of: transcript) else {
                return (
                    Handshake.bytes(of: ConnectionRefusal.secret.rawValue), .refused(.wrongSecret)
                )
            }
            // Two that know the secret may greet as the same worker.
            guard expected.contains(terms) else {
                let error = ConnectionError.handshake(
                    field: "DIMM", expected: "one that has not come yet", found: "\(terms.dimm)")
                return (Handshake.bytes(of: ConnectionRefusal.worker.rawValue), .refused(error))
            }
            return (Handshake.bytes(of: UInt32(0)), .taken(terms, hostName: hostName))
        }
    }
}
