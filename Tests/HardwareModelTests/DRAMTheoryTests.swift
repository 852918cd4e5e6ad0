import HardwareModel
import Quantities
import Testing
import Topology

/// Cases so plain that the cycles follow from the timing by hand.
struct DRAMTheoryTests {
    private func counted(
        _ configuration: DRAMConfiguration, _ pattern: DRAMAccessPattern = .sequential,
        mode: DRAMAccessMode = .hostChannel, writeShare: Proportion = .zero
    ) throws -> DRAMEfficiency {
        try DRAMModel(configuration).efficiency(
            mode: mode, pattern: pattern, writeShare: writeShare)
    }

    @Test func `Alternating bank groups keep the bus full`() throws {
        let efficiency = try counted(DDR4.configuration(ranks: 1, mapping: .roRaBaCoBg))
        #expect(efficiency.cycleCount == 4 * efficiency.requestCount)
        #expect(efficiency.share == 1)
    }

    /// Rows take turns in the banks of one group, so only tCCD_L is left to wait for.
    @Test func `One bank group reads a line every tCCD_L`() throws {
        let efficiency = try counted(DDR4.configuration(ranks: 1, groups: 1))
        #expect(efficiency.cycleCount == 8 * efficiency.requestCount)
    }

    /// 127 x tCCD_L in a row, then tRTP + tRP + tRCD to the next row of the same bank.
    @Test func `Rows of one bank follow each other after tRTP plus tRP plus tRCD`() throws {
        let efficiency = try counted(DDR4.configuration(mapping: .chRaBaRoCo))
        let rowCount = efficiency.requestCount / 128
        #expect(efficiency.requestCount == rowCount * 128)
        #expect(efficiency.cycleCount == rowCount * (127 * 8 + 12 + 24 + 24))
    }

    @Test func `Random lines of a single bank come every tRC`() throws {
        let efficiency = try counted(
            DDR4.configuration(ranks: 1, groups: 1, banks: 1, rows: 1 << 24),
            .randomBlocks(byteCount: 64))
        #expect(efficiency.cycleCount == 76 * efficiency.requestCount)
    }

    /// Read, write recovery and all: tRCD + tCWL + tBL + tWR + tRP is longer than tRC.
    @Test func `Random writes to a single bank wait for write recovery`() throws {
        let efficiency = try counted(
            DDR4.configuration(ranks: 1, groups: 1, banks: 1, rows: 1 << 24),
            .randomBlocks(byteCount: 64), writeShare: .one)
        #expect(efficiency.cycleCount == (24 + 16 + 4 + 24 + 24) * efficiency.requestCount)
    }

    /// A queue of one turns the bus at every change of direction. Half of the accesses write at
    /// random, so a read follows a write in a quarter of them: each waits the 400 cycles longer.
    @Test func `A read after a write of its group waits for tWTR_L, of another for tWTR_S`() throws
    {
        func cycles(longer: WritableKeyPath<DRAMTiming, Int>?, groups: Int) throws -> Double {
            var timing = DDR4.timing
            if let longer { timing[keyPath: longer] += 400 }
            let efficiency = try counted(
                DDR4.configuration(
                    timing: timing, ranks: 1, groups: groups, mapping: .roRaBaCoBg, queueDepth: 1),
                writeShare: Proportion(millionths: 500_000))
            return Double(efficiency.cycleCount) / Double(efficiency.requestCount)
        }
        let oneGroup = try cycles(longer: nil, groups: 1)
        #expect(abs(try cycles(longer: \.tWTRL, groups: 1) - oneGroup - 100) < 5)
        let twoGroups = try cycles(longer: nil, groups: 2)
        #expect(abs(try cycles(longer: \.tWTRS, groups: 2) - twoGroups - 100) < 5)
    }

    @Test func `No more than four rows are opened within tFAW`() throws {
        var timing = DDR4.timing
        timing.tFAW = 400
        let efficiency = try counted(
            DDR4.configuration(timing: timing, ranks: 1, groups: 4, rows: 1 << 24),
            .randomBlocks(byteCount: 64))
        #expect(efficiency.cycleCount >= 100 * efficiency.requestCount - 400)
        #expect(efficiency.cycleCount <= 100 * efficiency.requestCount + 400)
    }

    /// Two activates of a group are tRRD_L apart, whatever tRRD_S is.
    @Test func `Rows of one group are opened tRRD_L apart`() throws {
        var timing = DDR4.timing
        timing.tRRDL = 50
        let efficiency = try counted(
            DDR4.configuration(timing: timing, ranks: 1, groups: 1, banks: 8, rows: 1 << 24),
            .randomBlocks(byteCount: 64))
        #expect(efficiency.cycleCount >= 50 * efficiency.requestCount - 50)
        #expect(efficiency.cycleCount <= 51 * efficiency.requestCount)
    }

