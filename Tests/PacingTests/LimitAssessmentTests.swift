import Pacing
import Quantities
import Testing

/// Which caps a machine can hold, against figures by hand.
@Suite struct LimitAssessmentTests {
    /// 10 GB/s a core, 15 GB/s in all; 20 ns a message alone, 100 ns contended; two processors.
    private let machine = MachineRates(
        copyRate: Bandwidth(bytesPerSecond: 10_000_000_000),
        totalCopyRate: Bandwidth(bytesPerSecond: 15_000_000_000), messageNanoseconds: 20,
        contendedMessageNanoseconds: 100, processorCount: 2)

    private func assess(
        _ cap: UInt64, _ message: UInt64, sharers: Int,
        _ dilation: LimitAssessment.DilationChoice = .fixed(.one)
    ) -> LimitAssessment {
        LimitAssessment(
            cap: Bandwidth(bytesPerSecond: cap), message: ByteCount(message), sharerCount: sharers,
            machine: machine, dilation: dilation)
    }

    /// 1000 B: 100 ns of copying and 20 ns of limiter are 8.333 GB/s, of which 80 % are 6.667.
    @Test func `A cap is holdable up to four fifths of the capacity and no further`() {
        #expect(assess(1, 1_000, sharers: 1).capacity.bytesPerSecond == 8_333_333_333)
        #expect(assess(6_666_666_666, 1_000, sharers: 1).verdict == .holdable)
        guard case .refused(let reason) = assess(6_666_666_667, 1_000, sharers: 1).verdict else {
            Issue.record("held beyond the capacity")
            return
        }
        #expect(reason.contains("copying and pacing each message limits 1 x 1 KB to 8.333 GB/s"))
    }

    @Test func `Sharers of small messages are limited by the word they share`() {
        // 64 B ÷ 100 ns; two processors would copy and pace 64 B ÷ 106.4 ns each.
        #expect(assess(1, 64, sharers: 2).capacity.bytesPerSecond == 640_000_000)
        #expect(assess(1, 64, sharers: 4).capacity.bytesPerSecond == 640_000_000)
        #expect(assess(512_000_000, 64, sharers: 4).verdict == .holdable)
        #expect(assess(512_000_001, 64, sharers: 4).verdict != .holdable)
    }

    @Test func `Sharers of large messages are limited by the memory, not by their number`() {
        #expect(assess(1, 1_000_000, sharers: 2).capacity.bytesPerSecond == 15_000_000_000)
        #expect(assess(1, 1_000_000, sharers: 4).capacity.bytesPerSecond == 15_000_000_000)
        // One sharer has one core: 1 MB in 100 020 ns.
        #expect(assess(1, 1_000_000, sharers: 1).capacity.bytesPerSecond == 9_998_000_399)
    }

    @Test func `An open dilation is the smallest that holds`() {
        guard
            case .dilated(let dilation, let reason) = assess(
                1_000_000_000, 64, sharers: 2, .atLeast(.one)
            ).verdict
        else {
            Issue.record("not dilated")
            return
        }
        // 1 GB/s ÷ 0.512 GB/s = 1.953125.
        #expect(dilation.thousandths == 1_954)
        #expect(reason.contains("the word that sharers share"))
        #expect(assess(1_000_000_000, 64, sharers: 2, .fixed(dilation)).verdict == .holdable)
        #expect(assess(1_000_000_000, 64, sharers: 2, .atLeast(dilation)).verdict == .holdable)
        let less = Dilation(thousandths: dilation.thousandths - 1)
        #expect(assess(1_000_000_000, 64, sharers: 2, .fixed(less)).verdict != .holdable)
    }

    @Test func `A cap beyond the largest dilation is refused`() {
        let verdict = assess(.max, 1, sharers: 2, .atLeast(.one)).verdict
        guard case .refused(let reason) = verdict else {
            Issue.record("not refused: \(verdict)")
            return
        }
        #expect(reason.contains("at any dilation"))
    }

    @Test func `The largest message is only slow`() {
        #expect(assess(1, .max, sharers: 1).verdict == .holdable)
    }
}
