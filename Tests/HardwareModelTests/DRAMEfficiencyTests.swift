import HardwareModel
import Quantities
import Testing
import Topology

struct DRAMEfficiencyTests {
    /// 13 cycles for 3 lines, two paths, 625 ps a cycle.
    private let efficiency = DRAMEfficiency(
        requestCount: 3, cycleCount: 13, pathCount: 2, burstCycleCount: 4, lineByteCount: 64,
        clock: DDR4.clock)

    /// 13/3 cycles are 2708.33 ps by hand.
    @Test func `A line takes its share of the cycles, rounded up to a picosecond`() {
        #expect(efficiency.duration(ofLinesOnOnePath: 1) == .ps(2_709))
        #expect(efficiency.duration(ofLinesOnOnePath: 3) == .ps(8_125))
        #expect(efficiency.duration(ofLinesOnOnePath: 0) == .zero)
    }

    /// Both paths move 65 B as two lines: half of 2 x 2708.33 ps.
    @Test func `Bytes are moved in whole lines by all paths together`() {
        #expect(efficiency.duration(ofReading: ByteCount(0)) == .zero)
        #expect(efficiency.duration(ofReading: ByteCount(1)) == .ps(1_355))
        #expect(efficiency.duration(ofReading: ByteCount(64)) == .ps(1_355))
        #expect(efficiency.duration(ofReading: ByteCount(65)) == .ps(2_709))
    }

    /// The rate is never beaten, and never missed by a whole picosecond.
    @Test func `A picosecond less would be too short for any count of lines`() {
        var lineCount: UInt64 = 1
        while lineCount < 1 << 40 {
            let time = UInt128(efficiency.duration(ofLinesOnOnePath: lineCount).picoseconds)
            let needed = UInt128(lineCount) * 13 * 625
            if time * 3 < needed || (time - 1) * 3 >= needed {
                Issue.record("\(lineCount) lines: \(time) ps")
            }
            lineCount = lineCount * 3 + 1
        }
    }

    @Test func `Share and rate follow from the counts`() {
        #expect(efficiency.share == 12.0 / 13.0)
        // 2 x 25.6 GB/s x 12/13.
        #expect(abs(efficiency.gigabytesPerSecond - 47.2615384) < 1e-6)
    }
}

struct DRAMInputTests {
    private func query(
        mode: String = "host_channel", ranks: String = "4", pattern: String = "rand_block",
        bytes: String = "1024", mapping: String = "RoBaRaCoCh", refresh: String = "on",
        writes: String = "0.05"
    ) throws(HardwareModelError) -> DRAMQuery {
        try DRAMQuery(
            mode: mode, ranks: ranks, pattern: pattern, blockBytes: bytes, mapping: mapping,
            refresh: refresh, writeFraction: writes)
    }

    @Test func `A row of the table is read`() throws {
        let row = try query()
        #expect(row.workload.mode == .hostChannel)
        #expect(row.workload.pattern == .randomBlocks(byteCount: 1024))
        #expect(row.workload.writeShare == Proportion(millionths: 50_000))
        #expect(row.rankCount == 4)
        #expect(row.mapping == .roBaRaCoCh)
        #expect(row.refreshes)
        let model = try row.model(basedOn: DDR4.configuration(ranks: 1))
        #expect(model.configuration == DDR4.configuration(refreshes: true))
    }

    @Test func `A row that is not understood is refused by its field`() {
        #expect(throws: HardwareModelError.unknownMapping("RoCoRaBaCh")) {
            try query(mapping: "RoCoRaBaCh")
        }
        #expect(throws: HardwareModelError.unknownMode("host")) { try query(mode: "host") }
        #expect(throws: HardwareModelError.unknownPattern("rand")) { try query(pattern: "rand") }
        for (name, text, refused) in [
            ("ranks", "0", { try query(ranks: "0") }),
            ("ranks", "four", { try query(ranks: "four") }),
            ("block_bytes", "-1", { try query(bytes: "-1") }),
            ("refresh", "yes", { try query(refresh: "yes") }),
            ("write_fraction", "1.5", { try query(writes: "1.5") }),
            ("write_fraction", "-0.1", { try query(writes: "-0.1") }),
        ] as [(String, String, () throws -> DRAMQuery)] {
            #expect("\(name) '\(text)' is refused") { try refused() } throws: { error in
                "\(error)".hasPrefix("\(name) '\(text)' is not ")
            }
        }
    }

    @Test(arguments: [0, -64, (1 << 33) * 4 + 1])
    func `A block that is empty or larger than the memory is refused`(byteCount: Int) throws {
        let model = try DRAMModel(DDR4.configuration())
        let error = HardwareModelError.blockOutOfRange(
            byteCount: byteCount, possible: 1...(1 << 35))
        #expect(throws: error) {
            try model.efficiency(
                mode: .hostChannel, pattern: .randomBlocks(byteCount: byteCount))
        }
    }

    @Test func `A configuration that cannot be decoded is refused`() {
        #expect(throws: HardwareModelError.notAPowerOfTwo(name: "ranks", value: 3)) {
            try DRAMModel(DDR4.configuration(ranks: 3))
        }
        #expect(throws: HardwareModelError.notAPowerOfTwo(name: "rows per bank", value: 0)) {
            try DRAMModel(DDR4.configuration(rows: 0))
        }
        #expect(throws: HardwareModelError.lineLongerThanRow(lineByteCount: 64, rowByteCount: 32)) {
            try DRAMModel(DDR4.configuration(rowBytes: 32))
        }
        #expect(throws: HardwareModelError.tooManyBanks(2048, limit: 1024)) {
            try DRAMModel(DDR4.configuration(ranks: 256))
        }
        #expect(throws: HardwareModelError.queueDepthOutOfRange(0, possible: 1...1024)) {
            try DRAMModel(DDR4.configuration(queueDepth: 0))
        }
    }

    @Test func `Timing that would never let a read through is refused`() {
        var timing = DDR4.timing
        timing.tRCD = 0
        timing.rankSwitch = -1
        #expect(throws: HardwareModelError.timingOutOfRange(names: ["tRCD", "rankSwitch"])) {
            try DRAMModel(DDR4.configuration(timing: timing))
        }
        timing = DDR4.timing
        timing.tREFI = 904
        #expect(throws: HardwareModelError.refreshNeverEnds(cycleCount: 904, interval: 904)) {
            try DRAMModel(DDR4.configuration(timing: timing, ranks: 1, refreshes: true))
        }
        #expect(throws: Never.self) {
            try DRAMModel(DDR4.configuration(timing: timing, ranks: 1, refreshes: false))
        }
    }
}
