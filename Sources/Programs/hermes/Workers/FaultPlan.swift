import FaultInjection
import LinkRecords
import MappedMemory
import Messages
import RingTransport
import SeededRandom
import Supervision
import SystemPackage
import Topology

/// The faults of a run: who is told of which, and which ones are still to come.
struct FaultPlan {
    private var faults: [Fault]
    /// Of the first token that is decoded.
    private let firstPosition: Int

    static let none = FaultPlan(faults: [], firstPosition: 0)

    private init(faults: [Fault], firstPosition: Int) {
        self.faults = faults
        self.firstPosition = firstPosition
    }

    /// Draws what the texts leave open, the topology's own before those of the command line; throws
    /// exit 65 for a point that the run does not have.
    init(
        _ texts: [FaultText], seed: UInt64, topology: Topology, layerCount: Int,
        firstPosition: Int, tokenCount: Int
    ) throws {
        var random = SplitMix64(seed: seed)
        // The last token is sampled from the one before and never decoded.
        let extent = FaultText.Extent(
            tokenCount: max(1, tokenCount - 1), layerCount: layerCount,
            dimmCount: topology.dimms.count)
        do {
            faults = try (TopologyFile.faults(of: topology) + texts).flatMap {
                try $0.faults(in: extent, &random)
            }
        } catch let error as FaultTextError {
            throw Failure(.badInput, "fault \(error)")
        }
        self.firstPosition = firstPosition
        for fault in faults { Terminal.complain("hermes: fault to come: \(fault)") }
    }

    /// What a worker is told.
    func arguments(ofDIMM dimm: Int) -> [String] {
        let own = faults.filter {
            $0.dimm == dimm && !$0.action.isAtRestart
                && !($0.side == .request && $0.action.isOfMessage)
        }
        guard !own.isEmpty else { return [] }
        return own.flatMap { ["--fault", "\($0)"] } + ["--first-position", "\(firstPosition)"]
    }

    /// A worker has ended while it owed the answer to `owed`: its faults until then are over.
    mutating func noteEnd(ofDIMM dimm: Int, at owed: MessageHeader?) {
        guard let owed else { return }
        let point = Fault.Point(
            owed, firstPosition: firstPosition, during: tokenOfNextEnd(ofDIMM: dimm))
        guard let point else { return }
        faults.removeAll { $0.dimm == dimm && !$0.action.isAtRestart && $0.point <= point }
    }

    /// For requests that do not say which token they belong to: a worker ends when the first of the
    /// faults that end it comes.
    private func tokenOfNextEnd(ofDIMM dimm: Int) -> Int {
        faults.filter { $0.dimm == dimm && $0.action.endsWorker }.map(\.point.token).min() ?? 0
    }

    // MARK: On the coordinator's side

    /// The link, or one that spoils requests.
    func requestLink(_ link: any CarriedLink, dimm: Int) -> any MessageLink {
        let own = faults.filter {
            $0.dimm == dimm && $0.side == .request && $0.action.isOfMessage
        }
        guard !own.isEmpty else { return link }
        return FaultyLink(link, end: .request, faults: own, firstPosition: firstPosition) {
            link.spoilNext($0)
        }
    }

    /// Lets a worker go on that was stopped for a time.
    func resumption(of worker: WorkerProcess, dimm: Int) -> Resumption? {
        let stops = faults.filter { $0.dimm == dimm && $0.action == .stop }
            .sorted { $0.point < $1.point }
        guard stops.contains(where: { $0.value != nil }) else { return nil }
        return Resumption(
            worker, after: stops.map { $0.value.map { .milliseconds(Int64(1000 * $0)) } })
    }

    // MARK: At a restart

    /// What the worker that takes a lost one's place has to do without.
    struct Scarcity {
        var refusesMemory = false
        /// In place of the model's.
        var unreadableModel: FileDescriptor?
    }

    /// - Parameter incarnation: 0 for a DIMM's first worker.
    func scarcity(ofDIMM dimm: Int, incarnation: Int) throws -> Scarcity {
        var scarcity = Scarcity()
        for fault in faults
        where fault.action.isAtRestart && fault.dimm == dimm && fault.restart == incarnation {
            switch fault.action {
            case .refuseMemory: scarcity.refusesMemory = true
            case .loseModel:
                scarcity.unreadableModel = try unsafe FileDescriptor.open(
                    "/dev/null", .readOnly, options: .closeOnExec)
            default:
                throw RingError.memory(
                    .system(.reserve, object: "the rings", cause: .noSpace))
            }
        }
        return scarcity
    }
}

/// Continues a process that stops itself (SIGSTOP) now and then.
final class Resumption {
    private let worker: WorkerProcess
    /// How long each stop lasts, in order; `nil` for good.
    private var spans: [Duration?]
    private var seen: ContinuousClock.Instant?

    init(_ worker: WorkerProcess, after spans: [Duration?]) {
        self.worker = worker
        self.spans = spans
    }

    /// Asked now and then by whoever waits for the process.
    func wakeIfDue() {
        guard worker.isStopped() else {
            seen = nil
            return
        }
        guard let seen else {
            seen = .now
            return
        }
        guard let next = spans.first, let span = next, seen.duration(to: .now) >= span else {
            return
        }
        spans.removeFirst()
        worker.resume()
    }
}
