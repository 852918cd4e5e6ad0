import Pacing
import Quantities
import Testing

/// Several threads on one link's word.
@Suite struct SharedThreadsTests {
    /// The clock stands still, so every booking must follow the one before it without a gap.
    @Test func `Concurrent bookings are neither lost nor doubled`() throws {
        let board = try makeBoard()
        let origin = WallInstant(nanoseconds: 1_000)
        let (threadCount, each) = (4, 20_000)
        let outcomes = onThreads(threadCount) { _ in
            Result {
                var limiter = try SharedRateLimiter(
                    board: board, link: 0, bandwidth: Bandwidth(bytesPerSecond: 4_000_000_000),
                    dilation: .one, origin: origin, catchUpTolerance: ByteCount(1 << 20),
                    sparesCores: false,
                    wall: WallClock(now: { origin }, sleep: { _ in }, giveWay: {}), watch: {})
                return try (0..<each).map { _ in
                    try limiter.acquire(ByteCount(64)).nanoseconds
                }
            }
        }
        let deadlines = try outcomes.flatMap { try $0.get() }.sorted()
        let expected = (1...UInt64(threadCount * each)).map { 1_000 + 16 * $0 }
        #expect(deadlines == expected)
    }

    /// From the origin on, at no moment has more arrived than the rate permits.
    @Test(arguments: [false, true])
    func `Threads together never beat the rate`(sparesCores: Bool) throws {
        let board = try makeBoard()
        let origin = WallInstant.now
        let end = origin.advanced(byNanoseconds: 60_000_000)
        let message: UInt64 = 4_096
        let outcomes = onThreads(4) { _ in
            Result {
                var limiter = try SharedRateLimiter(
                    board: board, link: 0, bandwidth: Bandwidth(bytesPerSecond: 200_000_000),
                    dilation: .one, origin: origin, catchUpTolerance: ByteCount(1 << 20),
                    sparesCores: sparesCores, watch: {})
                var arrivals: [UInt64] = []
                repeat {
                    try limiter.waitUntil(try limiter.acquire(ByteCount(message)))
                    arrivals.append(WallInstant.now.nanoseconds)
                } while WallInstant.now < end
                return arrivals
            }
        }
        let arrivals = try outcomes.flatMap { try $0.get() }.sorted()
        var early = 0
        for (index, arrival) in arrivals.enumerated() {
            // Bytes × ns per byte (5) on the one side, elapsed ns on the other.
            if UInt64(index + 1) * message * 5 > arrival - origin.nanoseconds { early += 1 }
        }
        #expect(early == 0)
        #expect(arrivals.count >= 4)
    }

    @Test func `The watch ends a limiter's wait`() throws {
        var limiter = try SharedRateLimiter(
            board: try makeBoard(), link: 0, bandwidth: Bandwidth(bytesPerSecond: 1_000),
            dilation: .one, origin: .now, catchUpTolerance: .zero, sparesCores: false,
            watch: { () throws(PacingError) in throw .waitEnded(reason: "a peer died") })
        let deadline = try limiter.acquire(ByteCount(1_000_000))
        #expect(throws: PacingError.waitEnded(reason: "a peer died")) {
            try limiter.waitUntil(deadline)
        }
    }
}
