package import Quantities

/// Emulated time on the wall clock: an instant's wall time is `origin + dilation × instant`.
///
/// The schedule is absolute, so lateness is made good as soon as there is slack and never adds
/// up. Every process of a run has the same origin and dilation, and so the same deadlines.
package final class PacedClock: RunClock {
    /// A deadline that passed less than this before the role came to wait is still kept: what a
    /// wake-up on a busy machine costs, and far below any step that a paced run can hold.
    package static let defaultTolerance = Duration.microseconds(100)

    package let origin: WallInstant
    package let dilation: Dilation
    package let tolerance: Duration
    package private(set) var overruns = OverrunCount()

    private var wait: DeadlineWait
    /// The latest instant waited for; none yet, for even the first has to wait for the origin.
    private var reached: EmulatedTime?

    /// - Parameters:
    ///   - origin: the wall instant of the start of the run, equal in all processes.
    ///   - sparesCores: whether every waiting thread has a core of its own; else nothing spins.
    ///   - tolerance: lateness up to which a deadline counts as kept.
    ///   - watch: called at least every 50 ms of waiting, and when a signal ends a sleep.
    package init(
        origin: WallInstant, dilation: Dilation, sparesCores: Bool,
        tolerance: Duration = defaultTolerance, wall: WallClock = .system,
        watch: @escaping WaitWatch
    ) {
        precondition(tolerance >= .zero)
        self.origin = origin
        self.dilation = dilation
        self.tolerance = tolerance
        wait = DeadlineWait(clock: wall, sparesCores: sparesCores, watch: watch)
    }

    package var kind: ClockKind { .paced }

    /// The wall instant of `time`, rounded up to whole nanoseconds.
    package func deadline(of time: EmulatedTime) throws(PacingError) -> WallInstant {
        guard let span = dilation.wallNanoseconds(of: time.sinceStart) else {
            throw .deadlineOverflow(time, dilation: dilation)
        }
        let (sum, overflow) = origin.nanoseconds.addingReportingOverflow(span)
        guard !overflow else { throw .deadlineOverflow(time, dilation: dilation) }
        return WallInstant(nanoseconds: sum)
    }

    package func waitUntil(_ time: EmulatedTime) throws(PacingError) {
        // Where the role already is, it cannot be late again.
        if let reached, time <= reached { return }
        let deadline = try deadline(of: time)
        let now = wait.clock.now()
        overruns.deadlines += 1
        if now > deadline {
            let lateness = now - deadline
            if lateness > tolerance { overruns.missed += 1 }
            overruns.worstLateness = max(overruns.worstLateness, lateness)
        }
        let end = try wait.wait(until: deadline, now: now)
        if now < deadline {
            overruns.worstWakeUpLateness = max(overruns.worstWakeUpLateness, end - deadline)
        }
        reached = time
    }
}
