package import Quantities

/// When one transfer has its link, in emulated time: `readyAt + queueing = start`, then `end`,
/// then the link's latency, then `arrival`.
package struct Booking: Hashable, Sendable {
    /// The first bit enters the link.
    package let start: EmulatedTime
    /// The last bit has entered the link, which is then free for the next transfer.
    package let end: EmulatedTime
    /// The last bit is there: `end` plus the link's latency.
    package let arrival: EmulatedTime
    /// What the transfer waited for earlier ones: `start` less the time at which it was ready.
    package let queueing: EmulatedDuration

    /// How long the link is occupied.
    package var occupancy: EmulatedDuration { end - start }
}

/// What a link has carried so far.
package struct LinkCounters: Hashable, Sendable {
    package fileprivate(set) var messages: UInt64 = 0
    package fileprivate(set) var bytes = ByteCount.zero
    /// The sum of all bookings' occupancies.
    package fileprivate(set) var busy = EmulatedDuration.zero
    /// The sum of all bookings' queueing.
    package fileprivate(set) var queueing = EmulatedDuration.zero
}

/// One link of the emulated machine, booked by its one owner: first booked, first served.
///
/// GCRA with an absolute schedule: the link keeps the exact instant at which it is free again,
/// the fraction of a picosecond included, and each transfer moves it by bytes ÷ bandwidth. Only
/// what a booking tells is rounded, upwards, so n transfers back to back end exactly
/// `ceil(sum of bytes ÷ bandwidth)` after the first one's start: the link never beats its rate
/// and never falls a whole picosecond behind it.
///
/// Transfers are back to back when each is ready before or exactly when the link is free; one
/// that is ready later starts when it is ready, at a whole picosecond.
package struct LinkSchedule: Hashable, Sendable {
    package let bandwidth: Bandwidth
    package let latency: EmulatedDuration
    package private(set) var counters = LinkCounters()

    /// The exact instant at which the link is free, split: whole picoseconds, and the rest in
    /// units of 1 ÷ (bytes per second) picoseconds, fewer than one picosecond's worth.
    private var freeWhole: UInt64 = 0
    private var freeRest: UInt64 = 0

    /// A link that is free from the start of the run.
    package init(bandwidth: Bandwidth, latency: EmulatedDuration) {
        self.bandwidth = bandwidth
        self.latency = latency
    }

    /// The first whole picosecond at which the link is free: the end of its last booking.
    package var freeAt: EmulatedTime {
        EmulatedTime(picosecondsSinceStart: freeRest == 0 ? freeWhole : freeWhole + 1)
    }

    /// Takes the link for `byteCount` bytes from `readyAt` on, or as soon after as it is free.
    ///
    /// No bytes take no time: such a message waits for its turn, then has latency alone.
    ///
    /// - Throws: ``PacingError/emulatedTimeOverflow(byteCount:readyAt:)``, with nothing changed.
    package mutating func book(
        _ byteCount: ByteCount, readyAt: EmulatedTime
    ) throws(PacingError) -> Booking {
        let plan = try plan(byteCount, readyAt: readyAt)
        self = plan.after
        return plan.booking
    }

    /// What ``book(_:readyAt:)`` would answer.
    package func booking(
        of byteCount: ByteCount, readyAt: EmulatedTime
    ) throws(PacingError) -> Booking {
        try plan(byteCount, readyAt: readyAt).booking
    }

    /// The booking, and the link as it is afterwards.
    private func plan(
        _ byteCount: ByteCount, readyAt: EmulatedTime
    ) throws(PacingError) -> (booking: Booking, after: LinkSchedule) {
        var after = self
        let overflow = PacingError.emulatedTimeOverflow(byteCount: byteCount, readyAt: readyAt)
        let start = max(readyAt, freeAt)
        if readyAt >= freeAt {
            // An idle link: the fraction that rounded its last end up is not credit.
            after.freeWhole = readyAt.picosecondsSinceStart
            after.freeRest = 0
        }
        guard after.advance(byByteCount: byteCount) else { throw overflow }
        // A message without bytes leaves no trace in the schedule.
        let end = byteCount == .zero ? start : after.freeAt
        if byteCount == .zero {
            after.freeWhole = freeWhole
            after.freeRest = freeRest
        }
        let queueing = start - readyAt
        guard let arrival = end.checkedAdding(latency),
            let bytes = counters.bytes.checkedAdding(byteCount),
            let busy = counters.busy.checkedAdding(end - start),
            let queueingTotal = counters.queueing.checkedAdding(queueing)
        else { throw overflow }
        after.counters = LinkCounters(
            messages: counters.messages + 1, bytes: bytes, busy: busy, queueing: queueingTotal)
        let booking = Booking(start: start, end: end, arrival: arrival, queueing: queueing)
        return (booking, after)
    }

    /// Moves the exact free instant by `byteCount ÷ bandwidth`; false when it does not fit, with
    /// one picosecond kept back for rounding up.
    private mutating func advance(byByteCount byteCount: ByteCount) -> Bool {
        let rate = UInt128(bandwidth.bytesPerSecond)
        // Below 2¹⁰⁴ + 2⁶⁴.
        let numerator =
            UInt128(byteCount.bytes) * UInt128(EmulatedDuration.picosecondsPerSecond)
            + UInt128(freeRest)
        let (whole, rest) = numerator.quotientAndRemainder(dividingBy: rate)
        let sum = UInt128(freeWhole) + whole
        guard sum < UInt128(UInt64.max) || (sum == UInt128(UInt64.max) && rest == 0) else {
            return false
        }
        freeWhole = UInt64(sum)
        freeRest = UInt64(rest)
        return true
    }
}
