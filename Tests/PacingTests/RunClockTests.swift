import Pacing
import Quantities
import Testing

/// The three clocks; the paced one on a simulated wall and on the real one.
@Suite struct RunClockTests {
    private let origin = WallInstant(nanoseconds: 1_000_000)

    private func makeClock(
        _ wall: SimulatedWall, thousandths: UInt64 = 2_000, sparesCores: Bool = false,
        watch: @escaping WaitWatch = {}
    ) -> PacedClock {
        PacedClock(
            origin: origin, dilation: Dilation(thousandths: thousandths), sparesCores: sparesCores,
            wall: wall.clock, watch: watch)
    }

    @Test(arguments: [ClockKind.virtual, .native])
    func `Virtual and native clocks never wait`(kind: ClockKind) throws {
        let clock = UnpacedClock(kind)
        try clock.waitUntil(EmulatedTime(.max))
        #expect(clock.kind == kind)
        #expect(clock.overruns == OverrunCount())
    }

    @Test func `The deadline is the origin plus the dilated instant`() throws {
        let clock = makeClock(SimulatedWall(now: 0))
        #expect(try clock.deadline(of: EmulatedTime(1_000_000)).nanoseconds == 1_002_000)
        #expect(try clock.deadline(of: EmulatedTime(1)).nanoseconds == 1_000_001)
    }

    @Test func `A wait ends at the deadline, the first one not before the origin`() throws {
        let wall = SimulatedWall(now: 5)
        let clock = makeClock(wall)
        try clock.waitUntil(.start)
        #expect(wall.now == 1_000_000)
        try clock.waitUntil(EmulatedTime(3_000_000))
        #expect(wall.now == 1_006_000)
        #expect(clock.overruns.deadlines == 2)
        #expect(clock.overruns.missed == 0)
    }

    /// The tolerance is 100 µs; the deadline lies 10 µs after the origin.
    @Test(arguments: [(0, 0), (10_000, 0), (110_000, 0), (110_001, 1)] as [(UInt64, UInt64)])
    func `Only a deadline missed by more than the tolerance is an overrun`(
        nanosecondsAfterOrigin: UInt64, missed: UInt64
    ) throws {
        let wall = SimulatedWall(now: 1_000_000 + nanosecondsAfterOrigin)
        let clock = makeClock(wall)
        try clock.waitUntil(EmulatedTime(5_000_000))
        #expect(clock.overruns.deadlines == 1)
        #expect(clock.overruns.missed == missed)
        let late = max(nanosecondsAfterOrigin, 10_000) - 10_000
        #expect(clock.overruns.worstLateness == .nanoseconds(late))
    }

    @Test func `An instant that the role has reached is not counted again`() throws {
        let wall = SimulatedWall(now: 0)
        let clock = makeClock(wall)
        try clock.waitUntil(EmulatedTime(5_000_000))
        wall.now += 10_000_000
        try clock.waitUntil(EmulatedTime(5_000_000))
        try clock.waitUntil(EmulatedTime(4_000_000))
        #expect(clock.overruns.deadlines == 1)
        #expect(clock.overruns.missed == 0)
    }

    @Test func `Lateness is made good as soon as there is slack`() throws {
        let wall = SimulatedWall(now: 1_000_000 + 3_000_000)
        let clock = makeClock(wall)
        try clock.waitUntil(EmulatedTime(500_000_000))  // due at 1 ms, 2 ms late
        try clock.waitUntil(EmulatedTime(1_000_000_000))  // due at 2 ms, 1 ms late
        try clock.waitUntil(EmulatedTime(2_000_000_000))  // due at 4 ms, waited for
        #expect(wall.now == 5_000_000)
        #expect(clock.overruns.missed == 2)
        #expect(clock.overruns.worstLateness == .milliseconds(2))
    }

