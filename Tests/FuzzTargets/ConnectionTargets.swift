import ConnectionProtocol
import Glibc
import LinkRecords
import Messages
import SocketTransport
import SystemPackage

/// What comes over a connection: before both sides know each other, and after.
enum ConnectionTargets {
    static let terms = LinkTerms(
        dimm: 3, session: LinkSession(high: 1, low: 2), epoch: 5, capacity: 4096)

    private static let secret: SharedSecret = {
        guard let secret = SharedSecret(Array(repeating: 0x5A, count: 32)) else {
            preconditionFailure("32 bytes are a secret")
        }
        return secret
    }()

    private static let greetingByteCount = HandshakeReply().awaitedByteCount
    private static let offerByteCount = Handshake.offerByteCount
    private static let headerByteCount = FrameHeader.byteCount

    // MARK: Handshake

    /// Byte 0 chooses which side reads, and whether the proof is made right; the rest is what the
    /// other side says.
    static func handshake(_ bytes: [UInt8]) throws {
        guard let choice = bytes.first else { return }
        let body = Array(bytes.dropFirst())
        if choice & 1 == 0 {
            try coordinator(body, mendsProof: choice & 2 != 0)
        } else {
            try worker(body, mendsProof: choice & 2 != 0)
        }
    }

    private static func coordinator(_ body: [UInt8], mendsProof: Bool) throws {
        guard body.count >= greetingByteCount else { return }
        let greeting = Array(body.prefix(greetingByteCount))
        var reply = HandshakeReply()
        let (offer, first) = reply.advance(greeting, expecting: [terms], secret: secret)
        if case .refused(let error) = first { throw error }
        var proof = Array(body.dropFirst(greetingByteCount).prefix(reply.awaitedByteCount))
        proof += [UInt8](repeating: 0, count: reply.awaitedByteCount - proof.count)
        if mendsProof { proof = secret.proof(by: .worker, of: greeting + offer) }
        let (_, second) = reply.advance(proof, expecting: [terms], secret: secret)
        if case .refused(let error) = second { throw error }
        guard case .taken(terms, _) = second else {
            preconditionFailure("who is taken is who was expected")
        }
    }

    private static func worker(_ body: [UInt8], mendsProof: Bool) throws {
        guard body.count >= offerByteCount else { return }
        let request = HandshakeRequest(
            dimm: terms.dimm, session: terms.session, epoch: terms.epoch, hostName: "fuzz")
        var offer = Array(body.prefix(offerByteCount))
        if mendsProof {
            let said = offer.dropLast(SharedSecret.proofByteCount)
            offer = said + secret.proof(by: .coordinator, of: request.greeting + said)
        }
        let (found, _) = try request.answer(to: offer, secret: secret)
        precondition(LinkTerms.capacityRange.contains(found.capacity))
    }

    // MARK: Frames

    /// Bit 0 of byte 0: whether payloads have checksums; bit 1: whether all sums are made right,
    /// so that what is behind them is reached. Byte 1: into how large pieces the stream is cut. The
    /// rest is the stream.
    static func frames(_ bytes: [UInt8]) throws {
        guard bytes.count > 2 else { return }
        let terms = LinkTerms(
            dimm: terms.dimm, session: terms.session, epoch: terms.epoch, capacity: terms.capacity,
            hasChecksums: bytes[0] & 1 != 0)
        var stream = Array(bytes.dropFirst(2).prefix(16 * terms.capacity))
        if bytes[0] & 2 != 0 { mendSums(&stream, hasChecksums: terms.hasChecksums) }
        let (near, far) = try socketPair()
        defer { try? far.close() }
        let link = SocketLink(
            adopting: SocketConnection(adopting: near, terms: terms), waitPolicy: .sleeping,
            watch: {})
        let pieceByteCount = 1 + 8 * Int(bytes[1])
        var offset = 0
        while offset < stream.count {
            let piece = stream[offset..<min(stream.count, offset + pieceByteCount)]
            try far.writeAll(piece)
            offset += piece.count
            try readAll(link)
        }
    }

