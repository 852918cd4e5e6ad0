package import LinkRecords

/// What a coordinator grants the worker of one DIMM.
package struct LinkTerms: Equatable, Sendable {
    package let dimm: Int
    /// Names one start of the worker.
    package let session: LinkSession
    /// How many workers the DIMM had before.
    package let epoch: UInt32
    /// Bytes of frames that a direction may hold before they are read.
    package let capacity: Int
    package let hasChecksums: Bool

    /// What no network needs, and no peer may make this process allocate.
    package static let capacityRange = 4096...(1 << 32)

    package init(
        dimm: Int, session: LinkSession, epoch: UInt32, capacity: Int, hasChecksums: Bool = true
    ) {
        precondition(Self.capacityRange.contains(capacity))
        self.dimm = dimm
        self.session = session
        self.epoch = epoch
        self.capacity = capacity
        self.hasChecksums = hasChecksums
    }

    /// As in a ring: half the window, so that room that is waited for always comes.
    package var maximumMessageByteCount: Int { capacity / 2 - FrameHeader.byteCount }
}

/// The four messages before the first frame, numbers little-endian. As they go over TCP; RDMA says
/// the same in the steps that its set-up has. Each side proves that it knows the secret by an HMAC
/// over what both have said, random bytes of both included.
///
///     worker → coordinator   magic 8, version 4, DIMM 4, session 16, epoch 4, 4 unused, random 32,
///                            host name 64, filled up with zeros
///     coordinator → worker   magic 8, version 4, verdict 4, capacity 8, checksums 4, 4 unused,
///                            random 32, proof 32
///     worker → coordinator   proof 32
///     coordinator → worker   verdict 4
package enum Handshake {
    /// How long either side may take for one message.
    package static let patience = Duration.seconds(5)

    /// How long a worker waits for its offer: the coordinator may still be starting others, or
    /// speak with one after the other.
    package static let queuePatience = Duration.seconds(60)

    /// "HERMSOCK" as bytes in memory order on a little-endian machine.
    static let magic: UInt64 = 0x4B43_4F53_4D52_4548
    static let version: UInt32 = 1
    static let randomByteCount = 32
    static let hostNameByteCount = 64
    static let helloByteCount = 72 + hostNameByteCount
    package static let offerByteCount = 96

    /// - Parameter hostName: what the worker's host is to be called; nil for the kernel's name.
    static func hello(
        dimm: Int, session: LinkSession, epoch: UInt32, hostName: String?
    ) -> [UInt8] {
        greeting(dimm: dimm, session: session, epoch: epoch)
            + SharedSecret.randomBytes(count: randomByteCount) + padded(hostName: hostName)
    }

    /// What every transport's first message begins with: 40 bytes.
    package static func greeting(dimm: Int, session: LinkSession, epoch: UInt32) -> [UInt8] {
        bytes(of: magic) + bytes(of: version) + bytes(of: UInt32(dimm)) + bytes(of: session.high)
            + bytes(of: session.low) + bytes(of: epoch) + bytes(of: UInt32(0))
    }

    /// - Parameter hostName: cut off behind its first 64 bytes; nil for the kernel's.
    package static func padded(hostName: String?) -> [UInt8] {
        let name =
            hostName.map { Array($0.utf8.prefix(hostNameByteCount)) }
            ?? ConnectionProtocol.hostName(limit: hostNameByteCount)
        return name + [UInt8](repeating: 0, count: hostNameByteCount - name.count)
    }

    /// The host that a worker says it is on, from its field of 64 bytes; what is not printable is
    /// left out.
    package static func hostName(padded field: some Sequence<UInt8>) -> String {
        let bytes = field.prefix { $0 != 0 }
        return String(decoding: bytes.filter { (0x21...0x7E).contains($0) }, as: UTF8.self)
    }

    /// The offer without its proof.
    private static func offer(_ terms: LinkTerms) -> [UInt8] {
        bytes(of: magic) + bytes(of: version) + bytes(of: UInt32(0))
            + bytes(of: UInt64(terms.capacity)) + bytes(of: UInt32(terms.hasChecksums ? 1 : 0))
            + bytes(of: UInt32(0)) + SharedSecret.randomBytes(count: randomByteCount)
    }

    /// What a coordinator answers to a greeting: the offer, and a proof over both.
    package static func offer(
        _ terms: LinkTerms, to greeting: [UInt8], secret: SharedSecret
    ) -> [UInt8] {
        let offer = offer(terms)
        return offer + secret.proof(by: .coordinator, of: greeting + offer)
    }

    /// Reads what a coordinator offers to a greeting, and checks that it knows the secret.
    package static func terms(
        of offer: [UInt8], to greeting: [UInt8], dimm: Int, session: LinkSession, epoch: UInt32,
        secret: SharedSecret
    ) throws(ConnectionError) -> LinkTerms {
        let terms = try terms(in: offer, dimm: dimm, session: session, epoch: epoch)
        let said = greeting + offer.dropLast(SharedSecret.proofByteCount)
        let proof = Array(offer.suffix(SharedSecret.proofByteCount))
        guard secret.isProof(proof, by: .coordinator, of: said) else { throw .wrongSecret }
        return terms
    }

    package static func refusal(_ reason: ConnectionRefusal) -> [UInt8] {
        let start = bytes(of: magic) + bytes(of: version) + bytes(of: reason.rawValue)
        return start + [UInt8](repeating: 0, count: offerByteCount - start.count)
    }

    /// Which of `expected` a worker is, or why it is none of them.
    package static func match(
        _ hello: [UInt8], _ expected: [LinkTerms]
    ) -> Result<LinkTerms, HandshakeRefusal> {
        func refuse(
            _ refusal: ConnectionRefusal, _ field: String, _ expected: String, _ found: String
        ) -> Result<LinkTerms, HandshakeRefusal> {
            .failure(
                HandshakeRefusal(
                    refusal: refusal,
                    error: .handshake(field: field, expected: expected, found: found)))
        }
        let foundMagic = number(UInt64.self, in: hello, at: 0)
        guard foundMagic == magic else {
            return refuse(.magic, "magic number", hexadecimal(magic), hexadecimal(foundMagic))
        }
        let foundVersion = number(UInt32.self, in: hello, at: 8)
        guard foundVersion == version else {
            return refuse(.version, "version", "\(version)", "\(foundVersion)")
        }
        let dimm = Int(number(UInt32.self, in: hello, at: 12))
        guard let terms = expected.first(where: { $0.dimm == dimm }) else {
            let known = expected.map { "\($0.dimm)" }.joined(separator: ", ")
            return refuse(.worker, "DIMM", known.isEmpty ? "none" : known, "\(dimm)")
        }
        let epoch = number(UInt32.self, in: hello, at: 32)
        guard epoch == terms.epoch else {
            return refuse(.epoch, "epoch", "\(terms.epoch)", "\(epoch)")
        }
        let session = LinkSession(
            high: number(UInt64.self, in: hello, at: 16),
            low: number(UInt64.self, in: hello, at: 24))
        guard session == terms.session else {
            return refuse(.session, "session", "\(terms.session)", "\(session)")
        }
        return .success(terms)
    }

    /// Reads what a coordinator offers the worker of a DIMM.
    private static func terms(
        in offer: [UInt8], dimm: Int, session: LinkSession, epoch: UInt32
    ) throws(ConnectionError) -> LinkTerms {
        let foundMagic = number(UInt64.self, in: offer, at: 0)
        guard foundMagic == magic else {
            throw .handshake(
                field: "magic number", expected: hexadecimal(magic),
                found: hexadecimal(foundMagic))
        }
        let verdict = number(UInt32.self, in: offer, at: 12)
        if let refusal = ConnectionRefusal(rawValue: verdict) { throw .refusedByPeer(refusal) }
        let foundVersion = number(UInt32.self, in: offer, at: 8)
        guard foundVersion == version else {
            throw .handshake(field: "version", expected: "\(version)", found: "\(foundVersion)")
        }
        guard verdict == 0 else {
            throw .handshake(field: "verdict", expected: "a known one", found: "\(verdict)")
        }
        let capacity = number(UInt64.self, in: offer, at: 16)
        guard let known = Int(exactly: capacity), LinkTerms.capacityRange.contains(known) else {
            throw .handshake(
                field: "capacity", expected: "\(LinkTerms.capacityRange)", found: "\(capacity)")
        }
        let checksums = number(UInt32.self, in: offer, at: 24)
        guard checksums <= 1 else {
            throw .handshake(field: "checksums", expected: "0 or 1", found: "\(checksums)")
        }
        return LinkTerms(
            dimm: dimm, session: session, epoch: epoch, capacity: known,
            hasChecksums: checksums == 1)
    }

    package static func bytes<Number: FixedWidthInteger>(of number: Number) -> [UInt8] {
        (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    package static func number<Number: FixedWidthInteger>(
        _ type: Number.Type, in bytes: [UInt8], at offset: Int
    ) -> Number {
        (0..<Number.bitWidth / 8).reduce(0) {
            $0 | Number(truncatingIfNeeded: bytes[offset + $1]) << (8 * $1)
        }
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        "0x" + String(value, radix: 16)
    }
}

/// What a worker is told, and what it did wrong.
package struct HandshakeRefusal: Error {
    package let refusal: ConnectionRefusal
    package let error: ConnectionError
}
