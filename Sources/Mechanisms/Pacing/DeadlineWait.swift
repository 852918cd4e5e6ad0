import CLinuxShims

/// How a thread waits for a wall instant: sleeps to shortly before it, then spins while cores are
/// spare, and looks at its watch now and then. Never returns early.
///
/// Whether a core is spare shows in the wait itself: between two looks at the clock the core is
/// offered to whoever wants it, and if somebody took it for a while, nothing is spare: an offer
/// costs a whole slice of the scheduler then. So for some time all waits are slept to their end,
/// from which the kernel wakes a thread that has used little. A caller that knows that every
/// waiting thread has a core of its own does not even offer.
///
/// How shortly before: as much as the last sleeps ended late, which differs between machines (an
/// idle virtual processor takes longer to wake than a real one) and is learnt, not assumed.
///
/// Belongs to one thread, whose timer slack the first sleep sets to 1 ns.
struct DeadlineWait {
    /// What a sleep is taken to be late by before one was seen, and the least and most that is
    /// spun through.
    static let leastMargin: UInt64 = 50_000
    static let greatestMargin: UInt64 = 1_000_000
    /// An offer of the core that lasts longer was taken.
    static let contention: UInt64 = 25_000
    /// For so long after that, nothing is offered.
    static let contentionMemory: UInt64 = 50_000_000
    /// Between two looks at the watch; with a late wake-up still within 50 ms.
    static let watchNanoseconds: UInt64 = 40_000_000

    let clock: WallClock
    private let sparesCores: Bool
    private let watch: WaitWatch
    private var nextWatch = WallInstant(nanoseconds: 0)
    private var hasSetTimerSlack = false
    /// How long before a deadline a sleep is to end.
    private(set) var margin = leastMargin
    private var contendedUntil = WallInstant(nanoseconds: 0)

    /// - Parameter sparesCores: whether every waiting thread has a core of its own for certain.
    init(clock: WallClock, sparesCores: Bool, watch: @escaping WaitWatch) {
        self.clock = clock
        self.sparesCores = sparesCores
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
            let isContended = now < contendedUntil
            let margin = isContended ? 0 : margin
            if deadline.nanoseconds - now.nanoseconds <= margin {
                let before = now
                now = lookAgain()
                if now.nanoseconds - before.nanoseconds > Self.contention, !sparesCores {
                    contendedUntil = now.advanced(byNanoseconds: Self.contentionMemory)
                }
                continue
            }
            let wake = min(deadline.moved(backByNanoseconds: margin), nextWatch)
            sleep(until: wake)
            now = clock.now()
            if now < wake {
                // Woken before the time: a signal was handled, and the watch knows which.
                nextWatch = now
            } else if !isContended {
                learn(lateness: now.nanoseconds - wake.nanoseconds)
            }
            try lookAtWatch(now)
        }
        return now
    }

    /// Sleeps as ``wait(until:now:)`` would and returns where that would begin to spin.
    mutating func rest(until instant: WallInstant) throws(PacingError) {
        let end = instant.moved(backByNanoseconds: margin)
        var now = clock.now()
        while now < end {
            let wake = min(end, nextWatch)
            sleep(until: wake)
            now = clock.now()
            if now < wake { nextWatch = now }
            try lookAtWatch(now)
        }
    }

    private func lookAgain() -> WallInstant {
        if sparesCores { shim_cpu_pause() } else { clock.giveWay() }
        return clock.now()
    }

    /// Rises to a quarter above the lateness at once, falls slowly.
    private mutating func learn(lateness: UInt64) {
        let wanted = lateness + lateness / 4
        margin = min(
            Self.greatestMargin, max(wanted, margin - margin / 32, Self.leastMargin))
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
