import Pacing
import Quantities
import Testing

/// The three clocks; the paced one on a simulated wall and on the real one.
@Suite struct RunClockTests {
    private let origin = WallInstant(nanoseconds: 1_000_000)

    private func makeClock(
        _ wall: SimulatedWall, thousandths: UInt64 = 2_000, lead: Duration = .zero,
        links: PacedLinks? = nil, watch: @escaping WaitWatch = {}
    ) -> PacedClock {
        PacedClock(
            origin: origin, dilation: Dilation(thousandths: thousandths), links: links,
            sparesCores: false, lead: lead, wall: wall.clock, watch: watch)
    }

    /// Two links: 1 GB/s with 5 ns of latency, 4 GB/s with none.
    private func makeLinks(holdsMessages: Bool = true) throws -> PacedLinks {
        PacedLinks(
            board: try makeBoard(linkCount: 2),
            rates: [
                LinkRate(
                    bandwidth: Bandwidth(bytesPerSecond: 1_000_000_000),
                    latency: EmulatedDuration(5_000)),
                LinkRate(bandwidth: Bandwidth(bytesPerSecond: 4_000_000_000), latency: .zero),
            ], holdsMessages: holdsMessages)
    }

    @Test(arguments: [ClockKind.virtual, .native])
    func `Virtual and native clocks never wait`(kind: ClockKind) throws {
        let clock = UnpacedClock(kind)
        try clock.receive(arrival: EmulatedTime(.max), delivery: WallInstant(nanoseconds: .max))
        clock.beginWork()
        #expect(try clock.finishWork(at: EmulatedTime(.max), lasting: EmulatedDuration(1)) == nil)
        try clock.proceed(from: WallInstant(nanoseconds: .max))
        try clock.rest(until: WallInstant(nanoseconds: .max))
        try clock.catchUp()
        let delivery = try clock.depart(
            ByteCount(1), over: [0], readyAt: .start, workEnd: WallInstant(nanoseconds: 1))
        #expect(delivery == nil)
        #expect(clock.kind == kind)
        #expect(clock.overruns == OverrunCount())
    }

    @Test func `The deadline is the origin plus the dilated instant`() throws {
        let clock = makeClock(SimulatedWall(now: 0))
        #expect(try clock.deadline(of: EmulatedTime(1_000_000)).nanoseconds == 1_002_000)
        #expect(try clock.deadline(of: EmulatedTime(1)).nanoseconds == 1_000_001)
    }

    // MARK: Messages

    @Test func `A message is held until its arrival, the first one not before the origin`() throws {
        let wall = SimulatedWall(now: 5)
        let clock = makeClock(wall)
        try clock.receive(arrival: .start, delivery: nil)
        #expect(wall.now == 1_000_000)
        try clock.receive(arrival: EmulatedTime(3_000_000), delivery: nil)
        #expect(wall.now == 1_006_000)
        #expect(clock.overruns.deadlines == 2)
        #expect(clock.overruns.missed == 0)
    }

    @Test func `A message is not used before its links deliver it, which may make it late`() throws
    {
        let wall = SimulatedWall(now: 1_000_000)
        let clock = makeClock(wall)
        // Due at 1.01 ms; 100 us late is within the tolerance, 190 us is not.
        try clock.receive(
            arrival: EmulatedTime(5_000_000), delivery: WallInstant(nanoseconds: 1_110_000))
        #expect(wall.now == 1_110_000)
        #expect(clock.overruns.missed == 0)
        try clock.receive(
            arrival: EmulatedTime(55_000_000), delivery: WallInstant(nanoseconds: 1_300_000))
        #expect(wall.now == 1_300_000)
        #expect(clock.overruns.missed == 1)
        #expect(clock.overruns.worstLateness == .microseconds(190))
        try clock.receive(
            arrival: EmulatedTime(200_000_000), delivery: WallInstant(nanoseconds: 7))
        #expect(wall.now == 1_400_000)
    }

