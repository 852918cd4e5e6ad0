import ArgumentParser
import ConnectionProtocol
import Foundation
import LinkRecords
import Messages
import RDMATransport
import SocketTransport

/// How a worker without inherited memory reaches its coordinator.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "Where the coordinator waits: HOST:PORT. Without, a ring is inherited.")
    var connect: String?

    @Option(help: "What carries messages to an address: tcp or rdma.")
    var transport = TransportChoice.tcp

    @Option(help: "File with what coordinator and workers know; only its owner may have access.")
    var secretFile: String?

    @Option(help: "How many workers the DIMM had before.")
    var epoch: UInt32 = 0

    @Option(help: "The largest message that this worker sends or gets, in bytes.")
    var messageLimit: Int?

    @Option(
        name: .customLong("relayed-peer"),
        help: "A DIMM that neurons are exchanged with, by way of the coordinator.")
    var relayedPeers: [Int] = []

    func validate() throws {
        guard (connect == nil) == (secretFile == nil), (connect == nil) == (messageLimit == nil)
        else {
            throw ValidationError("--connect, --secret-file and --message-limit go together")
        }
        guard transport != .sharedMemory else {
            throw ValidationError("--transport must be tcp or rdma")
        }
        guard messageLimit ?? 1 >= 1, relayedPeers.count == Set(relayedPeers).count else {
            throw ValidationError("--message-limit must be above 0, a peer is named once")
        }
    }

    /// What Slurm calls this node, which one machine may have several of; nil outside its steps.
    private static var nodeName: String? {
        ProcessInfo.processInfo.environment["SLURMD_NODENAME"]
    }

    /// Connects to the coordinator; exit 65 for an address or a secret that is wrong, 69 where no
    /// way leads.
    func link(
        dimm: Int, session: LinkSession, waitPolicy: WaitPolicy
    ) throws -> any RemoteLink {
        guard let connect, let secretFile else {
            preconditionFailure("only a worker with an address connects")
        }
        do {
            let address = try ConnectionAddress(connect)
            let secret = try SharedSecret.load(path: secretFile)
            let watch: LinkWatch = { () throws(LinkError) in }
            guard transport == .rdma else {
                let connection = try SocketConnection.connect(
                    to: address, dimm: dimm, session: session, epoch: epoch, secret: secret,
                    hostName: Self.nodeName)
                return SocketLink(adopting: connection, waitPolicy: waitPolicy, watch: watch)
            }
            let connection = try RDMAConnection.connect(
                to: address, dimm: dimm, session: session, epoch: epoch, secret: secret,
                hostName: Self.nodeName)
            return RDMALink(adopting: connection, waitPolicy: waitPolicy, watch: watch)
        } catch {
            let text = "DIMM \(dimm): cannot connect to the coordinator: \(error)"
            switch error {
            case .address, .secretFile, .handshake, .refusedByPeer, .wrongSecret:
                throw Failure(.badInput, text)
            default:
                throw Failure(.machineLacks, text)
            }
        }
    }
}
