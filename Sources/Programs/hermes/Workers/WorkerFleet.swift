import ConnectionProtocol
import Coordinator
import Foundation
import Glibc
import LinkRecords
import Logging
import Messages
import NUMABinding
import Pacing
import RingTransport
import Supervision
import SystemPackage
import Topology

/// The worker processes of a run with their rings: starts them from the topology, watches them,
/// and takes them down on every way out.
final class WorkerFleet {
    /// Numbers of the inherited descriptors in a worker.
    static let linkDescriptor: Int32 = 3
    static let modelDescriptor: Int32 = 4
    static let capsDescriptor: Int32 = 5
    /// The first of the rings to other workers, in the order in which `--peer` names them.
    static let firstPeerDescriptor: Int32 = 6

    /// What computes beside the GPU, a worker each.
    enum Units {
        case dimms
        /// One host CPU in place of all NDP cores, on the nodes of all DIMMs.
        case host
    }

    /// The rings of a run.
    struct Rings {
        /// Bytes of each direction between the coordinator and a worker.
        var capacity: Int
        /// The pairs of DIMMs whose workers hand neurons to each other, and bytes of each
        /// direction between them.
        var peers: [Topology.DIMMPair] = []
        var peerCapacity = 0
    }

    var links: [any CarriedLink] = []
    /// Or the processes that started them on other hosts.
    var workers: [WorkerProcess] = []
    /// The rings between workers that this machine's memory connects.
    var peers: [PeerRing] = []
    let launch: WorkerLaunch
    let exits: ExitWatch
    let policy: RecoveryPolicy
    /// How long a worker that owes an answer may do nothing now: in a paced run, what takes
    /// emulated time is no stall; `nil` for as long as it likes.
    var stallLimit: Duration?
    /// What is made to fail on purpose.
    var faults: FaultPlan
    /// What workers said when they had loaded.
    private var loadedFacts: [Int: WorkerFacts] = [:]
    /// Workers that took another's place, in order.
    var restarts: [WorkerRestart] = []
    /// SHA-256 of the model, once it was needed: workers on other hosts hold theirs against it.
    var modelHash: String?
    /// What was asked of this machine for each DIMM, and for the rings.
    let binding: FleetBinding
    /// The core that coordinator and workers are held to; `nil` where they are not.
    private let hold: CoreHold?
    /// The one CPU that they have, by this program or by who started it.
    var sharedCore: Int? {
        let cpus = (try? NUMABinding.threadCPUs()) ?? []
        return binding.coordinator.cpus == nil && cpus.count == 1 ? cpus[0] : nil
    }
    /// The caps that a paced run's processes share; `nil` for the other clocks.
    let caps: SharedCaps?
    let logger: Logger

    private init(
        binding: FleetBinding, hold: CoreHold?, launch: WorkerLaunch, policy: RecoveryPolicy,
        faults: FaultPlan, caps: SharedCaps?, logger: Logger
    ) throws(SupervisionError) {
        self.hold = hold
        self.faults = faults
        // How much longer a paced run's waits are is known when its clock starts.
        stallLimit = caps == nil ? policy.stallAfter : nil
        self.binding = binding
        self.launch = launch
        self.policy = policy
        self.caps = caps
        self.logger = logger
        exits = try ExitWatch.start()
    }

    deinit { stop() }

    /// Starts one worker per unit; they wait for their configuration.
    ///
    /// - Parameters:
    ///   - model: `nil` for workers that get the shape of their model from the coordinator.
    ///   - sharesCores: whether other fleets run on the same cores.
    ///   - packs: whether one core may do for all where there are not enough for each.
    static func start(
        topology: Topology, units: Units = .dimms, model: LoadedModel?, rings: Rings,
        reach: WorkerReach = .sharedMemory, isPaced: Bool, sharesCores: Bool = false,
        packs: Bool = false, isBestEffort: Bool = false, policy: RecoveryPolicy = .none,
        faults: FaultPlan = .none, logger: Logger
    ) throws -> WorkerFleet {
        do {
            let fleet = try make(
                topology: topology, units: units, model: model, rings: rings, reach: reach,
                sleeps: isPaced || sharesCores, packs: packs, isPaced: isPaced,
                isBestEffort: isBestEffort, policy: policy, faults: faults, logger: logger)
            let binding = fleet.binding
            if reach.rendezvous == nil {
                fleet.peers = try rings.peers.map { try fleet.makePeerRing(between: $0) }
            }
            let started = try fleet.startWorkers(
                (0..<binding.unitCount).map { WorkerPlace(dimm: $0, incarnation: 0) })
            for (worker, link) in started {
                fleet.workers.append(worker)
                fleet.links.append(link)
            }
            try binding.coordinator.bind()
            return fleet
        } catch let error as RingError {
            throw Failure(.machineLacks, "shared memory for the rings: \(error)")
        } catch let error as SupervisionError {
            throw Failure(.machineLacks, "cannot start a worker: \(error)")
        }
    }

