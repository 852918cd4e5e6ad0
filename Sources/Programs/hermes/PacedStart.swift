import Messages
import Pacing
import Quantities
import Supervision

/// The wall instant at which a paced run's emulated time begins, and its clock.
struct PacedStart {
    let dilation: Dilation
    let clock: PacedClock
    private let origin: WallInstant

    /// Begins a little later, so that every role has heard of it.
    private static let leadNanoseconds: UInt64 = 20_000_000

    init(dilation: Dilation) {
        self.dilation = dilation
        origin = WallInstant.now.advanced(byNanoseconds: Self.leadNanoseconds)
        clock = PacedClock(origin: origin, dilation: dilation, sparesCores: false) {
            () throws(PacingError) in
            if let signal = StopSignals.pending { throw .waitEnded(reason: "signal \(signal)") }
        }
    }

    /// What the workers are told.
    var setting: ClockSetting {
        ClockSetting(
            originNanoseconds: origin.nanoseconds, dilationThousandths: dilation.thousandths)
    }

    /// Wall time since the beginning.
    func elapsed() -> Duration { WallInstant.now - origin }
}

/// Waits for nothing and notes how long each step took on this machine, for choosing a dilation.
final class SamplingClock: RunClock {
    /// Tokens of a rehearsal: some hundred steps of each kind.
    static let rehearsalTokenCount = 12

    private var last: (time: EmulatedTime, wall: WallInstant)?
    private var steps: [StepSample] = []

    var kind: ClockKind { .virtual }
    var overruns: OverrunCount { OverrunCount() }
    var samples: RoleSamples { RoleSamples(role: "coordinator", steps: steps) }

    func waitUntil(_ time: EmulatedTime) throws(PacingError) {
        let now = WallInstant.now
        if let last, time > last.time {
            steps.append(
                StepSample(
                    emulated: time - last.time,
                    wallNanoseconds: now.nanoseconds - last.wall.nanoseconds))
        }
        last = (time, now)
    }

    /// Forgets what was measured: warm-up.
    func discard() { steps = [] }
}

/// What a paced run measured of itself.
struct PacedRecord {
    let dilation: Dilation
    /// Wall time from the beginning to the last token.
    let span: Duration
    /// Of the coordinator and of all workers.
    let overruns: OverrunCount
    private(set) var byRole: [(role: String, deadlines: UInt64, missed: UInt64)]

    init(dilation: Dilation, span: Duration, overruns: OverrunCount, workers: [WorkerFacts]) {
        self.dilation = dilation
        self.span = span
        byRole = [("coordinator", overruns.deadlines, overruns.missed)]
        var total = overruns
        for (index, facts) in workers.enumerated() {
            byRole.append(("dimm \(index)", facts.deadlineCount, facts.missedDeadlineCount))
            total.deadlines += facts.deadlineCount
            total.missed += min(facts.missedDeadlineCount, facts.deadlineCount)
        }
        self.overruns = total
    }

    /// The span on the emulated scale.
    var seconds: Double { dilation.emulatedSeconds(ofWall: span) }
}
