import Coordinator
import Messages
import Supervision

/// What a run does about workers that fail.
struct RecoveryPolicy {
    /// How many workers may be replaced in a run.
    var restartLimit: Int
    /// How long a worker that owes an answer may do nothing; `nil` for as long as it likes.
    var stallAfter: Duration?

    /// How long a worker on another host may owe an answer: there, nobody sees whether it computes.
    /// Chosen, not measured: a minute for a step and ten for loading, with the standard 10 s.
    func farStallAfter(isLoading: Bool) -> Duration? {
        stallAfter.map { $0 * (isLoading ? 60 : 6) }
    }

    /// The first failure ends the run.
    static let none = RecoveryPolicy(restartLimit: 0, stallAfter: nil)
}

/// A worker that took another's place, in wall time.
struct WorkerRestart {
    let dimm: Int
    let lostProcess: Int32
    let process: Int32
    /// From the moment that the failure was met until the other worker had what was owed.
    var span: Duration
    fileprivate let start: ContinuousClock.Instant
}

/// The coordinator's recovery: new processes for lost ones, as often as the run's policy allows.
extension WorkerFleet: WorkerRecovery {
    func replaceWorker(
        ofDIMM dimm: Int, after failure: LinkError, owed: MessageHeader?
    ) throws(RecoveryRefusal) -> WorkerReplacement {
        let start = ContinuousClock.now
        if let signal = StopSignals.pending { throw RecoveryRefusal("signal \(signal)") }
        guard restarts.count < policy.restartLimit else {
            throw RecoveryRefusal(
                policy.restartLimit == 0
                    ? "restarts are off" : "all \(policy.restartLimit) restarts are used up")
        }
        let lost = workers[dimm].processIdentifier
        let incarnation = restarts.count { $0.dimm == dimm } + 1
        let notices: [(dimm: Int, text: String)]
        faults.noteEnd(ofDIMM: dimm, at: owed)
        do {
            notices = try restartWorker(dimm: dimm, incarnation: incarnation)
        } catch {
            throw RecoveryRefusal("\(error)")
        }
        Terminal.complain(
            "hermes: worker \(lost) of DIMM \(dimm): \(failure); worker "
                + "\(workers[dimm].processIdentifier) takes its place "
                + "(\(restarts.count + 1) of \(policy.restartLimit))")
        restarts.append(
            WorkerRestart(
                dimm: dimm, lostProcess: lost, process: workers[dimm].processIdentifier,
                span: .zero, start: start))
        return WorkerReplacement(link: messageLink(toDIMM: dimm), notices: notices)
    }

    func accept(_ facts: WorkerFacts, ofDIMM dimm: Int) throws(RecoveryRefusal) {
        do {
            try checkPlacement(facts, ofDIMM: dimm)
        } catch {
            throw RecoveryRefusal("\(error)")
        }
    }

    func finish(dimm: Int) {
        guard let index = restarts.lastIndex(where: { $0.dimm == dimm }) else { return }
        restarts[index].span = restarts[index].start.duration(to: .now)
    }

    /// How often a DIMM's worker was replaced.
    func restartCount(ofDIMM dimm: Int) -> Int { restarts.count { $0.dimm == dimm } }
}
