import Quantities
import SeededRandom
import Testing

@Suite struct RoundingTests {
    /// 64 B at 38.4 GB/s is 1666.67 ps by hand; rounding down would let the link beat its rate.
    @Test func `A cache line on DDR5-4800 takes 1667 ps, rounded up`() {
        let channel = Bandwidth(bytesPerSecond: 38_400_000_000)
        #expect(channel.duration(of: 64) == EmulatedDuration(picoseconds: 1_667))
    }

    /// 64 B at 25.6 GB/s is 2.5 ns exactly: rounding up must not add to what is whole.
    @Test func `A cache line on DDR4-3200 takes 2500 ps exactly`() {
        let channel = Bandwidth(bytesPerSecond: 25_600_000_000)
        #expect(channel.duration(of: 64) == EmulatedDuration(picoseconds: 2_500))
        #expect(channel.duration(of: ByteCount(64)) == EmulatedDuration(picoseconds: 2_500))
    }

    @Test(arguments: [
        UInt64(1), 3, 7, 999, 25_600_000_000, 38_400_000_000, 936_000_000_000, 999_999_999_989,
    ])
    func `A duration is the shortest that does not beat the rate`(bytesPerSecond: UInt64) {
        var random = SplitMix64(seed: bytesPerSecond)
        let rate = Bandwidth(bytesPerSecond: bytesPerSecond)
        // Durations up to 213 days fit: keep the count below that at this rate.
        let largest = min(UInt64(1) << 40, bytesPerSecond * 10_000_000)
        for _ in 0..<500 {
            let count = ByteCount(random.next() % largest + 1)
            let duration = rate.duration(of: count)
            let sooner = EmulatedDuration(picoseconds: duration.picoseconds - 1)
            if rate.byteCount(in: duration) < count || rate.byteCount(in: sooner) >= count {
                Issue.record("\(count.bytes) B at \(bytesPerSecond) B/s: \(duration.picoseconds)")
            }
        }
    }

    @Test func `Nothing takes no time, one byte takes at least a picosecond`() {
        let fastest = Bandwidth(bytesPerSecond: .max)
        #expect(fastest.duration(of: 0) == .zero)
        #expect(fastest.duration(of: 1) == EmulatedDuration(picoseconds: 1))
    }

    @Test func `A duration that leaves 64 bits is nil when checked`() {
        let slowest = Bandwidth(bytesPerSecond: 1)
        // 2^64 ps are 18 446 744.07 s.
        #expect(slowest.checkedDuration(of: ByteCount(18_446_744)) != nil)
        #expect(slowest.checkedDuration(of: ByteCount(18_446_745)) == nil)
        #expect(slowest.checkedDuration(of: ByteCount(.max)) == nil)
    }

    @Test func `A duration that leaves 64 bits traps when not checked`() async {
        await #expect(processExitsWith: .failure) {
            print(Bandwidth(bytesPerSecond: 1).duration(of: Int.max))
        }
    }

    /// 2.933 GT/s has a clock of 681.9 ps: a million cycles, rounded once, are 681.90 us.
    @Test func `Cycles do not drift`() {
        let clock = Frequency(hertz: 1_466_500_000)
        #expect(clock.duration(ofCycles: 1).picoseconds == 682)
        // 10^18 / 1 466 500 000 = 681 895 669.96
        #expect(clock.duration(ofCycles: 1_000_000).picoseconds == 681_895_670)
        #expect(Frequency(hertz: 1_600_000_000).duration(ofCycles: 76).picoseconds == 47_500)
    }

    @Test func `Operations are rounded up once`() {
        let rate = ComputeRate(operationsPerSecond: 3_000_000_000_000)
        #expect(rate.duration(ofOperations: 3).picoseconds == 1)
        #expect(rate.duration(ofOperations: 4).picoseconds == 2)
        #expect(rate.duration(ofOperations: 0) == .zero)
    }

    @Test func `An efficiency never rounds a rate up`() throws {
        let rate = Bandwidth(bytesPerSecond: 64_000_000_000)
        #expect(rate.scaled(by: try Proportion(parsing: "0.8")).bytesPerSecond == 51_200_000_000)
        let odd = Bandwidth(bytesPerSecond: 1_000_001)
        #expect(odd.scaled(by: try Proportion(parsing: "0.5")).bytesPerSecond == 500_000)
        let least = Bandwidth(bytesPerSecond: 1).scaled(by: Proportion(millionths: 1))
        #expect(least.bytesPerSecond == 1)
        let most = Bandwidth(bytesPerSecond: .max).scaled(by: .one)
        #expect(most.bytesPerSecond == .max)
    }

    @Test func `A share of a count is rounded down`() throws {
        let share = try Proportion(parsing: "0.20")
        #expect(share.roundingDown(1_536) == 307)
        #expect(share.roundingDown(4) == 0)
        #expect(Proportion.one.roundingDown(.max) == .max)
    }

    @Test func `Work at part of full speed is stretched, rounded up`() throws {
        let work = EmulatedDuration(picoseconds: 100)
        #expect(work.stretched(by: try Proportion(parsing: "0.54")).picoseconds == 186)
        #expect(work.stretched(by: .one) == work)
    }
}

@Suite struct EmulatedTimeTests {
    @Test func `Instants and spans add and subtract`() {
        let later = EmulatedTime.start + EmulatedDuration(picoseconds: 30)
        #expect(later - .start == EmulatedDuration(picoseconds: 30))
        #expect(later.sinceStart.picoseconds == 30)
        #expect(later > .start)
        #expect(EmulatedDuration(picoseconds: 7) * 3 == EmulatedDuration(picoseconds: 21))
    }

    @Test func `Checked forms return nil instead of trapping`() {
        let last = EmulatedTime(picosecondsSinceStart: .max)
        let one = EmulatedDuration(picoseconds: 1)
        #expect(last.checkedAdding(one) == nil)
        #expect(last.checkedAdding(.zero) == last)
        #expect(EmulatedTime.start.checkedDuration(since: last) == nil)
        #expect(last.checkedDuration(since: last) == .zero)
        let longest = EmulatedDuration(picoseconds: .max)
        #expect(longest.checkedAdding(one) == nil)
        #expect(longest.checkedMultiplied(by: 2) == nil)
        #expect(one.checkedMultiplied(by: .max) == longest)
        #expect(ByteCount(.max).checkedAdding(ByteCount(1)) == nil)
        #expect(ByteCount(.max).checkedMultiplied(by: 2) == nil)
        #expect(ByteCount(2).checkedMultiplied(by: 3) == ByteCount(6))
    }

    @Test func `Overflow and negative spans trap`() async {
        await #expect(processExitsWith: .failure) {
            let sum = EmulatedDuration(picoseconds: .max) + EmulatedDuration(picoseconds: 1)
            print(sum)
        }
        await #expect(processExitsWith: .failure) {
            print(EmulatedTime.start - EmulatedTime(picosecondsSinceStart: 1))
        }
    }
}
