import ConnectionProtocol
import Foundation
import LinkRecords
import MappedMemory
import RDMAConnections
import RDMATransport
import SystemPackage

/// Where the coordinator waits for connections between queue pairs.
final class RDMARendezvous: Rendezvous {
    let address: ConnectionAddress
    let secretPath: String?
    private let listener: RDMAListener
    private let secret: SharedSecret
    private let secretMemory: SharedSegment
    private let patience: Duration

    var transport: TransportChoice { .rdma }
    var secretDescriptor: FileDescriptor { secretMemory.descriptor }

    /// - Parameters:
    ///   - address: `nil` for this machine's first number that belongs to an RDMA device.
    ///   - secretPath: `nil` for a secret that only this run's processes know.
    static func open(
        at address: ConnectionAddress?, secretPath: String?, patience: Duration
    ) throws -> RDMARendezvous {
        guard RDMADevices.arePresent else {
            throw Failure(.machineLacks, "--transport rdma: \(ConnectionError.noDevice)")
        }
        guard
            let place = address ?? RDMADevices.address.map({ ConnectionAddress(host: $0, port: 0) })
        else {
            throw Failure(
                .machineLacks,
                "--transport rdma: no RDMA device of this machine has an IPv4 number; give its "
                    + "device one, or an address by --listen")
        }
        do {
            let secret = try secretPath.map { try SharedSecret.load(path: $0) } ?? .random()
            let memory = try SharedSegment.create(byteCount: secret.content.count)
            try memory.descriptor.writeAll(secret.content)
            return RDMARendezvous(
                try RDMAListener.open(at: place), secret, memory, secretPath, patience)
        } catch let error as ConnectionError {
            let isInput =
                switch error {
                case .listening, .system, .noDevice: false
                default: true
                }
            throw Failure(
                isInput ? .badInput : .machineLacks,
                "cannot wait for workers at \(place) over RDMA: \(error)")
        } catch {
            throw Failure(.machineLacks, "cannot keep the workers' secret: \(error)")
        }
    }

    private init(
        _ listener: RDMAListener, _ secret: SharedSecret, _ memory: consuming SharedSegment,
        _ secretPath: String?, _ patience: Duration
    ) {
        address = ConnectionAddress(
            host: SocketRendezvous.hostForWorkers(listener.address.host),
            port: listener.address.port)
        self.listener = listener
        self.secret = secret
        secretMemory = memory
        self.secretPath = secretPath
        self.patience = patience
    }

    func links(
        to awaited: [AwaitedWorker], waitPolicy: WaitPolicy, watch: (Int) -> LinkWatch
    ) throws -> [Int: any RemoteLink] {
        var links: [Int: any RemoteLink] = [:]
        let deadline = ContinuousClock.now + patience
        while let missing = awaited.first(where: { links[$0.terms.dimm] == nil }) {
            try Interruption.check()
            let rest = awaited.filter { links[$0.terms.dimm] == nil }
            do {
                if let connection = try listener.accept(
                    expecting: rest.map(\.terms), secret: secret, atMost: .milliseconds(20))
                {
                    let dimm = connection.terms.dimm
                    links[dimm] = RDMALink(
                        adopting: connection, waitPolicy: waitPolicy, watch: watch(dimm))
                    continue
                }
            } catch .system(let step, let cause) {
                throw Failure(.machineLacks, "cannot take connections: \(step): \(cause)")
            } catch {
                Terminal.complain("hermes: turned a connection away: \(error)")
            }
            try SocketRendezvous.checkLives(rest)
            guard ContinuousClock.now > deadline else { continue }
            throw Failure(
                .workerLost,
                "the worker of DIMM \(missing.terms.dimm) has not connected to \(address) within "
                    + "\(patience)")
        }
        return links
    }
}