    /// A fleet without workers.
    private static func make(
        topology: Topology, units: Units, model: LoadedModel?, rings: Rings, reach: WorkerReach,
        sleeps: Bool, packs: Bool = false, isPaced: Bool, isBestEffort: Bool,
        policy: RecoveryPolicy, faults: FaultPlan, logger: Logger
    ) throws -> WorkerFleet {
        try reach.check(topology)
        let assignment = try nodeAssignment(of: topology)
        for remark in assignment.remarks { Terminal.complain("hermes: \(remark)") }
        let binding = try FleetBinding(
            topology, units: units, assignment: assignment, isBestEffort: isBestEffort)
        var cores = CPUAvailability.current().usableCoreCount
        let hold = packs ? CoreHold.around(binding, cores: cores) : nil
        if hold != nil { cores = 1 }
        let launch = WorkerLaunch(
            executable: try Locations.executable(), model: model, rings: rings, reach: reach,
            hosts: topology.dimms.map(\.hostName),
            // In a paced run nobody waits for an answer at once: clocks wait, and messages are
            // early. And who spins on shared cores takes them from others' work.
            waitPolicy: sleeps
                ? .sleeping
                : WaitPolicy.suiting(
                    threadCount: 1 + binding.unitCount, processorCount: cores))
        return try WorkerFleet(
            binding: binding, hold: hold, launch: launch, policy: policy, faults: faults,
            caps: isPaced ? try SharedCaps.create(for: topology) : nil, logger: logger)
    }

    /// What would start the workers, a line each, as a shell takes it; nothing is started.
    static func commands(
        topology: Topology, model: LoadedModel, rings: Rings, contact: WorkerContact,
        reach: WorkerReach, isBestEffort: Bool, logger: Logger
    ) throws -> [String] {
        let fleet = try make(
            topology: topology, units: .dimms, model: model, rings: rings, reach: reach,
            sleeps: false, isPaced: false, isBestEffort: isBestEffort, policy: .none, faults: .none,
            logger: logger)
        // To read all of a large file takes long.
        fleet.modelHash = "SHA256"
        return try topology.dimms.map { dimm in
            let terms = LinkTerms(
                dimm: dimm.index, session: .random(), epoch: 0,
                capacity: fleet.launch.windowCapacity)
            let command = try fleet.command(terms, contact)
            return ([command.executable] + command.arguments).map { WorkerReach.quoted($0) }
                .joined(separator: " ")
                .replacingOccurrences(of: "\(terms.session)", with: "SESSION")
        }
    }

    /// Throws exit 65 for nodes that this machine neither has nor can stand in for.
    static func nodeAssignment(of topology: Topology) throws -> NodeAssignment {
        let machine = NUMAMachine.current
        // Where the kernel tells of no nodes, every process is on node 0.
        let existing = machine.isAvailable ? machine.nodeNumbers : [0]
        let allowed = machine.isAvailable ? machine.allowedNodes : [0]
        do {
            return try topology.nodeAssignment(existing: existing, allowed: allowed)
        } catch {
            throw Failure(.badInput, "\(error)")
        }
    }

    /// What the coordinator is to send to and receive from, in DIMM order.
    var messageLinks: [any MessageLink] { links.indices.map { messageLink(toDIMM: $0) } }

    /// The link itself, or one that spoils requests on purpose, or relays neurons.
    func messageLink(toDIMM dimm: Int) -> any MessageLink {
        let link = faults.requestLink(links[dimm], dimm: dimm)
        guard launch.reach.rendezvous != nil else { return link }
        return RelayingLink(link, dimm: dimm, limit: launch.messageLimit) {
            [unowned self] destination in
            links.indices.contains(destination) ? links[destination] : nil
        }
    }

    /// A paced run's clock starts: its waits are as much longer as its dilation says.
    func beginPacing(_ dilation: Dilation) {
        stallLimit = policy.stallAfter.map {
            $0 * max(1, Double(dilation.thousandths) / 1000)
        }
    }

    /// What this process has for a paced run; cores are offered, never taken for granted.
    var pacing: WallPacing { WallPacing(board: caps?.board, sparesCores: false) }

    /// Ends a paced wait that has lost its sense.
    var pacingWatch: WaitWatch {
        { [self] () throws(PacingError) in
            if let signal = StopSignals.pending { throw .waitEnded(reason: "signal \(signal)") }
            if let loss { throw .waitEnded(reason: "\(loss)") }
        }
    }

    // MARK: End

    /// The first worker that has ended, as the link to it would say; `nil` while all run. One that
    /// ended badly comes first: others leave when they are no longer needed.
    ///
    /// `nil` while workers can be replaced: then nobody is lost for good.
    var loss: CoordinatorError? {
        guard policy.restartLimit == 0 else { return nil }
        let ended = workers.indices.compactMap { dimm in
            workers[dimm].poll().map { (dimm: dimm, exit: $0) }
        }
        let first = ended.first { $0.exit != .exited(code: 0) } ?? ended.first
        return first.map { .link(dimm: $0.dimm, .peerGone("\($0.exit)")) }
    }

