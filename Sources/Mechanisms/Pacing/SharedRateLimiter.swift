package import Quantities

/// One sharer's access to a link that processes share in a paced run: holds their transfers
/// together to the link's bandwidth in wall time, and feeds no timestamp.
///
/// The link's "theoretical arrival time" is one 64-bit atomic that every transfer advances. It
/// counts bytes, not nanoseconds: the bytes that the link would have carried from the origin to
/// that instant at its rate. So any bandwidth at any dilation is advanced exactly, without a
/// remainder that could add up; only the wall instants derived from it are rounded, upwards.
///
/// A transfer begins at the latest of three: the end of the ones before it, the instant at which
/// it was ready, and `now` less the catch-up tolerance. It counts as delivered at the deadline
/// that ``acquire(_:readyAt:)`` returns. The third bound limits how much lateness is made good:
/// after any pause, however long, at most the tolerance and an eighth of it for each sharer pass
/// faster than the link's rate. What exceeds it is given up and counted.
///
/// A sharer reads the clock only when what it last read does not already prove that the deadline
/// has passed (for an eighth of the tolerance at most): that makes small messages on fast links
/// affordable.
package struct SharedRateLimiter: ~Copyable {
    /// The longest that a link's schedule may be ahead of now before it counts as corrupt: link
    /// time, so the dilation stretches it.
    package static let maximumBacklog = Duration.seconds(3_600)

    package let link: Int
    package let catchUpTolerance: ByteCount
    /// Bytes that the link could have carried while nobody used it for longer than the tolerance,
    /// as far as this sharer was the one to notice: idleness, or lateness that was given up.
    package private(set) var forfeited = ByteCount.zero

    private let board: SharedLinkBoard
    private let rate: WallRate
    private let origin: WallInstant
    private let backlogLimit: UInt64
    private var wait: DeadlineWait
    /// The last reading of the clock, and the whole bytes of link time that it proves have passed.
    private var known: WallInstant
    private var knownBytes: UInt64 = 0
    private var bytesUntilReading: UInt64 = 0

    /// Attaches to `link`; all sharers must give the same bandwidth, dilation and origin.
    ///
    /// - Parameters:
    ///   - bandwidth: of the emulated link; in wall time it is divided by the dilation.
    ///   - origin: the wall instant from which the schedule counts, the run's start.
    ///   - catchUpTolerance: see the type and
    ///     ``defaultTolerance(bandwidth:dilation:message:latenessNanoseconds:)``.
    /// - Throws: ``PacingError/linkMismatch(link:field:expected:found:)``.
    package init(
        board: SharedLinkBoard, link: Int, bandwidth: Bandwidth, dilation: Dilation,
        origin: WallInstant, catchUpTolerance: ByteCount, sparesCores: Bool,
        wall: WallClock = .system, watch: @escaping WaitWatch
    ) throws(PacingError) {
        precondition(origin.nanoseconds > 0)
        precondition(catchUpTolerance.bytes <= 1 << 48)
        try board.agree(
            link: link,
            on: [
                ("the bandwidth", bandwidth.bytesPerSecond),
                ("the dilation", dilation.thousandths), ("the origin", origin.nanoseconds),
            ])
        self.board = board
        self.link = link
        self.origin = origin
        self.catchUpTolerance = catchUpTolerance
        rate = WallRate(bandwidth: bandwidth, dilation: dilation)
        backlogLimit = bandwidth.bytesPerSecond.multipliedClamping(
            by: UInt64(Self.maximumBacklog.components.seconds))
        wait = DeadlineWait(clock: wall, sparesCores: sparesCores, watch: watch)
        known = origin
    }

    /// What lets a sharer wake up late and still hold the rate: the larger of four messages and
    /// the bytes of `latenessNanoseconds`.
    ///
    /// A millisecond covers timers and interrupts. Threads that compete for cores wake up later
    /// by whole time slices of the scheduler, several milliseconds each.
    package static func defaultTolerance(
        bandwidth: Bandwidth, dilation: Dilation, message: ByteCount,
        latenessNanoseconds: UInt64 = 1_000_000
    ) -> ByteCount {
        let rate = WallRate(bandwidth: bandwidth, dilation: dilation)
        let late = rate.byteCount(inNanoseconds: latenessNanoseconds) ?? .max
        return ByteCount(min(max(message.bytes.multipliedClamping(by: 4), late), 1 << 48))
    }

    /// Books `byteCount` bytes and returns the wall instant before which they have not arrived.
    ///
    /// The caller moves the bytes meanwhile and then calls ``waitUntil(_:)``.
    ///
    /// - Parameter readyAt: when the transfer could have begun at the earliest; nil for one of an
    ///   unbroken stream, for which the link was never idle.
    /// - Throws: ``PacingError/scheduleTooFarAhead(link:byteCount:limit:)`` when the schedule is
    ///   damaged or `readyAt` lies hours ahead, ``PacingError/scheduleOverflow(link:byteCount:)``;
    ///   nothing is booked then.
    package mutating func acquire(
        _ byteCount: ByteCount, readyAt: WallInstant? = nil
    ) throws(PacingError) -> WallInstant {
        let ready = try readyAt.map { (instant) throws(PacingError) in
            try bytesOfLinkTime(until: instant, byteCount)
        }
        let booked = board.bookedByteCount(link: link)
        if byteCount.bytes <= bytesUntilReading {
            // Both hold already at the last reading, so they hold now.
            let earliest = knownBytes - min(knownBytes, catchUpTolerance.bytes)
            let begin = max(booked, ready ?? 0, earliest)
            let (end, overflow) = begin.addingReportingOverflow(byteCount.bytes)
            if !overflow, end <= knownBytes,
                board.replace(link: link, expected: booked, by: end).isReplaced
            {
                bytesUntilReading -= byteCount.bytes
                countForfeited(booked: booked, ready: ready ?? 0, earliest: earliest)
                return known
            }
        }
        try adopt(reading: wait.clock.now(), byteCount)
        return try book(byteCount, ready: ready ?? 0)
    }

    /// Waits until `deadline`, from ``acquire(_:readyAt:)``.
    package mutating func waitUntil(_ deadline: WallInstant) throws(PacingError) {
        guard deadline > known else { return }
        let now = try wait.wait(until: deadline, now: wait.clock.now())
        try adopt(reading: now, .zero)
    }

    /// Keeps a reading of the clock.
    private mutating func adopt(
        reading now: WallInstant, _ byteCount: ByteCount
    ) throws(PacingError) {
        let elapsed = now.nanoseconds - min(now.nanoseconds, origin.nanoseconds)
        guard let bytes = rate.byteCount(inNanoseconds: elapsed), bytes < .max else {
            throw .scheduleOverflow(link: link, byteCount: byteCount)
        }
        known = now
        knownBytes = bytes
        bytesUntilReading = catchUpTolerance.bytes / 8
    }

    /// Advances the schedule, with the clock just read.
    private mutating func book(
        _ byteCount: ByteCount, ready: UInt64
    ) throws(PacingError) -> WallInstant {
        // The byte that is under way now has not been carried yet: rounded up.
        let now = knownBytes + 1
        let earliest = now - min(now, catchUpTolerance.bytes)
        var booked = board.bookedByteCount(link: link)
        while true {
            let begin = max(booked, ready, earliest)
            guard begin <= now || begin - now <= backlogLimit else {
                throw .scheduleTooFarAhead(
                    link: link, byteCount: ByteCount(begin - now), limit: ByteCount(backlogLimit))
            }
            let (end, overflow) = begin.addingReportingOverflow(byteCount.bytes)
            guard !overflow, let span = rate.nanoseconds(ofByteCount: end) else {
                throw .scheduleOverflow(link: link, byteCount: byteCount)
            }
            let outcome = board.replace(link: link, expected: booked, by: end)
            if outcome.isReplaced {
                countForfeited(booked: booked, ready: ready, earliest: earliest)
                return origin.advanced(byNanoseconds: span)
            }
            booked = outcome.1
        }
    }

    private mutating func countForfeited(booked: UInt64, ready: UInt64, earliest: UInt64) {
        let free = max(booked, ready)
        // Before the first transfer there was no schedule to fall behind.
        if booked > 0, earliest > free { forfeited += ByteCount(earliest - free) }
    }

    /// The link's bytes from the origin to `instant`, rounded up.
    private func bytesOfLinkTime(
        until instant: WallInstant, _ byteCount: ByteCount
    ) throws(PacingError) -> UInt64 {
        guard instant > origin else { return 0 }
        let elapsed = instant.nanoseconds - origin.nanoseconds
        guard let bytes = rate.byteCount(inNanoseconds: elapsed), bytes < .max else {
            throw .scheduleOverflow(link: link, byteCount: byteCount)
        }
        return bytes + 1
    }
}

/// A link's rate in wall time, as a fraction: `bytes` per `nanoseconds`.
struct WallRate {
    private let bytes: UInt64
    private let nanoseconds: UInt64

    /// `bandwidth ÷ dilation`.
    init(bandwidth: Bandwidth, dilation: Dilation) {
        bytes = bandwidth.bytesPerSecond
        nanoseconds = dilation.thousandths * 1_000_000
    }

    /// Whole bytes that pass in a span, rounded down; nil beyond 64 bits.
    func byteCount(inNanoseconds count: UInt64) -> UInt64? {
        let product = count.multipliedFullWidth(by: bytes)
        guard product.high < nanoseconds else { return nil }
        return nanoseconds.dividingFullWidth(product).quotient
    }

    /// The span that `count` bytes take, rounded up; nil beyond 64 bits.
    func nanoseconds(ofByteCount count: UInt64) -> UInt64? {
        let product = count.multipliedFullWidth(by: nanoseconds)
        guard product.high < bytes else { return nil }
        let (quotient, remainder) = bytes.dividingFullWidth(product)
        guard remainder > 0 else { return quotient }
        return quotient == .max ? nil : quotient + 1
    }
}

extension UInt64 {
    func multipliedClamping(by factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}
