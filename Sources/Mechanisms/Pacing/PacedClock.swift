package import Quantities

/// Emulated time on the wall clock: an instant's wall time is `origin + dilation × instant`.
///
/// Messages come when their links deliver them: at the arrival's wall time, which is absolute, so
/// that lateness is made good as soon as there is slack and never adds up; and not before the
/// links' shared caps let them, which matters when roles are late and would catch up faster than
/// their links. Between messages a unit works for as long as the dilation stretches its work, or
/// less when it began late. So a run lasts as long as its links and its units take, and a link
/// that holds nothing back makes it shorter. Every process of a run has the same origin and
/// dilation, and so the same deadlines.
package final class PacedClock: RunClock {
    /// A deadline that passed less than this before the role came to wait is still kept: what a
    /// wake-up on a busy machine costs, and far below any step that a paced run can hold.
    package static let defaultTolerance = Duration.microseconds(100)

    package let origin: WallInstant
    package let dilation: Dilation
    package let tolerance: Duration
    /// How much before its instant a role may go on.
    package let lead: Duration
    package private(set) var overruns = OverrunCount()

    private let wall: WallClock
    private var wait: DeadlineWait
    private let links: PacedLinks?
    /// The latest instant waited for; none yet, for even the first has to wait for the origin.
    private var reached: EmulatedTime?
    private var workBegan: WallInstant
    /// Where the role stands in wall time; it may really be earlier by the lead.
    private var standing: WallInstant

    /// - Parameters:
    ///   - origin: the wall instant of the start of the run, equal in all processes.
    ///   - links: the shared caps; without them, deadlines alone shape the messages.
    ///   - sparesCores: whether every waiting thread has a core of its own for certain.
    ///   - lead: how much before its instant the role may go on. What it sends is held by the
    ///     receivers' clocks, so a role that prepares messages ahead hides from them what handing
    ///     a message over costs on this machine.
    ///   - tolerance: lateness up to which a deadline counts as kept.
    ///   - watch: called at least every 50 ms of waiting, and when a signal ends a sleep.
    package init(
        origin: WallInstant, dilation: Dilation, links: PacedLinks?, sparesCores: Bool,
        lead: Duration = .zero, tolerance: Duration = defaultTolerance, wall: WallClock = .system,
        watch: @escaping WaitWatch
    ) {
        precondition(tolerance >= .zero)
        precondition(lead >= .zero)
        self.origin = origin
        self.dilation = dilation
        self.tolerance = tolerance
        self.lead = lead
        standing = origin
        self.links = links
        self.wall = wall
        workBegan = origin
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

    package func receive(
        arrival: EmulatedTime, delivery: WallInstant?
    ) throws(PacingError) {
        let deadline = try deadline(of: arrival)
        let now = wall.now()
        let isHeld = links?.holdsMessages ?? true
        // What its links hold back comes late, too.
        if isHeld { count(arrival, deadline: deadline, now: max(now, delivery ?? now)) }
        try proceed(from: max(isHeld ? deadline : now, delivery ?? now))
    }

    package func beginWork() { workBegan = max(wall.now(), standing) }

    package func finishWork(
        at end: EmulatedTime, lasting duration: EmulatedDuration
    ) throws(PacingError) -> WallInstant? {
        let deadline = try deadline(of: end)
        guard let span = dilation.wallNanoseconds(of: duration) else {
            throw .deadlineOverflow(end, dilation: dilation)
        }
        count(end, deadline: deadline, now: wall.now())
        return min(deadline, workBegan.advanced(byNanoseconds: span))
    }

    /// Counts how the deadline of `time` was kept, if the role has not been there before.
    private func count(_ time: EmulatedTime, deadline: WallInstant, now: WallInstant) {
        // Where the role already is, it cannot be late again.
        guard reached.map({ $0 < time }) ?? true else { return }
        reached = time
        overruns.deadlines += 1
        guard now > deadline else { return }
        let lateness = now - deadline
        if lateness > tolerance { overruns.missed += 1 }
        overruns.worstLateness = max(overruns.worstLateness, lateness)
    }

    package func proceed(from instant: WallInstant) throws(PacingError) {
        standing = instant
        try wait(until: instant.moved(backBy: lead))
    }

    package func pass(
        to time: EmulatedTime, lasting duration: EmulatedDuration
    ) throws(PacingError) {
        guard let span = dilation.wallNanoseconds(of: duration) else {
            throw .deadlineOverflow(time, dilation: dilation)
        }
        standing = min(
            max(standing, try deadline(of: time)), standing.advanced(byNanoseconds: span))
    }

    package func catchUp() throws(PacingError) { try wait(until: standing) }

    private func wait(until instant: WallInstant) throws(PacingError) {
        let now = wall.now()
        let end = try wait.wait(until: instant, now: now)
        if now < instant {
            overruns.worstWakeUpLateness = max(overruns.worstWakeUpLateness, end - instant)
        }
    }

    package func rest(until instant: WallInstant) throws(PacingError) {
        try wait.rest(until: instant)
    }

    package func depart(
        _ byteCount: ByteCount, over path: [Int], readyAt: EmulatedTime, workEnd: WallInstant?
    ) throws(PacingError) -> WallInstant? {
        let ready = try deadline(of: readyAt)
        let workEnd = workEnd.map { min($0, ready) }
        guard let links, links.holdsMessages else { return workEnd ?? standing }
        let delivery = try links.depart(
            byteCount, over: path, readyAt: ready, origin: origin, dilation: dilation, wall: wall)
        return max(delivery, workEnd ?? delivery)
    }
}
