import MappedMemory
import Pacing
import Quantities
import SeededRandom
import Testing

private let origin = WallInstant(nanoseconds: 1_000)
private let oneGigabyte = Bandwidth(bytesPerSecond: 1_000_000_000)

/// One sharer on a simulated wall clock.
private func makeLimiter(
    _ board: SharedLinkBoard, _ wall: SimulatedWall, bandwidth: Bandwidth = oneGigabyte,
    thousandths: UInt64 = 1_000, tolerance: UInt64 = 4_096
) throws -> SharedRateLimiter {
    try SharedRateLimiter(
        board: board, link: 0, bandwidth: bandwidth, dilation: Dilation(thousandths: thousandths),
        origin: origin, catchUpTolerance: ByteCount(tolerance), sparesCores: false,
        wall: wall.clock, watch: {})
}

/// The shared cap: figures by hand, an exact model, and what sharers must not do to it.
@Suite struct SharedRateLimiterTests {
    /// 64 B at 4 GB/s take 16 ns of wall time, at dilation 2.5 they take 40 ns.
    @Test(
        arguments: [(1_000, [1_016, 1_032, 1_048]), (2_500, [1_040, 1_080, 1_120])]
            as [(UInt64, [UInt64])])
    func `Deadlines are one transfer time apart`(thousandths: UInt64, expected: [UInt64]) throws {
        let wall = SimulatedWall(now: 1_000)
        var limiter = try makeLimiter(
            try makeBoard(), wall, bandwidth: Bandwidth(bytesPerSecond: 4_000_000_000),
            thousandths: thousandths)
        var deadlines: [UInt64] = []
        for _ in 0..<3 { deadlines.append(try limiter.acquire(ByteCount(64)).nanoseconds) }
        #expect(deadlines == expected)
    }

    /// 64 B at 3 GB/s: 21.33 ns; a million of them, 21 333 333.33 ns.
    @Test func `A rate that no nanosecond divides is held exactly`() throws {
        let wall = SimulatedWall(now: 1_000)
        var limiter = try makeLimiter(
            try makeBoard(), wall, bandwidth: Bandwidth(bytesPerSecond: 3_000_000_000))
        var deadline = origin
        for _ in 0..<1_000_000 {
            deadline = try limiter.acquire(ByteCount(64))
            try limiter.waitUntil(deadline)
        }
        #expect(deadline.nanoseconds == 1_000 + 21_333_334)
        #expect(limiter.forfeited == .zero)
    }

    @Test func `A transfer does not begin before it is ready`() throws {
        let wall = SimulatedWall(now: 1_000)
        var limiter = try makeLimiter(try makeBoard(), wall)
        let ready = WallInstant(nanoseconds: 1_500)
        // One byte is one nanosecond; the instant at which it is ready is rounded up by a byte.
        #expect(try limiter.acquire(ByteCount(100), readyAt: ready).nanoseconds == 1_601)
        let earlier = WallInstant(nanoseconds: 500)
        #expect(try limiter.acquire(ByteCount(100), readyAt: earlier).nanoseconds == 1_701)
    }

    @Test func `Arrears are made good up to the tolerance and given up beyond it`() throws {
        let wall = SimulatedWall(now: 1_000)
        var limiter = try makeLimiter(try makeBoard(), wall, tolerance: 300)
        _ = try limiter.acquire(ByteCount(100))  // due at 1100
        wall.now = 1_399  // 299 ns late, and the byte under way: within the tolerance
        #expect(try limiter.acquire(ByteCount(100)).nanoseconds == 1_200)
        #expect(limiter.forfeited == .zero)
        wall.now = 1_000_000  // far later: it begins 300 ns before now, rounded up by a byte
        #expect(try limiter.acquire(ByteCount(100)).nanoseconds == 1_000_000 - 300 + 100 + 1)
        #expect(limiter.forfeited == ByteCount(1_000_000 - 300 + 1 - 1_200))
    }

