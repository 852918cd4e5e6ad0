import ConnectionProtocol
import Foundation
import Glibc
import LinkRecords
import Logging
import Messages
import Pacing
import RingTransport
import Supervision
import SystemPackage
import Topology

/// Which DIMM a worker serves, and after how many others.
struct WorkerPlace {
    let dimm: Int
    let incarnation: Int
}

/// How single workers are started and reached.
extension WorkerFleet {
    /// Starts workers, all at once where they connect by themselves.
    func startWorkers(
        _ places: [WorkerPlace]
    ) throws -> [(worker: WorkerProcess, link: any CarriedLink)] {
        guard let rendezvous = launch.reach.rendezvous else {
            return try places.map { place in
                try Interruption.check()
                return try startRingWorker(place)
            }
        }
        return try startConnectingWorkers(places, rendezvous)
    }

    // MARK: Shared memory

    private func startRingWorker(
        _ place: WorkerPlace
    ) throws -> (worker: WorkerProcess, link: any CarriedLink) {
        let dimm = place.dimm
        let session = LinkSession.random()
        let scarcity = try faults.scarcity(ofDIMM: dimm, incarnation: place.incarnation)
        defer { try? scarcity.unreadableModel?.close() }
        let segment = try RingSegment.create(
            capacityPerDirection: launch.rings.capacity, session: session)
        try binding.bindRings(of: segment, dimm: dimm)
        var arguments = commonArguments(dimm: dimm, session: session, scarcity)
        arguments += ["--coordinator", "\(getpid())"]
        arguments += launch.model.map { ["--model-name", $0.path] } ?? []
        var inherited = [(descriptor: segment.descriptor, as: Self.linkDescriptor)]
        inherited += localDescriptors(scarcity)
        for (index, peer) in peers.filter({ $0.argument(ofDIMM: dimm) != nil }).enumerated() {
            inherited.append((peer.descriptor, as: Self.firstPeerDescriptor + Int32(index)))
        }
        for peer in peers.compactMap({ $0.argument(ofDIMM: dimm) }) {
            arguments += ["--peer", peer]
        }
        let worker = try startProcess(
            dimm: dimm, executable: launch.executable, arguments, inheriting: inherited)
        let waker = try RingWaker(segment)
        let (watch, stall) = watch(over: worker, dimm: dimm, isNear: true)
        let link = try RingLink.coordinatorEnd(
            segment, waitPolicy: launch.waitPolicy, watch: watch)
        stall?.progress = { [unowned link] in link.statistics.messagesReceived }
        try exits.add(worker) { waker.wake() }
        return (worker, link)
    }

    // MARK: Connections

    private func startConnectingWorkers(
        _ places: [WorkerPlace], _ rendezvous: Rendezvous
    ) throws -> [(worker: WorkerProcess, link: any CarriedLink)] {
        var awaited: [AwaitedWorker] = []
        // Before the first worker waits for its offer: a large file takes long.
        if let model = launch.model,
            places.contains(where: { !launch.reach.isNear(launch.hosts[$0.dimm]) })
        {
            modelHash = try modelHash ?? ModelHash.hexadecimal(of: model.descriptor)
        }
        var stalls: [Int: StallWatch] = [:]
        let links: [Int: any RemoteLink]
        do {
            for place in places {
                try Interruption.check()
                awaited.append(try startConnectingWorker(place, rendezvous))
            }
            links = try rendezvous.links(to: awaited, waitPolicy: launch.waitPolicy) { dimm in
                guard let process = awaited.first(where: { $0.terms.dimm == dimm })?.process else {
                    preconditionFailure("only those that are awaited are taken")
                }
                let (watch, stall) = watch(
                    over: process, dimm: dimm, isNear: launch.reach.isNear(launch.hosts[dimm]))
                stalls[dimm] = stall
                return watch
            }
        } catch {
            // A launcher that is killed tells nobody on the other host.
            awaited.map(\.process).terminateAll(grace: .seconds(2))
            throw error
        }
        return awaited.map { worker in
            let dimm = worker.terms.dimm
            guard let link = links[dimm] else {
                preconditionFailure("all that were awaited have come")
            }
            stalls[dimm]?.progress = { [unowned link] in link.statistics.messagesReceived }
            return (worker.process, link)
        }
    }

