package import SystemPackage

/// Why two processes are not connected. Errors of an open link are `LinkError`s.
package enum ConnectionError: Error, Equatable, CustomStringConvertible {
    /// The text names no address.
    case address(String, rule: String)
    /// Nobody listens at the address.
    case refused(String)
    /// No way leads to the address.
    case unreachable(String, cause: Errno)
    /// The other side did not answer in time.
    case timedOut(step: String)
    /// The other side ended the connection before both had agreed.
    case abandoned(step: String)
    /// The two sides do not agree about `field` of the handshake.
    case handshake(field: String, expected: String, found: String)
    /// The other side does not know the secret.
    case wrongSecret
    /// The other side refused, and says why.
    case refusedByPeer(ConnectionRefusal)
    /// The file of the secret cannot be used.
    case secretFile(path: String, rule: String)
    /// No connections can be waited for, or taken.
    case listening(cause: Errno)
    /// Nothing here carries such connections.
    case noDevice
    /// The operating system refused.
    case system(step: String, cause: Errno)

    package var description: String {
        switch self {
        case .address(let text, let rule): "'\(text)' is no address: \(rule)"
        case .refused(let address): "nobody listens at \(address)"
        case .unreachable(let address, let cause): "no way leads to \(address): \(cause)"
        case .timedOut(let step): "no answer in time while \(step)"
        case .abandoned(let step): "the other side ended the connection while \(step)"
        case .handshake(let field, let expected, let found):
            "connection refused: its \(field) is \(found), expected \(expected)"
        case .wrongSecret: "connection refused: the other side does not know the secret"
        case .refusedByPeer(let refusal): "the other side refused: \(refusal)"
        case .secretFile(let path, let rule): "secret file '\(path)': \(rule)"
        case .listening(let cause): "cannot listen: \(cause)"
        case .noDevice: "this machine has no RDMA device"
        case .system(let step, let cause): "\(step): \(cause)"
        }
    }
}

/// What a coordinator says to a worker that it does not take.
package enum ConnectionRefusal: UInt32, Equatable, Sendable, CustomStringConvertible {
    case magic = 1
    case version = 2
    case worker = 3
    case session = 4
    case epoch = 5
    case secret = 6

    package var description: String {
        switch self {
        case .magic: "this is not its protocol"
        case .version: "it speaks another version of the protocol"
        case .worker: "it waits for no such worker"
        case .session: "it waits for another start of the worker"
        case .epoch: "the worker's place was taken by a later one"
        case .secret: "the secret is wrong"
        }
    }
}