    /// A queue of one cannot gather lines of one rank: each line waits for the switch.
    @Test func `Lines that alternate between ranks come every tBL plus the switch`() throws {
        let efficiency = try counted(
            DDR4.configuration(
                ranks: 2, rows: 2, rowBytes: 1 << 23, mapping: .roRaBaCoBg, queueDepth: 1,
                layout: .striped))
        #expect(efficiency.cycleCount >= 6 * efficiency.requestCount)
        #expect(efficiency.cycleCount <= 6 * efficiency.requestCount + 100)
    }

    /// Each interval loses tRFC, the closing and the opening of rows around it.
    @Test func `Refresh costs tRFC and the rows that it closes`() throws {
        let efficiency = try counted(
            DDR4.configuration(ranks: 1, mapping: .roRaBaCoBg, refreshes: true))
        #expect(efficiency.cycleCount.isMultiple(of: 12_480))
        let intervals = efficiency.cycleCount / 12_480
        let lost = efficiency.cycleCount - 4 * efficiency.requestCount
        #expect(lost >= intervals * (880 + 12 + 24 + 24 - 4))
        #expect(lost <= intervals * (880 + 12 + 24 + 24 + 24))
    }

    @Test func `Every rank's own path carries what one rank alone does`() throws {
        let one = try counted(
            DDR4.configuration(ranks: 1), .randomBlocks(byteCount: 4096))
        let four = try counted(
            DDR4.configuration(ranks: 4), .randomBlocks(byteCount: 4096), mode: .ndpCenterBuffer)
        #expect(four.pathCount == 4)
        #expect(four.cycleCount == one.cycleCount)
        #expect(four.requestCount == one.requestCount)
        #expect(abs(four.gigabytesPerSecond / one.gigabytesPerSecond - 4) < 1e-9)
        #expect(abs(one.gigabytesPerSecond - 25.6 * one.share) < 1e-9)
    }

    @Test func `Striping over four ranks leaves each a quarter of a block`() throws {
        let striped = try counted(
            DDR4.configuration(layout: .striped), .randomBlocks(byteCount: 4096),
            mode: .ndpCenterBuffer)
        let quarter = try counted(
            DDR4.configuration(), .randomBlocks(byteCount: 1024), mode: .ndpCenterBuffer)
        #expect(striped == quarter)
    }

    @Test func `A deeper queue never reads slower`() throws {
        var last = 0.0
        for depth in [1, 2, 8, 32, 64] {
            let share = try counted(
                DDR4.configuration(queueDepth: depth), .randomBlocks(byteCount: 256),
                mode: .ndpCenterBuffer
            ).share
            #expect(share > last)
            last = share
        }
    }

    @Test(arguments: [0, 1, 500_000, 999_999, 1_000_000])
    func `Every share of writes is served`(millionths: UInt64) throws {
        let efficiency = try counted(
            DDR4.configuration(refreshes: true), .randomBlocks(byteCount: 1024),
            writeShare: Proportion(millionths: millionths))
        #expect(efficiency.share > 0.2)
        #expect(efficiency.share <= 1)
    }

    /// Whole memory, a part of a line, and sizes that are no power of two.
    @Test(arguments: [1, 63, 65, 10_240, 13_824, 1 << 20, 1 << 33])
    func `Blocks of any size are read`(byteCount: Int) throws {
        let configuration = DDR4.configuration(ranks: 1, mapping: .chRaBaRoCo)
        let efficiency = try counted(configuration, .randomBlocks(byteCount: byteCount))
        #expect(efficiency.share > 0.37)
        #expect(efficiency.share <= 1)
    }

    @Test func `Equal questions have equal answers and are simulated once`() throws {
        let model = try DRAMModel(DDR4.configuration(refreshes: true))
        let workload = DRAMWorkload(
            mode: .hostChannel, pattern: .randomBlocks(byteCount: 1024),
            writeShare: Proportion(millionths: 50_000))
        var table = DRAMEfficiencyTable()
        let first = try table.efficiency(of: workload, in: model)
        #expect(try table.efficiency(of: workload, in: model) == first)
        #expect(table.count == 1)
        #expect(try model.efficiency(of: workload) == first)
        var other = workload
        other.mode = .ndpCenterBuffer
        #expect(try table.efficiency(of: other, in: model) != first)
        #expect(table.count == 2)
    }
}