    private func startConnectingWorker(
        _ place: WorkerPlace, _ rendezvous: Rendezvous
    ) throws -> AwaitedWorker {
        let dimm = place.dimm
        let terms = LinkTerms(
            dimm: dimm, session: .random(), epoch: UInt32(place.incarnation),
            capacity: launch.windowCapacity)
        let scarcity = try faults.scarcity(ofDIMM: dimm, incarnation: place.incarnation)
        defer { try? scarcity.unreadableModel?.close() }
        let command = try command(terms, rendezvous.contact, scarcity)
        var inherited: [(descriptor: FileDescriptor, as: Int32)] = []
        if launch.reach.isNear(launch.hosts[dimm]) {
            inherited.append((rendezvous.secretDescriptor, as: Self.linkDescriptor))
            inherited += localDescriptors(scarcity)
        }
        let worker = try startProcess(
            dimm: dimm, executable: Locations.program(command.executable), command.arguments,
            inheriting: inherited)
        return AwaitedWorker(terms: terms, process: worker)
    }

    /// What starts a worker that connects: its program, or a launcher on whose other end it is.
    func command(
        _ terms: LinkTerms, _ contact: WorkerContact,
        _ scarcity: FaultPlan.Scarcity = FaultPlan.Scarcity()
    ) throws -> (executable: String, arguments: [String]) {
        let host = launch.hosts[terms.dimm]
        guard launch.reach.isNear(host) else {
            return try launch.reach.command(
                onHost: host, farArguments(terms, contact, scarcity))
        }
        let arguments =
            connectionArguments(terms, contact, scarcity, secretFile: Rendezvous.nearPath)
            + ["--coordinator", contact.process]
            + (launch.model.map { ["--model-name", $0.path] } ?? [])
        return (launch.executable, arguments)
    }

    /// The name of the host that a DIMM's worker runs on, as that told it itself.
    func hostName(ofDIMM dimm: Int) -> String {
        (links[dimm] as? any RemoteLink)?.peerHostName ?? ProcessInfo.processInfo.hostName
    }

    private func connectionArguments(
        _ terms: LinkTerms, _ contact: WorkerContact, _ scarcity: FaultPlan.Scarcity,
        secretFile: String
    ) -> [String] {
        commonArguments(dimm: terms.dimm, session: terms.session, scarcity) + [
            "--connect", contact.address, "--transport", contact.transport.rawValue,
            "--secret-file", secretFile,
            "--epoch", "\(terms.epoch)", "--message-limit", "\(launch.messageLimit)",
        ]
            + launch.rings.peers.compactMap { $0.partner(of: terms.dimm) }
            .flatMap { ["--relayed-peer", "\($0)"] }
    }

    /// What a worker on another host is told: it inherits nothing.
    private func farArguments(
        _ terms: LinkTerms, _ contact: WorkerContact, _ scarcity: FaultPlan.Scarcity
    ) throws -> [String] {
        var arguments = connectionArguments(
            terms, contact, scarcity, secretFile: contact.secretPath ?? "")
        // Slurm ends what a step has started; ssh leaves it where it is.
        if launch.reach.launcher == .ssh { arguments.append("--bonded") }
        guard let model = launch.model else { return arguments }
        return arguments + [
            "--model-name", launch.reach.modelPath ?? LaunchOptions.absolute(model.path),
            "--model-sha256", try modelHash ?? ModelHash.hexadecimal(of: model.descriptor),
        ]
    }

    // MARK: All

