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
/// The one way in is an emulated instant; nothing that a clock measures comes out as emulated
/// time, so no timestamp can depend on how long anything took.
package protocol RunClock: AnyObject {
    var kind: ClockKind { get }

    /// Returns when this role may act at `time`: at once, or in a paced run not before its wall
    /// time has come.
    ///
    /// - Throws: ``PacingError/waitEnded(reason:)`` from the watch; an instant beyond 64 bits.
    func waitUntil(_ time: EmulatedTime) throws(PacingError)

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

    package func waitUntil(_ time: EmulatedTime) throws(PacingError) {}
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