    @Test func `After any pause the tolerance and an eighth of it pass at once, no more`() throws {
        let wall = SimulatedWall(now: 1_000)
        var limiter = try makeLimiter(try makeBoard(), wall, tolerance: 8_000)
        for pause in [10_000, 1_000_000, 3] as [UInt64] {
            _ = try limiter.acquire(ByteCount(100))
            wall.now += pause
            var passed: UInt64 = 0
            while try limiter.acquire(ByteCount(100)).nanoseconds <= wall.now { passed += 100 }
            #expect(passed <= 9_000)
        }
    }

    @Test func `Sharers get equal parts of the rate`() throws {
        let wall = SimulatedWall(now: 1_000)
        let board = try makeBoard()
        var sharers = SharerSet(
            try makeLimiter(board, wall), try makeLimiter(board, wall), try makeLimiter(board, wall)
        )
        var due: [UInt64] = [0, 0, 0]
        var counts = [0, 0, 0]
        // Whoever's transfer is over first sends the next one.
        for _ in 0..<3_000 {
            let next = due.indices.min { due[$0] < due[$1] } ?? 0
            wall.now = max(wall.now, due[next])
            due[next] = try sharers.acquire(ByteCount(1_000), by: next).nanoseconds
            counts[next] += 1
        }
        #expect(counts == [1_000, 1_000, 1_000])
        // Three million bytes at one byte a nanosecond.
        #expect(due.max() == 1_000 + 3_000_000)
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `Deadlines equal an exact model`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let rate = [50_000_000, 999_999_937, 25_600_000_000, 3_001][Int(seed) - 1] as UInt64
        let thousandths = [1_000, 1_337, 77, 2_000][Int(seed) - 1] as UInt64
        let wall = SimulatedWall(now: 1_000)
        var limiter = try makeLimiter(
            try makeBoard(), wall, bandwidth: Bandwidth(bytesPerSecond: rate),
            thousandths: thousandths, tolerance: 0)
        // Without tolerance the clock is read every time, and the model needs no memory of it.
        var booked: UInt128 = 0
        let below = UInt128(thousandths) * 1_000_000
        var wrong = 0
        for _ in 0..<20_000 {
            wall.now += random.next() % 3_000
            let byteCount = 1 + random.next() % 2_000
            let elapsed = UInt128(wall.now - 1_000)
            booked = max(booked, elapsed * UInt128(rate) / below + 1) + UInt128(byteCount)
            let expected = 1_000 + (booked * below + UInt128(rate) - 1) / UInt128(rate)
            let found = try limiter.acquire(ByteCount(byteCount)).nanoseconds
            if UInt128(found) != expected { wrong += 1 }
            // Keeps the schedule from running hours ahead.
            if booked > elapsed * UInt128(rate) / below + 10_000 { wall.now = found }
        }
        #expect(wrong == 0)
    }

    @Test func `Two views of the same memory are one link`() throws {
        let segment = try SharedSegment.create(byteCount: SharedLinkBoard.byteCount(linkCount: 1))
        let wall = SimulatedWall(now: 1_000)
        var one = try makeLimiter(
            try SharedLinkBoard(adopting: try segment.map(), linkCount: 1), wall)
        var other = try makeLimiter(
            try SharedLinkBoard(adopting: try segment.map(), linkCount: 1), wall)
        #expect(try one.acquire(ByteCount(10)).nanoseconds == 1_010)
        #expect(try other.acquire(ByteCount(10)).nanoseconds == 1_020)
        #expect(try one.acquire(ByteCount(10)).nanoseconds == 1_030)
    }

    @Test func `Links of one board do not touch one another`() throws {
        let board = try makeBoard(linkCount: 3)
        for link in 0..<3 {
            var limiter = try SharedRateLimiter(
                board: board, link: link, bandwidth: oneGigabyte, dilation: .one, origin: origin,
                catchUpTolerance: ByteCount(64), sparesCores: false,
                wall: SimulatedWall(now: 1_000).clock, watch: {})
            #expect(try limiter.acquire(ByteCount(10)).nanoseconds == 1_010)
        }
    }

