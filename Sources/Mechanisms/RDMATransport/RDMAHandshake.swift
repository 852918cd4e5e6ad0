internal import ConnectionProtocol

/// The messages before the first frame, as over TCP but for what the connection's set-up carries
/// itself; numbers little-endian.
///
///     worker → coordinator   with the request: magic 8, version 4, DIMM 4, session 16, epoch 4,
///                            4 unused, random 16
///     coordinator → worker   with the answer: magic 8, version 4, verdict 4, capacity 8,
///                            checksums 4, 4 unused, random 32, proof 32
///     worker → coordinator   host name 64, ring's address 8, ring's key 4, 4 unused, proof 32
///     coordinator → worker   verdict 4, ring's key 4, ring's address 8, proof 32
///
/// Each proof covers all that was said before it. So neither side tells where its ring lies to
/// somebody who does not know the secret.
enum RDMAHandshake {
    /// All that a request for a connection carries, on any device.
    static let requestByteCount = 56
    private static let randomByteCount = 16
    static let introductionByteCount = 80 + SharedSecret.proofByteCount
    static let welcomeByteCount = 16 + SharedSecret.proofByteCount

    /// What a worker's request says.
    static func request(greeting: [UInt8]) -> [UInt8] {
        let request = greeting + SharedSecret.randomBytes(count: randomByteCount)
        precondition(request.count == requestByteCount)
        return request
    }

    /// Without its proof.
    ///
    /// - Parameter hostName: what the worker's host is to be called; nil for the kernel's name.
    static func introduction(hostName: String?, ring: RemoteRing) -> [UInt8] {
        Handshake.padded(hostName: hostName) + Handshake.bytes(of: ring.address)
            + Handshake.bytes(of: ring.key) + Handshake.bytes(of: UInt32(0))
    }

    static func ring(inIntroduction bytes: [UInt8]) -> RemoteRing {
        RemoteRing(
            address: Handshake.number(UInt64.self, in: bytes, at: 64),
            key: Handshake.number(UInt32.self, in: bytes, at: 72))
    }

    /// Without its proof.
    static func welcome(ring: RemoteRing) -> [UInt8] {
        Handshake.bytes(of: UInt32(0)) + Handshake.bytes(of: ring.key)
            + Handshake.bytes(of: ring.address)
    }

    static func ring(inWelcome bytes: [UInt8]) -> RemoteRing {
        RemoteRing(
            address: Handshake.number(UInt64.self, in: bytes, at: 8),
            key: Handshake.number(UInt32.self, in: bytes, at: 4))
    }

    /// Tells a worker why it is not taken, in a welcome's place.
    static func farewell(_ reason: ConnectionRefusal) -> [UInt8] {
        Handshake.bytes(of: reason.rawValue)
            + [UInt8](repeating: 0, count: welcomeByteCount - 4)
    }
}

/// Where the other side's ring lies, and the key to it.
struct RemoteRing: Equatable {
    let address: UInt64
    let key: UInt32
}