    @Test func `A late wake-up is recorded and is no overrun`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        wall.oversleep = 700_000
        let clock = makeClock(wall)
        try clock.waitUntil(EmulatedTime(5_000_000))
        #expect(clock.overruns.worstWakeUpLateness == .microseconds(700))
        #expect(clock.overruns.missed == 0)
    }

    @Test func `The watch is asked at least every 50 ms of waiting`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        var asked: [UInt64] = [wall.now]
        let clock = makeClock(wall) { asked.append(wall.now) }
        try clock.waitUntil(EmulatedTime(500_000_000_000))  // one second
        asked.append(wall.now)
        let gaps = zip(asked, asked.dropFirst()).map { $1 - $0 }
        #expect(gaps.allSatisfy { $0 <= 50_000_000 })
        #expect(wall.now == 1_001_000_000)
    }

    @Test func `A role that never has to wait still asks the watch`() throws {
        let wall = SimulatedWall(now: 1_000_000_000)
        var count = 0
        let clock = makeClock(wall) { count += 1 }
        for step in 1...100 as ClosedRange<UInt64> {
            wall.now += 10_000_000
            try clock.waitUntil(EmulatedTime(step))
        }
        #expect(count == 25)
    }

    @Test func `A signal during a sleep asks the watch, which ends the wait`() {
        let wall = SimulatedWall(now: 1_000_000)
        wall.interruptions = [1_004_000]
        var count = 0
        let clock = makeClock(wall) { () throws(PacingError) in
            count += 1
            if wall.now >= 1_004_000 { throw .waitEnded(reason: "SIGINT") }
        }
        #expect(throws: PacingError.waitEnded(reason: "SIGINT")) {
            try clock.waitUntil(EmulatedTime(1_000_000_000))
        }
        #expect(wall.now == 1_004_000)
        #expect(count == 2)
    }

    @Test func `A signal that the watch does not mind does not shorten the wait`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        wall.interruptions = [1_001_000, 1_002_000]
        try makeClock(wall).waitUntil(EmulatedTime(5_000_000))
        #expect(wall.now == 1_010_000)
    }

    @Test func `Without spare cores the whole wait is slept`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        try makeClock(wall).waitUntil(EmulatedTime(100_000_000))
        #expect(wall.sleeps == [1_200_000])
    }

    @Test func `An instant beyond 64 bits of wall time is refused`() {
        let clock = makeClock(SimulatedWall(now: 0), thousandths: 1_000_000_000)
        #expect(throws: PacingError.self) { try clock.waitUntil(EmulatedTime(.max)) }
    }

    @Test(arguments: [false, true])
    func `A real wait never returns early`(sparesCores: Bool) throws {
        let origin = WallInstant.now
        let clock = PacedClock(
            origin: origin, dilation: Dilation(thousandths: 1_500), sparesCores: sparesCores,
            watch: {})
        var earlyCount = 0
        for step in 1...200 as ClosedRange<UInt64> {
            let time = EmulatedTime(step * 123_456_789)  // 185 µs of wall time each
            try clock.waitUntil(time)
            if WallInstant.now < (try clock.deadline(of: time)) { earlyCount += 1 }
        }
        #expect(earlyCount == 0)
        #expect(clock.overruns.deadlines == 200)
    }

    @Test func `The watch ends a real wait`() {
        var count = 0
        let clock = PacedClock(
            origin: .now, dilation: .one, sparesCores: false,
            watch: { () throws(PacingError) in
                count += 1
                if count == 3 { throw .waitEnded(reason: "a peer died") }
            })
        #expect(throws: PacingError.waitEnded(reason: "a peer died")) {
            try clock.waitUntil(EmulatedTime(3_600_000_000_000_000))
        }
    }

    @Test func `The share of overruns is compared exactly`() {
        let limit = Proportion(millionths: 10_000)
        func count(_ missed: UInt64, of deadlines: UInt64) -> OverrunCount {
            OverrunCount(
                deadlines: deadlines, missed: missed, worstLateness: .zero,
                worstWakeUpLateness: .zero)
        }
        #expect(count(0, of: 0).isWithin(limit))
        #expect(count(1, of: 100).isWithin(limit))
        #expect(!count(1, of: 99).isWithin(limit))
        #expect(count(0, of: 0).share == 0)
        #expect(count(1, of: 4).share == 0.25)
        let sum = count(1, of: 4) + count(2, of: 6)
        #expect(sum == count(3, of: 10))
        #expect(count(.max, of: .max).isWithin(.one))
    }
}