    @Test func `The default tolerance is four messages or the stated lateness`() {
        let small = SharedRateLimiter.defaultTolerance(
            bandwidth: oneGigabyte, dilation: .one, message: ByteCount(64))
        #expect(small == ByteCount(1_000_000))
        let large = SharedRateLimiter.defaultTolerance(
            bandwidth: oneGigabyte, dilation: .one, message: ByteCount(1_000_000))
        #expect(large == ByteCount(4_000_000))
        let slowed = SharedRateLimiter.defaultTolerance(
            bandwidth: oneGigabyte, dilation: Dilation(thousandths: 2_000), message: ByteCount(64),
            latenessNanoseconds: 10_000_000)
        #expect(slowed == ByteCount(5_000_000))
        let largest = SharedRateLimiter.defaultTolerance(
            bandwidth: oneGigabyte, dilation: .one, message: ByteCount(.max))
        #expect(largest == ByteCount(1 << 48))
    }

    @Test func `Sharers that disagree are refused`() throws {
        let board = try makeBoard()
        let wall = SimulatedWall(now: 1_000)
        _ = try makeLimiter(board, wall)
        #expect(
            throws: PacingError.linkMismatch(
                link: 0, field: "the bandwidth", expected: 5, found: 1_000_000_000)
        ) { _ = try makeLimiter(board, wall, bandwidth: Bandwidth(bytesPerSecond: 5)) }
        #expect(
            throws: PacingError.linkMismatch(
                link: 0, field: "the dilation", expected: 1_001, found: 1_000)
        ) { _ = try makeLimiter(board, wall, thousandths: 1_001) }
        _ = try makeLimiter(board, wall)
    }

    @Test func `Memory that is too small is refused`() throws {
        let segment = try SharedSegment.create(byteCount: 256)
        #expect(throws: PacingError.boardTooSmall(byteCount: 256, neededByteCount: 512)) {
            try SharedLinkBoard(adopting: try segment.map(), linkCount: 2)
        }
        #expect(throws: PacingError.boardTooSmall(byteCount: 256, neededByteCount: 512)) {
            try SharedLinkBoard(adopting: try segment.map(), atByteOffset: 256, linkCount: 1)
        }
        _ = try SharedLinkBoard(adopting: try segment.map(), linkCount: 1)
    }

    @Test func `A schedule hours ahead is refused and not waited for`() throws {
        let board = try makeBoard()
        let wall = SimulatedWall(now: 1_000)
        var limiter = try makeLimiter(board, wall)
        // One hour is 3.6 TB here: the first transfer begins now, the next ones would not.
        _ = try limiter.acquire(ByteCount(3_600_000_000_001))
        _ = try limiter.acquire(ByteCount(1))
        #expect(throws: PacingError.self) { try limiter.acquire(ByteCount(1)) }
        wall.now += 10
        _ = try limiter.acquire(ByteCount(1))
        let tomorrow = WallInstant(nanoseconds: 86_400_000_000_000)
        #expect(throws: PacingError.self) {
            try limiter.acquire(ByteCount(1), readyAt: tomorrow)
        }
    }

    @Test func `A transfer beyond 64 bits is refused`() throws {
        var limiter = try makeLimiter(try makeBoard(), SimulatedWall(now: 1_000))
        _ = try limiter.acquire(ByteCount(5))
        let refusal = PacingError.scheduleOverflow(link: 0, byteCount: ByteCount(.max))
        #expect(throws: refusal) { try limiter.acquire(ByteCount(.max)) }
        #expect(try limiter.acquire(ByteCount(5)).nanoseconds == 1_010)
        var late = try makeLimiter(
            try makeBoard(), SimulatedWall(now: .max), bandwidth: oneGigabyte * 1_000)
        #expect(throws: PacingError.self) { try late.acquire(ByteCount(1)) }
    }
}

/// Three limiters, which no array can hold.
private struct SharerSet: ~Copyable {
    private var first: SharedRateLimiter
    private var second: SharedRateLimiter
    private var third: SharedRateLimiter

    init(
        _ first: consuming SharedRateLimiter, _ second: consuming SharedRateLimiter,
        _ third: consuming SharedRateLimiter
    ) {
        self.first = first
        self.second = second
        self.third = third
    }

    mutating func acquire(
        _ byteCount: ByteCount, by index: Int
    ) throws(PacingError) -> WallInstant {
        switch index {
        case 0: try first.acquire(byteCount)
        case 1: try second.acquire(byteCount)
        default: try third.acquire(byteCount)
        }
    }
}
