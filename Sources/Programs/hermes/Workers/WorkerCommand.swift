import ArgumentParser
import DIMMWorker
import FaultInjection
import Glibc
import HostFacts
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
/// the model, if there is a file of it, as open descriptors.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Runs one NDP-DIMM; started by the coordinator, not by hand.")

    @Option(help: "Process identifier of the coordinator.")
    var coordinator: Int32

    @Option(help: "The ring segment's session, 32 hexadecimal digits.")
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

    @Option(help: "What messages call the model file, which is inherited.")
    var modelName: String?

    @Flag(help: "Knows of the model only its shape, which the coordinator sends.")
    var shape = false

    @Option(name: .customLong("fault"), help: "A failure to make happen here.")
    var faults: [FaultText] = []

    @Option(help: "Position of the first token that is decoded; with --fault.")
    var firstPosition = 0

    @Flag(help: "Get no memory for the shard: a failure to make happen here.")
    var refuseMemory = false

    func validate() throws {
        guard RingSession(session) != nil else { throw ValidationError("--session is malformed") }
        guard spinIterations >= 0, yieldCount >= 0, dimm >= 0, links ?? 1 >= 1 else {
            throw ValidationError("--links is above 0, no other count below")
        }
        guard shape == (modelName == nil) else {
            throw ValidationError("give --model-name or --shape")
        }
    }

    func run() throws {
        try bond()
        let link = try attach()
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
        do {
            try ParentBond.join(expectedParent: coordinator)
        } catch {
            throw Failure(.machineLacks, "cannot tie the worker to its coordinator: \(error)")
        }
    }

    private func attach() throws -> RingLink {
        guard let session = RingSession(session) else {
            throw Failure(.usage, "--session is malformed")
        }
        do {
            let segment = try RingSegment.adopt(
                FileDescriptor(rawValue: WorkerFleet.linkDescriptor), session: session)
            let policy = WaitPolicy(spinIterations: spinIterations, yieldCount: yieldCount)
            return try RingLink.workerEnd(segment, waitPolicy: policy) { () throws(LinkError) in }
        } catch {
            throw Failure(.workerLost, "DIMM \(dimm): cannot attach the ring: \(error)")
        }
    }

    private func attachPeers() throws -> WorkerPeers {
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
            try PeerEnd.open(address, dimm: dimm, peer: peer, coordinator: coordinator)
        }
    }

    /// The link to the coordinator, with this worker's faults on it.
    private func faulty(_ link: RingLink) throws -> any MessageLink {
        if refuseMemory { WorkerFaults.refuseMemory() }
        return WorkerFaults.link(
            link, faults: try faults.map { try $0.only() }, firstPosition: firstPosition,
            coordinator: coordinator)
    }

    private func serve(_ ring: RingLink) throws {
        let link = try faulty(ring)
        let binding = try WorkerBinding.bind(as: binding)
        let caps = try links.map {
            try SharedCaps.adopt(
                FileDescriptor(rawValue: WorkerFleet.capsDescriptor), linkCount: $0)
        }
        let pacing = WallPacing(board: caps?.board, sparesCores: false)
        guard let modelName else {
            var worker = try ShapeWorker.attach(
                to: link, peers: attachPeers(), probe: binding, pacing: pacing)
            return try worker.serve()
        }
        let file = try ModelFile.adopt(
            FileDescriptor(rawValue: WorkerFleet.modelDescriptor), name: modelName)
        var worker = try DIMMWorker.attach(
            to: link, peers: attachPeers(), model: DecoderModel(file), probe: binding,
            pacing: pacing)
        try worker.serve()
    }

    /// Tells the coordinator why; it may be gone, then nobody needs to know.
    private static func report(_ failure: Failure, over link: RingLink) {
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
