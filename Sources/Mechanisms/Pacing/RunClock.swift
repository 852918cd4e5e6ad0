package import Quantities

/// What ties a run's emulated time to wall time, chosen at launch.
package enum ClockKind: String, CaseIterable, Sendable {
    /// Nothing waits: time exists in timestamps alone. Deterministic, as fast as the machine.
    case virtual
    /// Emulated time passes on the wall clock, stretched by the dilation.
    case paced
    /// Nothing waits and nothing is capped: measures the machine itself.
    case native
}

/// A role's clock: one per process, used by one thread.
///
/// The ways in are emulated instants and durations; nothing that a clock measures comes out as
/// emulated time, so no timestamp can depend on how long anything took. What comes out is the
/// wall instant of a message's delivery, which the other end's clock takes as a bound of its own
/// wait and nothing else.
package protocol RunClock: AnyObject {
    var kind: ClockKind { get }

    /// A message with this arrival has been received: returns when its content may be used. In a
    /// paced run that is not before the arrival's wall time nor before `delivery`.
    ///
    /// - Throws: ``PacingError/waitEnded(reason:)`` from the watch; an instant beyond 64 bits.
    func receive(arrival: EmulatedTime, delivery: WallInstant?) throws(PacingError)

    /// The role's unit begins to work now.
    func beginWork()

    /// What the unit computes since ``beginWork()`` is there, in a paced run most often early.
    ///
    /// Does not wait: results may be sent ahead, the receiver's clock holds them back.
    ///
    /// - Returns: when the work is over in wall time: as much later than its beginning as its
    ///   `duration` takes, and no later than at `end`; `nil` where nothing waits.
    func finishWork(
        at end: EmulatedTime, lasting duration: EmulatedDuration
    ) throws(PacingError) -> WallInstant?

    /// The role goes on from `instant`: returns then, or as much earlier as the clock lets the
    /// role work ahead.
    func proceed(from instant: WallInstant) throws(PacingError)

    /// The role's unit worked on for so long, up to `time`, in what it does next: neither waits nor
    /// counts.
    func pass(to time: EmulatedTime, lasting duration: EmulatedDuration) throws(PacingError)

    /// Returns when the wall time of what the role did last has come, to the instant: what it
    /// shows to the world is not ahead.
    func catchUp() throws(PacingError)

    /// Returns shortly before `instant`, awake: what is waited for may come from then on.
    func rest(until instant: WallInstant) throws(PacingError)

    /// A message is about to be sent: takes its share of the links' wall time.
    ///
    /// - Parameters:
    ///   - links: those that it crosses, by index.
    ///   - readyAt: when its first bit can leave.
    ///   - workEnd: what ``finishWork(at:lasting:)`` of the clock that made it said, if it is a
    ///     result; later than `readyAt` it is not believed.
    /// - Returns: before which instant it must not be used; `nil` where nothing waits.
    func depart(
        _ byteCount: ByteCount, over links: [Int], readyAt: EmulatedTime, workEnd: WallInstant?
    ) throws(PacingError) -> WallInstant?

    /// How well the role has kept up so far; all zero when nothing waits.
    var overruns: OverrunCount { get }
}

/// The virtual and the native clock: no wait, no overrun.
package final class UnpacedClock: RunClock {
    package let kind: ClockKind

    /// - Precondition: `kind` is not `paced`.
    package init(_ kind: ClockKind) {
        precondition(kind != .paced)
        self.kind = kind
    }

    package func receive(arrival: EmulatedTime, delivery: WallInstant?) throws(PacingError) {}
    package func beginWork() {}
    package func finishWork(
        at end: EmulatedTime, lasting duration: EmulatedDuration
    ) throws(PacingError) -> WallInstant? { nil }
    package func proceed(from instant: WallInstant) throws(PacingError) {}
    package func catchUp() throws(PacingError) {}
    package func pass(
        to time: EmulatedTime, lasting duration: EmulatedDuration
    ) throws(PacingError) {}
    package func rest(until instant: WallInstant) throws(PacingError) {}
    package func depart(
        _ byteCount: ByteCount, over links: [Int], readyAt: EmulatedTime, workEnd: WallInstant?
    ) throws(PacingError) -> WallInstant? { nil }
    package var overruns: OverrunCount { OverrunCount() }
}

/// How often a role came too late in a paced run, in wall time.
package struct OverrunCount: Hashable, Sendable {
    /// Instants that the role had to wait for; one that it had already reached is not counted.
    package var deadlines: UInt64 = 0
    /// Overruns: deadlines that had passed, by more than the tolerance, when the role came to
    /// wait.
    package var missed: UInt64 = 0
    /// The largest lateness at such a moment, missed or within the tolerance.
    package var worstLateness: Duration = .zero
    /// The largest lateness of a wake-up; it costs nothing unless the next deadline is missed.
    package var worstWakeUpLateness: Duration = .zero

    package init() {}

    /// For counts that came from another process.
    ///
    /// - Precondition: no more missed than there were.
    package init(
        deadlines: UInt64, missed: UInt64, worstLateness: Duration, worstWakeUpLateness: Duration
    ) {
        precondition(missed <= deadlines)
        self.deadlines = deadlines
        self.missed = missed
        self.worstLateness = worstLateness
        self.worstWakeUpLateness = worstWakeUpLateness
    }

    /// Missed ÷ deadlines; 0 without deadlines. For reports.
    package var share: Double { deadlines == 0 ? 0 : Double(missed) / Double(deadlines) }

    /// Whether the share of missed deadlines is at most `limit`, exactly.
    package func isWithin(_ limit: Proportion) -> Bool {
        UInt128(missed) * UInt128(Proportion.scale)
            <= UInt128(deadlines) * UInt128(limit.millionths)
    }

    /// Both counts as one.
    package static func + (lhs: Self, rhs: Self) -> Self {
        OverrunCount(
            deadlines: lhs.deadlines + rhs.deadlines, missed: lhs.missed + rhs.missed,
            worstLateness: max(lhs.worstLateness, rhs.worstLateness),
            worstWakeUpLateness: max(lhs.worstWakeUpLateness, rhs.worstWakeUpLateness))
    }
}
