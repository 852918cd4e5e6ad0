import ArgumentParser
import DIMMWorker
import FaultInjection
import Glibc
import HostFacts
import LinkRecords
import MappedMemory
import Messages
import ModelFile
import NUMABinding
import Pacing
import RingTransport
import Supervision
import SystemPackage
import Transformer

/// `hermes worker`: one NDP-DIMM. Started by the coordinator, which passes the ring segment and
/// the model, if there is a file of it, as open descriptors; or by a launcher on another host,
/// where
/// it connects to the coordinator and opens the model itself.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Runs one NDP-DIMM; started by the coordinator, not by hand.")

    @Option(help: "Process identifier of the coordinator, when that started this process itself.")
    var coordinator: Int32?

    @Flag(help: "End with the process that started this one, whatever that is.")
    var bonded = false

    @OptionGroup var connection: ConnectionOptions

    @Option(help: "Names this start of the worker: 32 hexadecimal digits.")
    var session: String

    @Option(help: "Index of the DIMM.")
    var dimm: Int

    @OptionGroup var binding: WorkerBindingOptions

    @Option(help: "Looks at the ring before yielding; 0 when no core is spare.")
    var spinIterations: Int

    @Option(help: "Looks at the ring, yielding the core between them, before sleeping.")
    var yieldCount: Int

    @Option(help: "How many links' caps a paced run shares; only in a paced run.")
    var links: Int?

    @Option(
        name: .customLong("peer"),
        help: "A worker that neurons are exchanged with: its DIMM and the ring's session, D:S.")
    var peers: [PeerArgument] = []

    @Option(help: "What messages call the model file; its path where no descriptor is inherited.")
    var modelName: String?

    @Option(
        name: .customLong("model-sha256"),
        help: "What the file at the model's path must hash to; without, it is inherited.")
    var modelSHA256: String?

    @Flag(help: "Knows of the model only its shape, which the coordinator sends.")
    var shape = false

    @Option(name: .customLong("fault"), help: "A failure to make happen here.")
    var faults: [FaultText] = []

    @Option(help: "Position of the first token that is decoded; with --fault.")
    var firstPosition = 0

    @Flag(help: "Get no memory for the shard: a failure to make happen here.")
    var refuseMemory = false

    func validate() throws {
        guard LinkSession(session) != nil else { throw ValidationError("--session is malformed") }
        guard spinIterations >= 0, yieldCount >= 0, dimm >= 0, links ?? 1 >= 1 else {
            throw ValidationError("--links is above 0, no other count below")
        }
        guard shape == (modelName == nil) else {
            throw ValidationError("give --model-name or --shape")
        }
        guard coordinator != nil || connection.connect != nil else {
            throw ValidationError("give --coordinator or --connect")
        }
    }

    func run() throws {
        try bond()
        hashAhead()
        let link = try attach()
        defer { leave(link) }
        do {
            try serve(link)
        } catch LinkError.peerGone {
            // The coordinator closed the link: it is leaving, and so are we.
            return
        } catch {
            let failure = Self.failure(of: error)
            Self.report(failure, over: link)
            throw failure
        }
    }

    private func bond() throws {
        guard let parent = coordinator ?? (bonded ? getppid() : nil) else { return }
        do {
            try ParentBond.join(expectedParent: parent)
        } catch {
            throw Failure(.machineLacks, "cannot tie the worker to its coordinator: \(error)")
        }
    }

    /// Fills the cache of hashes while nobody waits: what lies unread on a connection for a minute
    /// ends it, and a large file takes longer. What is wrong is said when the model is opened.
    private func hashAhead() {
        guard modelSHA256 != nil, let modelName, let file = try? ModelFile.open(path: modelName),
            let descriptor = file.descriptor
        else { return }
        _ = try? ModelHash.hexadecimal(of: descriptor)
    }

    private func attach() throws -> any CarriedLink {
        guard let session = LinkSession(session) else {
            throw Failure(.usage, "--session is malformed")
        }
        let policy = WaitPolicy(spinIterations: spinIterations, yieldCount: yieldCount)
        if connection.connect != nil {
            return try connection.link(dimm: dimm, session: session, waitPolicy: policy)
        }
        do {
            let segment = try RingSegment.adopt(
                FileDescriptor(rawValue: WorkerFleet.linkDescriptor), session: session)
            return try RingLink.workerEnd(segment, waitPolicy: policy) { () throws(LinkError) in }
        } catch {
            throw Failure(.workerLost, "DIMM \(dimm): cannot attach the ring: \(error)")
        }
    }

    /// What was sent last reaches the coordinator before this process ends.
    private func leave(_ link: any CarriedLink) {
        link.close()
        (link as? any RemoteLink)?.linger(upTo: .seconds(5))
    }

    private func attachPeers(_ port: RelayPort?) throws -> WorkerPeers {
        if let port {
            return WorkerPeers(
                links: Dictionary(
                    uniqueKeysWithValues: connection.relayedPeers.map { ($0, port.peer($0)) }))
        }
        var links: [Int: any MessageLink] = [:]
        for (index, peer) in peers.enumerated() {
            do {
                let segment = try RingSegment.adopt(
                    FileDescriptor(
                        rawValue: WorkerFleet.firstPeerDescriptor + Int32(index)),
                    session: peer.session)
                links[peer.dimm] = try PeerEnd.attach(segment, dimm: dimm, peer: peer.dimm)
            } catch {
                throw Failure(
                    .workerLost,
                    "DIMM \(dimm): cannot attach the ring to DIMM \(peer.dimm): \(error)")
            }
        }
        return WorkerPeers(links: links) { [dimm, coordinator] peer, address throws(LinkError) in
            try PeerEnd.open(
                address, dimm: dimm, peer: peer, coordinator: coordinator ?? getppid())
        }
    }

    /// The role's link to the coordinator, with this worker's faults on it.
    private func faulty(
        _ link: any MessageLink, over carrier: any CarriedLink
    ) throws -> any MessageLink {
        if refuseMemory { WorkerFaults.refuseMemory() }
        return WorkerFaults.link(
            link, over: carrier, faults: try faults.map { try $0.only() },
            firstPosition: firstPosition, coordinator: coordinator)
    }

    private func serve(_ carrier: any CarriedLink) throws {
        let port = connection.messageLimit.map { RelayPort(carrier, limit: $0) }
        let link = try faulty(port ?? carrier, over: carrier)
        let binding = try WorkerBinding.bind(as: binding)
        let caps = try links.map {
            try SharedCaps.adopt(
                FileDescriptor(rawValue: WorkerFleet.capsDescriptor), linkCount: $0)
        }
        let pacing = WallPacing(board: caps?.board, sparesCores: false)
        guard let modelName else {
            var worker = try ShapeWorker.attach(
                to: link, peers: attachPeers(port), probe: binding, pacing: pacing)
            return try worker.serve()
        }
        var worker = try DIMMWorker.attach(
            to: link, peers: attachPeers(port), model: DecoderModel(modelFile(modelName)),
            probe: binding,
            pacing: pacing)
        try worker.serve()
    }

    /// The inherited file, or the one at the model's path, which must be the coordinator's.
    private func modelFile(_ name: String) throws -> ModelFile {
        guard let modelSHA256 else {
            return try ModelFile.adopt(
                FileDescriptor(rawValue: WorkerFleet.modelDescriptor), name: name)
        }
        let file = try ModelFile.open(path: name)
        guard let descriptor = file.descriptor,
            try ModelHash.hexadecimal(of: descriptor) == modelSHA256
        else {
            throw Failure(.badInput, "model file '\(name)' is not the coordinator's")
        }
        return file
    }

    /// Tells the coordinator why; it may be gone, then nobody needs to know.
    private static func report(_ failure: Failure, over link: any CarriedLink) {
        let header = MessageHeader(.fault, auxiliary: Int(failure.code.rawValue), step: 0)
        let text = Array(failure.description.utf8.prefix(1000))
        try? link.send(byteCount: MessageHeader.byteCount + text.count) { message in
            header.encode(into: &message)
            unsafe message.store(bytes: text.span.bytes, at: MessageHeader.byteCount)
        }
    }

    private static func failure(of error: any Error) -> Failure {
        switch error {
        case let failure as Failure: failure
        case let error as ModelFileError:
            Failure(error.isLackOfResources ? .machineLacks : .badInput, error.description)
        case MappedMemoryError.system(.takeHugePages, _, _):
            Failure(
                .bindingRefused,
                "\(error); to make a pool, "
                    + HostFacts.HugePages.current().advice(node: nil, freeCount: nil))
        case let error as MappedMemoryError: Failure(.machineLacks, error.description)
        case let error as LinkError: Failure(.workerLost, error.description)
        default: Failure(.internalFault, "\(error)")
        }
    }
}
