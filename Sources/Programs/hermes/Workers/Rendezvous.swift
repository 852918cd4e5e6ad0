import ConnectionProtocol
import LinkRecords
import SocketTransport
import SystemPackage

/// Where the coordinator waits for its workers' connections, whatever carries them.
protocol Rendezvous: AnyObject {
    /// What carries the messages, as a worker is told.
    var transport: TransportChoice { get }
    /// Where workers connect.
    var address: ConnectionAddress { get }
    /// Where workers on other hosts find the secret.
    var secretPath: String? { get }
    /// For workers on this machine to inherit.
    var secretDescriptor: FileDescriptor { get }

    /// Waits until all have connected.
    ///
    /// - Parameter watch: of the link to a DIMM's worker.
    /// - Returns: the links by DIMM.
    func links(
        to awaited: [AwaitedWorker], waitPolicy: WaitPolicy, watch: (Int) -> LinkWatch
    ) throws -> [Int: any RemoteLink]
}

extension Rendezvous {
    var contact: WorkerContact {
        WorkerContact(address: "\(address)", transport: transport, secretPath: secretPath)
    }
}

extension SocketRendezvous: Rendezvous {
    var transport: TransportChoice { .tcp }

    func links(
        to awaited: [AwaitedWorker], waitPolicy: WaitPolicy, watch: (Int) -> LinkWatch
    ) throws -> [Int: any RemoteLink] {
        var links: [Int: any RemoteLink] = [:]
        try accept(awaited) { connection in
            let dimm = connection.terms.dimm
            links[dimm] = SocketLink(
                adopting: connection, waitPolicy: waitPolicy, watch: watch(dimm))
        }
        return links
    }
}
