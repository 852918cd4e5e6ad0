import ConnectionProtocol
import Foundation
import Glibc
import MappedMemory
import SocketTransport
import Supervision
import SystemPackage

/// A worker that was started and has not connected yet.
struct AwaitedWorker {
    let terms: LinkTerms
    let process: WorkerProcess
}

/// What workers are told of the coordinator, as text: a dry run gives names to what nobody knows
/// yet.
struct WorkerContact {
    /// HOST:PORT.
    let address: String
    let transport: TransportChoice
    /// Where workers on other hosts find the secret.
    let secretPath: String?
    /// The coordinator's process, for workers that it starts itself.
    var process = "\(getpid())"
}

/// Where the coordinator waits for its workers' connections.
final class SocketRendezvous {
    /// Where a worker on this machine finds the secret: in a descriptor that it inherits.
    static let nearPath = "/proc/self/fd/\(WorkerFleet.linkDescriptor)"

    /// What stands for all interfaces where a process listens, and for itself where it connects.
    static let allInterfaces = "0.0.0.0"

    /// Where workers connect.
    let address: ConnectionAddress
    let secretPath: String?
    private let listener: SocketListener
    private let secret: SharedSecret
    private let secretMemory: SharedSegment
    private let patience: Duration

    /// - Parameter secretPath: `nil` for a secret that only this run's processes know.
    static func open(
        at address: ConnectionAddress, secretPath: String?, patience: Duration
    ) throws -> SocketRendezvous {
        do {
            let secret = try secretPath.map { try SharedSecret.load(path: $0) } ?? .random()
            let memory = try SharedSegment.create(byteCount: secret.content.count)
            try memory.descriptor.writeAll(secret.content)
            return SocketRendezvous(
                try SocketListener.open(at: address), secret, memory, secretPath, patience)
        } catch let error as ConnectionError {
            let code: Failure.Code
            switch error {
            case .listening, .system: code = .machineLacks
            default: code = .badInput
            }
            throw Failure(code, "cannot wait for workers at \(address): \(error)")
        } catch {
            throw Failure(.machineLacks, "cannot keep the workers' secret: \(error)")
        }
    }

    private init(
        _ listener: SocketListener, _ secret: SharedSecret,
        _ memory: consuming SharedSegment, _ secretPath: String?, _ patience: Duration
    ) {
        address = ConnectionAddress(
            host: Self.hostForWorkers(listener.address.host), port: listener.address.port)
        self.listener = listener
        self.secret = secret
        secretMemory = memory
        self.secretPath = secretPath
        self.patience = patience
    }

    /// The name by which workers reach a process that listens at `host`.
    static func hostForWorkers(_ host: String) -> String {
        [allInterfaces, "::"].contains(host) ? ProcessInfo.processInfo.hostName : host
    }

    /// For workers on this machine to inherit.
    var secretDescriptor: FileDescriptor { secretMemory.descriptor }

    /// Waits until all have connected. Strangers are turned away and told of.
    func accept(
        _ awaited: [AwaitedWorker], _ take: (consuming SocketConnection) -> Void
    ) throws {
        var rest = awaited
        let deadline = ContinuousClock.now + patience
        while !rest.isEmpty {
            try Interruption.check()
            do {
                if let connection = try listener.accept(
                    expecting: rest.map(\.terms), secret: secret, atMost: .milliseconds(20))
                {
                    let dimm = connection.terms.dimm
                    rest.removeAll { $0.terms.dimm == dimm }
                    take(connection)
                }
            } catch .listening(let cause) {
                throw Failure(
                    .machineLacks, "cannot take connections at \(address): \(cause)")
            } catch {
                Terminal.complain("hermes: turned a connection away: \(error)")
            }
            try Self.checkLives(rest)
            guard let first = rest.first, ContinuousClock.now > deadline else { continue }
            throw Failure(
                .workerLost,
                "the worker of DIMM \(first.terms.dimm) has not connected to \(address) within "
                    + "\(patience)")
        }
    }

    /// A worker that cannot connect says why on standard error, and its exit code says how bad it
    /// is.
    static func checkLives(_ awaited: [AwaitedWorker]) throws {
        for worker in awaited {
            guard let exit = worker.process.poll() else { continue }
            throw Failure(
                .workerLost,
                "the worker of DIMM \(worker.terms.dimm) \(exit) before it connected")
        }
    }
}