    private func commonArguments(
        dimm: Int, session: LinkSession, _ scarcity: FaultPlan.Scarcity
    ) -> [String] {
        var arguments = [
            "worker", "--session", session.description, "--dimm", "\(dimm)",
            "--spin-iterations", "\(launch.waitPolicy.spinIterations)",
            "--yield-count", "\(launch.waitPolicy.yieldCount)",
        ]
        arguments += binding.arguments(ofDIMM: dimm)
        if launch.model == nil { arguments.append("--shape") }
        if let caps { arguments += ["--links", "\(caps.board.linkCount)"] }
        arguments += faults.arguments(ofDIMM: dimm)
        if scarcity.refusesMemory { arguments.append("--refuse-memory") }
        return arguments
    }

    /// The model and the caps, for a worker on this machine.
    private func localDescriptors(
        _ scarcity: FaultPlan.Scarcity
    ) -> [(descriptor: FileDescriptor, as: Int32)] {
        var inherited: [(descriptor: FileDescriptor, as: Int32)] = []
        if let model = launch.model {
            let descriptor = scarcity.unreadableModel ?? model.descriptor
            inherited.append((descriptor, as: Self.modelDescriptor))
        }
        if let caps { inherited.append((caps.descriptor, as: Self.capsDescriptor)) }
        return inherited
    }

    private func startProcess(
        dimm: Int, executable: String, _ arguments: [String],
        inheriting inherited: [(descriptor: FileDescriptor, as: Int32)]
    ) throws -> WorkerProcess {
        let worker = try binding.coordinator.asInherited {
            try WorkerProcess.start(
                executable: executable, arguments: arguments, inheriting: inherited)
        }
        logger.info(
            "started worker",
            metadata: ["dimm": "\(dimm)", "pid": "\(worker.processIdentifier)"])
        return worker
    }

    /// - Parameter isNear: whether the process is the worker itself: another's CPU time says
    ///   nothing of a worker, whose answers alone are waited for then.
    private func watch(
        over worker: WorkerProcess, dimm: Int, isNear: Bool
    ) -> (watch: LinkWatch, stall: StallWatch?) {
        let resumption = faults.resumption(of: worker, dimm: dimm)
        let stall = policy.stallAfter.map { _ in
            isNear
                ? StallWatch(worker) { [unowned self] in stallLimit }
                : StallWatch(nil) { [unowned self] in
                    // What it loads before its first answer may come from far, too.
                    let isLoading =
                        links.indices.contains(dimm)
                        ? links[dimm].statistics.messagesReceived == 0 : true
                    return policy.farStallAfter(isLoading: isLoading)
                }
        }
        let watch: LinkWatch = { () throws(LinkError) in
            if let signal = StopSignals.pending { throw .interrupted(signal: signal) }
            if let exit = worker.poll() { throw .peerGone("\(exit)") }
            resumption?.wakeIfDue()
            if let span = stall?.stalledSpan() {
                throw .peerStalled("no answer\(isNear ? " and no CPU time" : "") for \(span)")
            }
        }
        return (watch, stall)
    }

    /// A ring between two workers, bound before either of them maps it.
    func makePeerRing(between pair: Topology.DIMMPair) throws -> PeerRing {
        let ring = try PeerRing.create(between: pair, capacity: launch.rings.peerCapacity)
        try binding.bind(ring)
        return ring
    }

    /// Ends a DIMM's worker at once and starts another in its place.
    ///
    /// - Returns: how workers of other DIMMs reach it.
    func restartWorker(
        dimm: Int, incarnation: Int
    ) throws -> [(dimm: Int, text: String)] {
        links[dimm].close()
        if launch.reach.isNear(launch.hosts[dimm]) {
            workers[dimm].kill()
        } else {
            // A launcher hands a request to end on to the other host.
            workers[dimm].terminate(grace: .seconds(2))
        }
        var notices: [(dimm: Int, text: String)] = []
        for index in peers.indices {
            guard let other = peers[index].partner(ofDIMM: dimm) else { continue }
            peers[index] = try makePeerRing(between: peers[index].pair)
            notices.append((other, peers[index].address))
        }
        let place = WorkerPlace(dimm: dimm, incarnation: incarnation)
        for (worker, link) in try startWorkers([place]) {
            (workers[dimm], links[dimm]) = (worker, link)
        }
        return notices
    }
}
