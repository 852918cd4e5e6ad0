import ConnectionProtocol
import Foundation
import Glibc
import LinkRecords
import MappedMemory
import RDMAConnections
import RDMATransport
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

/// Where the coordinator waits for its workers' connections, whatever carries them.
final class Rendezvous {
    /// Where a worker on this machine finds the secret: in a descriptor that it inherits.
    static let nearPath = "/proc/self/fd/\(WorkerFleet.linkDescriptor)"

    /// What stands for all interfaces where a process listens, and for itself where it connects.
    static let allInterfaces = "0.0.0.0"

    /// Where workers connect.
    private let address: ConnectionAddress
    private let transport: TransportChoice
    private let secretPath: String?
    private let listener: any ConnectionListener
    private let secret: SharedSecret
    private let secretMemory: SharedSegment
    private let patience: Duration

    /// - Parameters:
    ///   - address: `nil` for this machine's first number that belongs to an RDMA device.
    ///   - secretPath: `nil` for a secret that only this run's processes know.
    static func open(
        _ transport: TransportChoice, at address: ConnectionAddress?, secretPath: String?,
        patience: Duration
    ) throws -> Rendezvous {
        let place = try address ?? deviceAddress()
        do {
            let secret = try secretPath.map { try SharedSecret.load(path: $0) } ?? .random()
            let memory = try SharedSegment.create(byteCount: secret.content.count)
            try memory.descriptor.writeAll(secret.content)
            let listener: any ConnectionListener =
                transport == .rdma
                ? try RDMAListener.open(at: place) : try SocketListener.open(at: place)
            return Rendezvous(listener, transport, secret, memory, secretPath, patience)
        } catch let error as ConnectionError {
            let code: Failure.Code
            switch error {
            case .listening, .system, .noDevice: code = .machineLacks
            default: code = .badInput
            }
            throw Failure(
                code, "cannot wait for workers at \(place) over \(transport.rawValue): \(error)")
        } catch {
            throw Failure(.machineLacks, "cannot keep the workers' secret: \(error)")
        }
    }

    private static func deviceAddress() throws -> ConnectionAddress {
        guard RDMADevices.arePresent else {
            throw Failure(.machineLacks, "--transport rdma: \(ConnectionError.noDevice)")
        }
        guard let number = RDMADevices.address else {
            throw Failure(
                .machineLacks,
                "--transport rdma: no RDMA device of this machine has an IPv4 number; give its "
                    + "device one, or an address by --listen")
        }
        return ConnectionAddress(host: number, port: 0)
    }

    private init(
        _ listener: any ConnectionListener, _ transport: TransportChoice, _ secret: SharedSecret,
        _ memory: consuming SharedSegment, _ secretPath: String?, _ patience: Duration
    ) {
        address = ConnectionAddress(
            host: Self.hostForWorkers(listener.address.host), port: listener.address.port)
        self.listener = listener
        self.transport = transport
        self.secret = secret
        secretMemory = memory
        self.secretPath = secretPath
        self.patience = patience
    }

    /// The name by which workers reach a process that listens at `host`.
    static func hostForWorkers(_ host: String) -> String {
        [allInterfaces, "::"].contains(host) ? ProcessInfo.processInfo.hostName : host
    }

    var contact: WorkerContact {
        WorkerContact(address: "\(address)", transport: transport, secretPath: secretPath)
    }

    /// For workers on this machine to inherit.
    var secretDescriptor: FileDescriptor { secretMemory.descriptor }

    /// Waits until all have connected. Strangers are turned away and told of.
    ///
    /// - Parameter watch: of the link to a DIMM's worker.
    /// - Returns: the links by DIMM.
    func links(
        to awaited: [AwaitedWorker], waitPolicy: WaitPolicy, watch: (Int) -> LinkWatch
    ) throws -> [Int: any RemoteLink] {
        var links: [Int: any RemoteLink] = [:]
        let deadline = ContinuousClock.now + patience
        while true {
            let rest = awaited.filter { links[$0.terms.dimm] == nil }
            guard let missing = rest.first else { return links }
            try Interruption.check()
            do {
                let found = try listener.link(
                    expecting: rest.map(\.terms), secret: secret, atMost: .milliseconds(20),
                    waitPolicy: waitPolicy, watch: watch)
                if let found {
                    links[found.dimm] = found.link
                    continue
                }
            } catch .listening(let cause) {
                throw Failure(
                    .machineLacks, "cannot take connections at \(address): \(cause)")
            } catch {
                Terminal.complain("hermes: turned a connection away: \(error)")
            }
            try Self.checkLives(rest)
            guard ContinuousClock.now > deadline else { continue }
            throw Failure(
                .workerLost,
                "the worker of DIMM \(missing.terms.dimm) has not connected to \(address) within "
                    + "\(patience)")
        }
    }

    /// A worker that cannot connect says why on standard error, and its exit code says how bad it
    /// is.
    private static func checkLives(_ awaited: [AwaitedWorker]) throws {
        for worker in awaited {
            guard let exit = worker.process.poll() else { continue }
            throw Failure(
                .workerLost,
                "the worker of DIMM \(worker.terms.dimm) \(exit) before it connected")
        }
    }
}