    /// The tolerance is 100 µs; the deadline lies 10 µs after the origin.
    @Test(arguments: [(0, 0), (10_000, 0), (110_000, 0), (110_001, 1)] as [(UInt64, UInt64)])
    func `Only a deadline missed by more than the tolerance is an overrun`(
        nanosecondsAfterOrigin: UInt64, missed: UInt64
    ) throws {
        let late = max(nanosecondsAfterOrigin, 10_000) - 10_000
        for isMessage in [true, false] {
            let wall = SimulatedWall(now: 1_000_000 + nanosecondsAfterOrigin)
            let clock = makeClock(wall)
            if isMessage {
                try clock.receive(arrival: EmulatedTime(5_000_000), delivery: nil)
            } else {
                _ = try clock.finishWork(at: EmulatedTime(5_000_000), lasting: .zero)
            }
            #expect(clock.overruns.deadlines == 1)
            #expect(clock.overruns.missed == missed)
            #expect(clock.overruns.worstLateness == .nanoseconds(late))
        }
    }

    @Test func `An instant that the role has reached is not counted again`() throws {
        let wall = SimulatedWall(now: 0)
        let clock = makeClock(wall)
        try clock.receive(arrival: EmulatedTime(5_000_000), delivery: nil)
        wall.now += 10_000_000
        try clock.receive(arrival: EmulatedTime(5_000_000), delivery: nil)
        _ = try clock.finishWork(at: EmulatedTime(4_000_000), lasting: EmulatedDuration(1))
        #expect(clock.overruns.deadlines == 1)
        #expect(clock.overruns.missed == 0)
    }

    @Test func `Lateness is made good as soon as there is slack`() throws {
        let wall = SimulatedWall(now: 1_000_000 + 3_000_000)
        let clock = makeClock(wall)
        // Due at 1 ms, 2 ms late; at 2 ms, 1 ms late; at 4 ms, waited for.
        for time in [500_000_000, 1_000_000_000, 2_000_000_000] as [UInt64] {
            try clock.receive(arrival: EmulatedTime(time), delivery: nil)
        }
        #expect(wall.now == 5_000_000)
        #expect(clock.overruns.missed == 2)
        #expect(clock.overruns.worstLateness == .milliseconds(2))
    }

    // MARK: Work

