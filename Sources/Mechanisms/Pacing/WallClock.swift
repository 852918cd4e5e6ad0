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

    func moved(backBy span: Duration) -> WallInstant {
        moved(backByNanoseconds: UInt64(clamping: Int64(span / .nanoseconds(1))))
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
    /// Lets another thread have the core if one wants it; returns at once if none does.
    package let giveWay: () -> Void

    package init(
        now: @escaping () -> WallInstant, sleep: @escaping (_ until: WallInstant) -> Void,
        giveWay: @escaping () -> Void
    ) {
        self.now = now
        self.sleep = sleep
        self.giveWay = giveWay
    }

    /// CLOCK_MONOTONIC, clock_nanosleep(2) with an absolute deadline, sched_yield(2).
    package static var system: WallClock {
        WallClock(now: { .now }, sleep: sleepUntil, giveWay: { sched_yield() })
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
