import Pacing
import Quantities
import SeededRandom
import Testing

/// A link's schedule against figures by hand and an exact rational model.
@Suite struct LinkScheduleTests {
    /// 64 B at 38.4 GB/s: 1666.67, 3333.33 and 5000 ps by hand.
    @Test func `Transfers back to back carry the fraction of a picosecond`() throws {
        var link = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: 38_400_000_000), latency: EmulatedDuration(100))
        var ends: [UInt64] = []
        for _ in 0..<3 {
            ends.append(try link.book(ByteCount(64), readyAt: .start).end.picosecondsSinceStart)
        }
        #expect(ends == [1_667, 3_334, 5_000])
        #expect(link.counters.messages == 3)
        #expect(link.counters.bytes == ByteCount(192))
        #expect(link.counters.busy == EmulatedDuration(5_000))
        #expect(link.counters.queueing == EmulatedDuration(1_667 + 3_334))
    }

    /// 256 B at 25.6 GB/s take 10 ns exactly.
    @Test(arguments: [(9_999, 1), (10_000, 0)] as [(UInt64, UInt64)])
    func `A transfer starts at t and not at t - 1 ps`(ready: UInt64, queueing: UInt64) throws {
        var link = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: 25_600_000_000), latency: EmulatedDuration(500))
        _ = try link.book(ByteCount(256), readyAt: .start)
        let booking = try link.book(ByteCount(256), readyAt: EmulatedTime(ready))
        #expect(booking.start == EmulatedTime(10_000))
        #expect(booking.queueing == EmulatedDuration(queueing))
        #expect(booking.end == EmulatedTime(20_000))
        #expect(booking.arrival == EmulatedTime(20_500))
        #expect(booking.occupancy == EmulatedDuration(10_000))
    }

    @Test func `Time that a link stood idle is no credit`() throws {
        var link = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: 38_400_000_000), latency: .zero)
        _ = try link.book(ByteCount(64), readyAt: .start)  // free at 1666.67
        let second = try link.book(ByteCount(64), readyAt: EmulatedTime(1_667))
        #expect(second.end == EmulatedTime(1_667 + 1_667))
        let third = try link.book(ByteCount(64), readyAt: EmulatedTime(1_000_000))
        #expect(third.start == EmulatedTime(1_000_000))
        #expect(third.end == EmulatedTime(1_001_667))
    }

    @Test func `A message without bytes waits for its turn and occupies nothing`() throws {
        var link = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: 1_000_000_000), latency: EmulatedDuration(7))
        _ = try link.book(ByteCount(3), readyAt: .start)
        let empty = try link.book(.zero, readyAt: EmulatedTime(1_000))
        #expect(empty.start == EmulatedTime(3_000))
        #expect(empty.end == EmulatedTime(3_000))
        #expect(empty.arrival == EmulatedTime(3_007))
        #expect(empty.queueing == EmulatedDuration(2_000))
        // Nor does one in the future keep an earlier one waiting.
        _ = try link.book(.zero, readyAt: EmulatedTime(9_000))
        #expect(try link.book(ByteCount(1), readyAt: EmulatedTime(4_000)).queueing == .zero)
    }

    @Test func `Two DIMMs on one channel share its rate`() throws {
        var channel = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: 25_600_000_000), latency: .zero)
        let first = try channel.book(ByteCount(4_096), readyAt: .start)
        let second = try channel.book(ByteCount(4_096), readyAt: .start)
        // 8192 B at 25.6 GB/s by hand: 320 ns; the second queues for the first one's 160 ns.
        #expect(first.arrival == EmulatedTime(160_000))
        #expect(second.queueing == EmulatedDuration(160_000))
        #expect(second.arrival == EmulatedTime(320_000))
    }

    @Test func `Asking for a booking changes nothing`() throws {
        var link = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: 3_000_000_000), latency: EmulatedDuration(1))
        _ = try link.book(ByteCount(100), readyAt: .start)
        let before = link
        let asked = try link.booking(of: ByteCount(77), readyAt: EmulatedTime(5))
        #expect(link == before)
        #expect(try link.book(ByteCount(77), readyAt: EmulatedTime(5)) == asked)
    }

    @Test(arguments: [1, 2, 3, 5, 8] as [UInt64])
    func `Bookings equal an exact rational model`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let rate = [7, 999_999_937, 3_000_000_000, 25_600_000_000, 1_234_567_890_123][
            Int(random.next() % 5)]
        var link = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: UInt64(rate)), latency: EmulatedDuration(13))
        var model = RationalLink(rate: UInt128(rate))
        var ready: UInt64 = 0
        var differences: [String] = []
        for number in 0..<20_000 {
            let byteCount = random.next() % 5_000
            // Around the moment at which the link is free: before, exactly then, after.
            switch random.next() % 4 {
            case 0: ready = link.freeAt.picosecondsSinceStart
            case 1: ready = link.freeAt.picosecondsSinceStart + random.next() % 3
            case 2: ready = max(ready, link.freeAt.picosecondsSinceStart - min(ready, 1))
            default: ready += random.next() % 100
            }
            let found = try link.book(ByteCount(byteCount), readyAt: EmulatedTime(ready))
            let expected = model.book(UInt128(byteCount), readyAt: UInt128(ready))
            if UInt128(found.start.picosecondsSinceStart) != expected.start
                || UInt128(found.end.picosecondsSinceStart) != expected.end
                || found.arrival != found.end + EmulatedDuration(13)
                || found.queueing != found.start - EmulatedTime(ready)
            {
                differences.append("booking \(number): \(found), expected \(expected)")
            }
        }
        #expect(differences.isEmpty, "\(differences.prefix(3))")
        #expect(UInt128(link.counters.busy.picoseconds) == model.busy)
    }

    @Test func `A busy period lasts exactly its bytes over the rate, rounded up`() throws {
        var random = SplitMix64(seed: 11)
        var link = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: 7_000_000_003), latency: .zero)
        var total: UInt128 = 0
        var wrong = 0
        for _ in 0..<100_000 {
            let byteCount = 1 + random.next() % 300
            total += UInt128(byteCount)
            let end = try link.book(ByteCount(byteCount), readyAt: .start).end
            let exact = (total * 1_000_000_000_000 + 7_000_000_002) / 7_000_000_003
            if UInt128(end.picosecondsSinceStart) != exact { wrong += 1 }
        }
        #expect(wrong == 0)
        #expect(link.counters.busy == link.freeAt.sinceStart)
    }

    @Test func `The last picosecond can be booked and the one after it is refused`() throws {
        // One byte takes one picosecond.
        let rate = Bandwidth(bytesPerSecond: 1_000_000_000_000)
        var link = LinkSchedule(bandwidth: rate, latency: .zero)
        let last = EmulatedTime(.max - 10)
        let tooMuch = PacingError.emulatedTimeOverflow(byteCount: ByteCount(11), readyAt: last)
        let before = link
        #expect(throws: tooMuch) { try link.book(ByteCount(11), readyAt: last) }
        #expect(link == before)
        #expect(try link.book(ByteCount(10), readyAt: last).end == EmulatedTime(.max))
    }

    @Test func `A fraction beyond the last picosecond is refused`() throws {
        // One byte takes two thirds of a picosecond.
        var link = LinkSchedule(
            bandwidth: Bandwidth(bytesPerSecond: 1_500_000_000_000), latency: .zero)
        let last = EmulatedTime(.max - 2)
        #expect(throws: PacingError.self) { try link.book(ByteCount(4), readyAt: last) }
        #expect(try link.book(ByteCount(3), readyAt: last).end == EmulatedTime(.max))
    }

    @Test func `Latency and totals cannot overflow unnoticed`() throws {
        let rate = Bandwidth(bytesPerSecond: 1_000_000_000_000)
        var slow = LinkSchedule(bandwidth: rate, latency: EmulatedDuration(5))
        #expect(throws: PacingError.self) {
            try slow.book(ByteCount(1), readyAt: EmulatedTime(.max - 5))
        }
        var link = LinkSchedule(bandwidth: rate, latency: .zero)
        _ = try link.book(ByteCount(.max / 2), readyAt: .start)
        _ = try link.book(ByteCount(1), readyAt: .start)
        _ = try link.book(ByteCount(1), readyAt: .start)
        // The queueing of three such would sum up beyond 64 bits.
        let before = link
        #expect(throws: PacingError.self) { try link.book(ByteCount(1), readyAt: .start) }
        #expect(link == before)
        #expect(throws: PacingError.self) { try link.book(ByteCount(.max), readyAt: .start) }
    }
}

/// The same link by the definition: the free instant as a fraction with the rate below the line.
private struct RationalLink {
    let rate: UInt128
    /// Numerator of the free instant; picoseconds × rate.
    var free: UInt128 = 0
    var busy: UInt128 = 0

    init(rate: UInt128) { self.rate = rate }

    private func roundedUp(_ numerator: UInt128) -> UInt128 { (numerator + rate - 1) / rate }

    mutating func book(
        _ byteCount: UInt128, readyAt: UInt128
    ) -> (start: UInt128, end: UInt128) {
        let begin = max(free, readyAt * rate)
        let start = roundedUp(begin)
        guard byteCount > 0 else { return (start, start) }
        free = begin + byteCount * 1_000_000_000_000
        busy += roundedUp(free) - start
        return (start, roundedUp(free))
    }
}