    @Test func `Work lasts its dilated duration and ends no later than its instant`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        let clock = makeClock(wall)
        // On time: begun at emulated 10 us, done at 15 us.
        try clock.receive(arrival: EmulatedTime(10_000_000), delivery: nil)
        clock.beginWork()
        wall.now += 3_000
        let end = try clock.finishWork(
            at: EmulatedTime(15_000_000), lasting: EmulatedDuration(5_000_000))
        #expect(end?.nanoseconds == 1_030_000)
        #expect(wall.now == 1_023_000, "nothing waits here")
        // Begun 4 us of wall time late: what the duration adds is cut off at the instant.
        wall.now = 1_044_000
        clock.beginWork()
        let late = try clock.finishWork(
            at: EmulatedTime(25_000_000), lasting: EmulatedDuration(5_000_000))
        #expect(late?.nanoseconds == 1_050_000)
        // Begun early: a unit does not take longer than its work, whoever was waited for.
        clock.beginWork()
        let early = try clock.finishWork(
            at: EmulatedTime(95_000_000), lasting: EmulatedDuration(5_000_000))
        #expect(early?.nanoseconds == 1_054_000)
    }

    @Test func `A lead lets a role go on early, and what it shows waits`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        let clock = makeClock(wall, lead: .microseconds(30), links: try makeLinks())
        try clock.receive(arrival: EmulatedTime(100_000_000), delivery: nil)
        #expect(wall.now == 1_170_000)
        clock.beginWork()
        let end = try #require(
            try clock.finishWork(
                at: EmulatedTime(110_000_000), lasting: EmulatedDuration(10_000_000)))
        #expect(end.nanoseconds == 1_220_000, "work begins where the role stands, not earlier")
        try clock.proceed(from: end)
        #expect(wall.now == 1_190_000)
        try clock.catchUp()
        #expect(wall.now == 1_220_000)
    }

    @Test func `Rest ends shortly before the instant`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        try makeClock(wall).rest(until: WallInstant(nanoseconds: 1_400_000))
        #expect(wall.now == 1_350_000)
        try makeClock(wall).rest(until: WallInstant(nanoseconds: 1_390_000))
        #expect(wall.now == 1_350_000)
        #expect(wall.offerCount == 0)
    }

    // MARK: Links

    @Test func `A message is delivered by the slowest of its links, stretched`() throws {
        let clock = makeClock(SimulatedWall(now: 1_000_000), links: try makeLinks())
        // Ready at 1.002 ms of wall time, rounded up to the next byte of link time (2 ns at
        // 1 GB/s); 1000 B take 2 us, the latency 10 ns.
        let first = try clock.depart(
            ByteCount(1_000), over: [0, 1], readyAt: EmulatedTime(1_000_000), workEnd: nil)
        #expect(first?.nanoseconds == 1_004_012)
        let second = try clock.depart(
            ByteCount(1_000), over: [0, 1], readyAt: EmulatedTime(1_000_000), workEnd: nil)
        #expect(second?.nanoseconds == 1_006_012)
        let other = try clock.depart(
            ByteCount(1_000), over: [1], readyAt: EmulatedTime(1_000_000), workEnd: nil)
        #expect(other?.nanoseconds == 1_003_501, "500 ns each behind two others")
    }

    @Test func `Two processes share a link`() throws {
        let links = try makeLinks()
        let board = try makeBoard(linkCount: 1)
        let rates = [LinkRate(bandwidth: Bandwidth(bytesPerSecond: 500_000_000), latency: .zero)]
        let clocks = (0..<2).map { _ in
            makeClock(
                SimulatedWall(now: 1_000_000), thousandths: 1_000,
                links: PacedLinks(board: board, rates: rates))
        }
        let deliveries = try clocks.map {
            try $0.depart(ByteCount(500), over: [0], readyAt: .start, workEnd: nil)?.nanoseconds
        }
        #expect(deliveries == [1_001_000, 1_002_000])
        board.reset()
        let again = try makeClock(
            SimulatedWall(now: 1_000_000), thousandths: 3_000,
            links: PacedLinks(board: board, rates: rates)
        ).depart(ByteCount(500), over: [0], readyAt: .start, workEnd: nil)
        #expect(again?.nanoseconds == 1_003_000)
        #expect(links.holdsMessages)
    }

    @Test func `A result is not delivered before its work is over`() throws {
        let clock = makeClock(SimulatedWall(now: 1_000_000), links: try makeLinks())
        let end = WallInstant(nanoseconds: 1_040_000)
        // Ready at 1.02 ms by its instant: a peer that says it is busy for longer is not believed.
        let late = try clock.depart(
            ByteCount(10), over: [1], readyAt: EmulatedTime(10_000_000), workEnd: end)
        #expect(late?.nanoseconds == 1_020_006)
        let early = try clock.depart(
            ByteCount(10), over: [1], readyAt: EmulatedTime(30_000_000), workEnd: end)
        #expect(early?.nanoseconds == 1_060_006)
    }

    @Test func `What a role passes over moves where it stands`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        let clock = makeClock(wall)
        try clock.receive(arrival: EmulatedTime(10_000_000), delivery: nil)
        try clock.pass(to: EmulatedTime(12_000_000), lasting: EmulatedDuration(2_000_000))
        #expect(wall.now == 1_020_000)
        clock.beginWork()
        let end = try clock.finishWork(
            at: EmulatedTime(13_000_000), lasting: EmulatedDuration(1_000_000))
        #expect(end?.nanoseconds == 1_026_000)
        try clock.catchUp()
        #expect(wall.now == 1_024_000)
        #expect(clock.overruns.deadlines == 2)
    }

    @Test func `Links that hold nothing leave only the work`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        let clock = makeClock(wall, links: try makeLinks(holdsMessages: false))
        try clock.receive(arrival: EmulatedTime(900_000_000), delivery: nil)
        #expect(wall.now == 1_000_000)
        clock.beginWork()
        let end = try clock.finishWork(
            at: EmulatedTime(905_000_000), lasting: EmulatedDuration(5_000_000))
        #expect(end?.nanoseconds == 1_010_000)
        let delivery = try clock.depart(
            ByteCount(1_000_000), over: [0], readyAt: EmulatedTime(905_000_000), workEnd: end)
        #expect(delivery == end)
        try clock.receive(arrival: EmulatedTime(999_000_000), delivery: delivery)
        #expect(wall.now == 1_010_000)
    }

    // MARK: Waiting

    @Test func `A wait sleeps to shortly before its instant and offers the core from there`() throws
    {
        let wall = SimulatedWall(now: 1_000_000)
        try makeClock(wall).receive(arrival: EmulatedTime(100_000_000), delivery: nil)
        #expect(wall.sleeps == [1_150_000])
        #expect(wall.offerCount == 50_000)
        #expect(wall.now == 1_200_000)
    }

    @Test func `When the core is taken, waits are slept for a while`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        wall.offerNanoseconds = 30_000
        let clock = makeClock(wall)
        try clock.receive(arrival: EmulatedTime(100_000_000), delivery: nil)
        #expect(wall.sleeps == [1_150_000, 1_200_000])
        #expect(wall.offerCount == 1)
        try clock.receive(arrival: EmulatedTime(200_000_000), delivery: nil)
        #expect(wall.sleeps.last == 1_400_000)
        #expect(wall.offerCount == 1)
        // 50 ms later it is tried again.
        wall.offerNanoseconds = 1
        wall.now = 60_000_000
        try clock.receive(arrival: EmulatedTime(30_000_000_000), delivery: nil)
        #expect(wall.sleeps.last == 60_950_000)
        #expect(wall.offerCount > 1)
        #expect(wall.now == 61_000_000)
    }

    @Test func `Late wake-ups make the next sleeps end earlier`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        wall.oversleep = 200_000
        let clock = makeClock(wall)
        try clock.receive(arrival: EmulatedTime(500_000_000), delivery: nil)
        #expect(clock.overruns.worstWakeUpLateness == .microseconds(150))
        try clock.receive(arrival: EmulatedTime(1_000_000_000), delivery: nil)
        #expect(wall.sleeps == [1_950_000, 2_750_000], "a quarter more than the 200 us")
        #expect(wall.now == 3_000_000)
        #expect(clock.overruns.missed == 0)
    }

    @Test func `The watch is asked at least every 50 ms of waiting`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        var asked: [UInt64] = [wall.now]
        let clock = makeClock(wall) { asked.append(wall.now) }
        try clock.receive(arrival: EmulatedTime(500_000_000_000), delivery: nil)  // one second
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
            try clock.receive(arrival: EmulatedTime(step), delivery: nil)
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
            try clock.receive(arrival: EmulatedTime(1_000_000_000), delivery: nil)
        }
        #expect(wall.now == 1_004_000)
        #expect(count == 2)
    }

    @Test func `A signal that the watch does not mind does not shorten the wait`() throws {
        let wall = SimulatedWall(now: 1_000_000)
        wall.interruptions = [1_001_000, 1_002_000]
        try makeClock(wall).receive(arrival: EmulatedTime(55_000_000), delivery: nil)
        #expect(wall.now == 1_110_000)
    }

    @Test func `An instant beyond 64 bits of wall time is refused`() {
        let clock = makeClock(SimulatedWall(now: 0), thousandths: 1_000_000_000)
        #expect(throws: PacingError.self) {
            try clock.receive(arrival: EmulatedTime(.max), delivery: nil)
        }
        #expect(throws: PacingError.self) {
            try clock.finishWork(at: .start, lasting: EmulatedDuration(.max))
        }
    }

    @Test(arguments: [false, true])
    func `A real wait never returns early`(sparesCores: Bool) throws {
        let origin = WallInstant.now
        let clock = PacedClock(
            origin: origin, dilation: Dilation(thousandths: 1_500), links: nil,
            sparesCores: sparesCores, watch: {})
        var earlyCount = 0
        for step in 1...200 as ClosedRange<UInt64> {
            let time = EmulatedTime(step * 123_456_789)  // 185 us of wall time each
            try clock.receive(arrival: time, delivery: nil)
            if WallInstant.now < (try clock.deadline(of: time)) { earlyCount += 1 }
        }
        #expect(earlyCount == 0)
        #expect(clock.overruns.deadlines == 200)
    }

    @Test func `The watch ends a real wait`() {
        var count = 0
        let clock = PacedClock(
            origin: .now, dilation: .one, links: nil, sparesCores: false,
            watch: { () throws(PacingError) in
                count += 1
                if count == 3 { throw .waitEnded(reason: "a peer died") }
            })
        #expect(throws: PacingError.waitEnded(reason: "a peer died")) {
            try clock.receive(arrival: EmulatedTime(3_600_000_000_000_000), delivery: nil)
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
