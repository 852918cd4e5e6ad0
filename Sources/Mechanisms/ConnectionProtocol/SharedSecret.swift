internal import SystemPackage

/// What both sides of a connection know and nobody else: each proves that it does, neither
/// sends it.
package struct SharedSecret: Sendable {
    /// Fewer could be guessed, more help nobody.
    static let byteCountRange = 16...4096
    package static let proofByteCount = 32

    private let bytes: [UInt8]

    /// Nil for bytes too few or too many.
    package init?(_ bytes: [UInt8]) {
        guard Self.byteCountRange.contains(bytes.count) else { return nil }
        self.bytes = bytes
    }

    /// 32 random bytes.
    package static func random() -> SharedSecret {
        guard let secret = SharedSecret(randomBytes(count: 32)) else {
            preconditionFailure("32 bytes are a secret")
        }
        return secret
    }

    /// Reads a file that nobody but its owner, this user, may read or write.
    package static func load(path: String) throws(ConnectionError) -> SharedSecret {
        let content = try readPrivateFile(path, limit: byteCountRange.upperBound)
        guard let secret = SharedSecret(content) else {
            throw .secretFile(
                path: path,
                rule: "it must hold \(byteCountRange.lowerBound) to \(byteCountRange.upperBound) "
                    + "bytes")
        }
        return secret
    }

    /// The content of a file that ``load(path:)`` reads back.
    package var content: [UInt8] { bytes }

    /// HMAC-SHA-256 of what was said so far, keyed with the secret.
    package func proof(by speaker: Speaker, of transcript: [UInt8]) -> [UInt8] {
        messageAuthenticationCode(
            key: bytes, of: Array("hermes-emulator \(speaker.rawValue)".utf8) + transcript)
    }

    package func isProof(_ proof: [UInt8], by speaker: Speaker, of transcript: [UInt8]) -> Bool {
        areEqualInConstantTime(proof, self.proof(by: speaker, of: transcript))
    }

    /// A proof of one side is none of the other.
    package enum Speaker: String {
        case coordinator
        case worker
    }

    package static func randomBytes(count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
}