    private static func readAll(_ link: SocketLink) throws {
        while true {
            do throws(LinkError) {
                let isThere = try link.tryReceive { message in
                    precondition(message.byteCount <= link.maximumMessageByteCount)
                    _ = try? MessageHeader(decoding: message)
                }
                if !isThere { return }
            } catch {
                guard case .damaged = error else { throw error }
            }
        }
    }

    /// Both sums of each frame, as far as frames follow each other.
    private static func mendSums(_ stream: inout [UInt8], hasChecksums: Bool) {
        var start = 0
        while stream.count - start >= headerByteCount {
            let words = (0..<4).map { word(stream, at: start + 8 * $0) }
            var record = RecordHeader(words: words[0], words[1])
            let rest = stream.count - start - headerByteCount
            let payload = Array(
                stream[(start + headerByteCount)...].prefix(min(rest, Int(record.byteCount))))
            if hasChecksums {
                record.checksum = RecordChecksum.of(
                    unsafe payload.span.bytes, header: record.digest)
            }
            let header = FrameHeader(
                record, epoch: UInt32(truncatingIfNeeded: words[2]), releasedByteCount: words[3]
            ).words
            for index in 0..<headerByteCount {
                stream[start + index] = UInt8(
                    truncatingIfNeeded: header[index / 8] >> UInt64(8 * (index % 8)))
            }
            start += headerByteCount + payload.count
        }
    }

    private static func word(_ bytes: [UInt8], at offset: Int) -> UInt64 {
        (0..<8).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
    }

    /// Two ends of a stream; what is written to one is there at once at the other.
    static func socketPair() throws -> (FileDescriptor, FileDescriptor) {
        var numbers: [Int32] = [0, 0]
        guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &numbers) == 0 else {
            throw Errno(rawValue: errno)
        }
        return (FileDescriptor(rawValue: numbers[0]), FileDescriptor(rawValue: numbers[1]))
    }
}

extension FuzzTarget {
    /// What a coordinator sends to the worker of this target's terms: three messages.
    package static func framesSeed(hasChecksums: Bool) throws -> [UInt8] {
        let terms = LinkTerms(
            dimm: ConnectionTargets.terms.dimm, session: ConnectionTargets.terms.session,
            epoch: ConnectionTargets.terms.epoch, capacity: ConnectionTargets.terms.capacity,
            hasChecksums: hasChecksums)
        let (near, far) = try ConnectionTargets.socketPair()
        defer { try? far.close() }
        let link = SocketLink(
            adopting: SocketConnection(adopting: near, terms: terms), waitPolicy: .sleeping,
            watch: {})
        for byteCount in [0, 40, 100] {
            try link.send(byteCount: byteCount) { message in
                for index in 0..<byteCount {
                    message.storeBytes(
                        of: UInt8(truncatingIfNeeded: index), toByteOffset: index, as: UInt8.self)
                }
            }
        }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = try unsafe bytes.withUnsafeMutableBytes { try unsafe far.read(into: $0) }
        return [hasChecksums ? 1 : 0, 255] + bytes.prefix(count)
    }

    /// What a worker says first, and what a coordinator offers it; the target makes the proofs.
    package static func handshakeSeeds() -> [[UInt8]] {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
        }
        let start = Array("HERMSOCK".utf8) + bytes(UInt32(1))
        let terms = ConnectionTargets.terms
        let greeting =
            start + bytes(UInt32(terms.dimm)) + bytes(terms.session.high)
            + bytes(terms.session.low) + bytes(terms.epoch) + bytes(UInt32(0))
            + [UInt8](repeating: 7, count: 32) + Array("node1".utf8)
            + [UInt8](repeating: 0, count: 59)
        let offer =
            start + bytes(UInt32(0)) + bytes(UInt64(terms.capacity)) + bytes(UInt32(1))
            + bytes(UInt32(0)) + [UInt8](repeating: 9, count: 64)
        return [[2] + greeting, [3] + offer]
    }
}
