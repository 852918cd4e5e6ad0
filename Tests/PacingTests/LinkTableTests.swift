import Pacing
import Quantities
import Testing

/// Transfers that cross several links.
@Suite struct LinkTableTests {
    /// 1 ps, 2 ps and 1 ps a byte; latencies 0, 0 and 50 ps.
    private func makeTable() -> LinkTable {
        LinkTable([
            LinkSchedule(bandwidth: Bandwidth(bytesPerSecond: 1_000_000_000_000), latency: .zero),
            LinkSchedule(bandwidth: Bandwidth(bytesPerSecond: 500_000_000_000), latency: .zero),
            LinkSchedule(
                bandwidth: Bandwidth(bytesPerSecond: 1_000_000_000_000),
                latency: EmulatedDuration(50)),
        ])
    }

    @Test func `A transfer is over at the latest of its links`() throws {
        var table = makeTable()
        var seen: [Int] = []
        let slow = try table.transfer(ByteCount(100), over: [2, 0, 1], readyAt: .start) { link, _ in
            seen.append(link)
        }
        #expect(slow.bottleneck == 1)
        #expect(slow.arrival == EmulatedTime(200))
        #expect(seen == [2, 0, 1])
        #expect(table[0].freeAt == EmulatedTime(100))
        #expect(table[1].freeAt == EmulatedTime(200))
        #expect(table[2].freeAt == EmulatedTime(100))
        // 40 bytes on idle links: 80 ps against 40 + 50 ps of latency.
        let ready = EmulatedTime(1_000)
        let distant = try table.transfer(ByteCount(40), over: [1, 2], readyAt: ready)
        #expect(distant.bottleneck == 2)
        #expect(distant.arrival == EmulatedTime(1_090))
    }

    @Test func `Queueing, occupancy and latency of the bottleneck add up to the span`() throws {
        var table = makeTable()
        _ = try table.transfer(ByteCount(500), over: [2], readyAt: .start)
        let path = try table.transfer(ByteCount(10), over: [0, 2], readyAt: EmulatedTime(20))
        #expect(path.bottleneck == 2)
        let latency = table[2].latency
        let span = path.booking.queueing + path.booking.occupancy + latency
        #expect(EmulatedTime(20) + span == path.arrival)
        #expect(path.arrival == EmulatedTime(560))
    }

    @Test func `The first of equally late links is the bottleneck`() throws {
        var table = makeTable()
        // 50 bytes: 100 ps on link 1, 50 + 50 ps on link 2.
        let path = try table.transfer(ByteCount(50), over: [1, 2], readyAt: .start)
        #expect(path.bottleneck == 1)
        var mirrored = makeTable()
        #expect(
            try mirrored.transfer(ByteCount(50), over: [2, 1], readyAt: .start).bottleneck == 2)
    }

    @Test func `A refused transfer leaves all links as they were`() throws {
        var table = makeTable()
        let before = table
        // Fits link 0, but not link 2 with its latency.
        #expect(throws: PacingError.self) {
            try table.transfer(ByteCount(10), over: [0, 2], readyAt: EmulatedTime(.max - 20))
        }
        #expect(table == before)
    }

    @Test func `Equal bookings in equal order give equal times`() throws {
        var (first, second) = (makeTable(), makeTable())
        for number in 0..<100 as Range<UInt64> {
            let path = number.isMultiple(of: 3) ? [0, 1] : [1, 2]
            let one = try first.transfer(
                ByteCount(number * 17), over: path, readyAt: EmulatedTime(number * 11))
            let other = try second.transfer(
                ByteCount(number * 17), over: path, readyAt: EmulatedTime(number * 11))
            #expect(one == other)
        }
        #expect(first == second)
    }

    @Test func `A path without links traps`() async {
        await #expect(processExitsWith: .failure) {
            var table = LinkTable([])
            _ = try table.transfer(ByteCount(1), over: [], readyAt: .start)
        }
    }

    @Test func `A path that has a link twice traps`() async {
        await #expect(processExitsWith: .failure) {
            let link = LinkSchedule(bandwidth: Bandwidth(bytesPerSecond: 1), latency: .zero)
            var table = LinkTable([link])
            _ = try table.transfer(ByteCount(1), over: [0, 0], readyAt: .start)
        }
    }
}
