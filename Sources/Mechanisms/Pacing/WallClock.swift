import CLinuxShims
import Glibc

/// An instant of this machine's CLOCK_MONOTONIC, the same in all of its processes.
package struct WallInstant: Comparable, Hashable, Sendable {
    package let nanoseconds: UInt64

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package static var now: WallInstant {
        var time = timespec()
        let status = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        precondition(status == 0, "CLOCK_MONOTONIC always exists")
        return WallInstant(
            nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.nanoseconds < rhs.nanoseconds }

    /// The span from `rhs` to `lhs`; negative when `lhs` is the earlier one.
    package static func - (lhs: Self, rhs: Self) -> Duration {
        lhs >= rhs
            ? .nanoseconds(lhs.nanoseconds - rhs.nanoseconds)
            : .zero - .nanoseconds(rhs.nanoseconds - lhs.nanoseconds)
    }

    /// Stays at the last instant there is instead of overflowing.
    package func advanced(byNanoseconds count: UInt64) -> WallInstant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(count)
        return WallInstant(nanoseconds: overflow ? .max : sum)
    }

    /// Stays at the first instant there is.
    func moved(backByNanoseconds count: UInt64) -> WallInstant {
        WallInstant(nanoseconds: nanoseconds - min(nanoseconds, count))
    }
}

/// Wall time as the waits of this module see it; tests put a simulated one in its place.
package struct WallClock {
    package let now: () -> WallInstant
    /// Returns at the instant or after it; before it only when a signal was handled.
    package let sleep: (_ until: WallInstant) -> Void

    package init(
        now: @escaping () -> WallInstant, sleep: @escaping (_ until: WallInstant) -> Void
    ) {
        self.now = now
        self.sleep = sleep
    }

    /// CLOCK_MONOTONIC and clock_nanosleep(2) with an absolute deadline.
    package static var system: WallClock {
        WallClock(now: { .now }, sleep: sleepUntil)
    }

    private static func sleepUntil(_ instant: WallInstant) {
        var time = timespec(
            tv_sec: Int(instant.nanoseconds / 1_000_000_000),
            tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
        let status = unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil)
        precondition(status == 0 || status == EINTR, "the instant and the clock are valid")
    }
}

/// Called while waiting; throws ``PacingError/waitEnded(reason:)`` when waiting makes no sense any
/// more: a stop signal arrived, a peer died.
package typealias WaitWatch = () throws(PacingError) -> Void

/// How a thread waits for a wall instant: sleeps to shortly before it, then spins if a core can
/// be spared for that, and looks at its watch now and then. Never returns early.
///
/// Belongs to one thread, whose timer slack the first sleep sets to 1 ns: a sleep is then late by
/// some microseconds and not by fifty or more.
struct DeadlineWait {
    /// Spun through when cores are spare: above what a sleep with 1 ns of slack is late.
    static let spinNanoseconds: UInt64 = 50_000
    /// Between two looks at the watch; with a late wake-up still within 50 ms.
    static let watchNanoseconds: UInt64 = 40_000_000

    let clock: WallClock
    private let spin: UInt64
    private let watch: WaitWatch
    private var nextWatch = WallInstant(nanoseconds: 0)
    private var hasSetTimerSlack = false

    init(clock: WallClock, sparesCores: Bool, watch: @escaping WaitWatch) {
        self.clock = clock
        spin = sparesCores ? Self.spinNanoseconds : 0
        self.watch = watch
    }

    /// Waits until `deadline`, from `now` on, which the caller has just read.
    ///
    /// - Returns: the time at return, at or after the deadline.
    mutating func wait(
        until deadline: WallInstant, now: WallInstant
    ) throws(PacingError) -> WallInstant {
        var now = now
        // Also without any waiting: a role that is always late must still hear a signal.
        try lookAtWatch(now)
        while now < deadline {
            if deadline.nanoseconds - now.nanoseconds <= spin {
                shim_cpu_pause()
                now = clock.now()
                continue
            }
            let wake = min(deadline.moved(backByNanoseconds: spin), nextWatch)
            sleep(until: wake)
            now = clock.now()
            // Woken before the time: a signal was handled, and the watch knows which.
            if now < wake { nextWatch = now }
            try lookAtWatch(now)
        }
        return now
    }

    private mutating func lookAtWatch(_ now: WallInstant) throws(PacingError) {
        guard now >= nextWatch else { return }
        nextWatch = now.advanced(byNanoseconds: Self.watchNanoseconds)
        try watch()
    }

    private mutating func sleep(until instant: WallInstant) {
        if !hasSetTimerSlack {
            // Refused at worst by a sandbox; sleeps are then later, and counted as such.
            _ = shim_set_timer_slack(1)
            hasSetTimerSlack = true
        }
        clock.sleep(instant)
    }
}