    /// What a coordinator's error means for the user, with the exit code.
    func explain(_ error: CoordinatorError) -> Failure {
        // A signal to the whole process group ends the workers, too.
        if let signal = StopSignals.pending { return Interruption.failure(signal) }
        switch error {
        case .link(_, .interrupted(let signal)):
            return Interruption.failure(signal)
        case .link(let dimm, .system(let what)):
            return Failure(.machineLacks, "worker of DIMM \(dimm): \(what)")
        case .link(let dimm, let cause):
            let pid = workers[dimm].processIdentifier
            if case .peerGone = cause, let exit = workers[dimm].wait(upTo: .milliseconds(200)) {
                return Failure(.workerLost, "worker \(pid) of DIMM \(dimm) is gone: \(exit)")
            }
            return Failure(.workerLost, "worker \(pid) of DIMM \(dimm): \(cause)")
        case .notReplaced(let dimm, let cause, let reason):
            return Failure(
                .workerLost,
                "worker \(workers[dimm].processIdentifier) of DIMM \(dimm): \(cause); "
                    + "not replaced: \(reason)")
        case .fault(let dimm, let code, let text):
            return Failure(
                Failure.Code(rawValue: Int32(clamping: code)) ?? .workerLost,
                "worker of DIMM \(dimm): \(text)")
        case .interrupted:
            if let loss { return explain(loss) }
            return Interruption.failure(StopSignals.pending ?? SIGTERM)
        case .time(let text):
            return Failure(.internalFault, "emulated time: \(text)")
        case .gpu(let text):
            return Failure(.machineLacks, "GPU role: \(text)")
        case .activity(let text):
            return Failure(.badInput, "activity: \(text)")
        }
    }

    /// Waits for the workers to leave by themselves after their farewell.
    func finish() throws {
        // A worker that is reached over a connection waits for its end.
        for link in links { link.close() }
        for (dimm, worker) in workers.enumerated() {
            guard launch.reach.isNear(launch.hosts[dimm]) else {
                // The worker has said farewell; how its launcher ends changes nothing of the run.
                let exit = worker.wait(upTo: .seconds(5)) ?? worker.terminate(grace: .seconds(2))
                if exit != .exited(code: 0) {
                    logger.warning(
                        "launcher ended badly", metadata: ["dimm": "\(dimm)", "end": "\(exit)"])
                }
                continue
            }
            guard let exit = worker.wait(upTo: .seconds(5)) else {
                throw Failure(.workerLost, "worker of DIMM \(dimm) said farewell and stayed")
            }
            guard exit == .exited(code: 0) else {
                throw Failure(.workerLost, "worker of DIMM \(dimm) ended badly: \(exit)")
            }
        }
    }

    /// Ends every worker that still runs; safe to call again.
    func stop() {
        for link in links { link.close() }
        workers.terminateAll(grace: .milliseconds(500))
    }

    // MARK: Facts

    /// Private_Dirty of the coordinator itself, in bytes; `nil` when /proc does not say.
    func privateDirtyBytes() -> Int? {
        try? ProcessMemory.read(processIdentifier: getpid()).privateDirtyByteCount
    }

    /// Logs where the workers' memory lies; throws exit 73 when it is not where it was asked for,
    /// and says so only where best effort will do.
    func checkPlacement(_ facts: [WorkerFacts]) throws {
        for (dimm, fact) in facts.enumerated() {
            loadedFacts[dimm] = fact
            logger.info(
                "worker ready",
                metadata: [
                    "dimm": "\(dimm)", "weights": "\(fact.weightByteCount)",
                    "pages_on_node": "\(fact.pagesOnNode)",
                    "pages_elsewhere": "\(fact.pagesElsewhere)",
                ])
        }
        try BindingProof(self, facts: facts).enforce(when: "after loading")
    }

    /// As ``checkPlacement(_:)``, of a worker that took another's place.
    func checkPlacement(_ facts: WorkerFacts, ofDIMM dimm: Int) throws {
        loadedFacts[dimm] = facts
        // Before all have loaded, the proof of all is still to come.
        let all = workers.indices.compactMap { loadedFacts[$0] }
        guard all.count == workers.count else { return }
        try BindingProof(self, facts: all).enforce(
            when: "after loading again", tellsRefusals: false)
    }
}

/// How every worker of a run is started.
struct WorkerLaunch {
    let executable: String
    /// `nil` for workers that get the shape of their model from the coordinator.
    let model: LoadedModel?
    let rings: WorkerFleet.Rings
    let reach: WorkerReach
    /// Where the topology has each DIMM; `nil` is this machine.
    let hosts: [String?]
    let waitPolicy: WaitPolicy

    var messageLimit: Int { rings.messageLimit }
    var windowCapacity: Int { rings.windowCapacity(dimmCount: hosts.count) }
}
