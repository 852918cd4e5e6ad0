import HardwareModel
import Quantities
import Topology

/// The paper's DDR4-3200, x16 devices of 16 Gb.
///
/// Source: tRC to tFAW from arXiv 2502.16963; the rest as the reference table's page says, and
/// tCWL 16, tWTR_S 4 and tWTR_L 12 from JESD79-4 for DDR4-3200.
enum DDR4 {
    static let timing = DRAMTiming(
        tRC: 76, tRCD: 24, tCL: 24, tCWL: 16, tRP: 24, tRAS: 52, tBL: 4, tCCDS: 4, tCCDL: 8,
        tRRDS: 4, tRRDL: 6, tFAW: 26, tRTP: 12, tWR: 24, tWTRS: 4, tWTRL: 12, tRFC: 880,
        tREFI: 12_480, rankSwitch: 2)
    static let clock = Frequency(hertz: 1_600_000_000)

    static func configuration(
        timing: DRAMTiming = timing, ranks: Int = 4, groups: Int = 2, banks: Int = 4,
        rows: Int = 1 << 17, rowBytes: Int = 8192,
        mapping: Topology.AddressMapping = .roBaRaCoCh, refreshes: Bool = false,
        queueDepth: Int = 32, layout: Topology.NeuronLayout = .wholeRank
    ) -> DRAMConfiguration {
        DRAMConfiguration(
            timing: timing, clock: clock, rankCount: ranks, bankGroupCount: groups,
            banksPerGroup: banks, rowsPerBank: rows, rowByteCount: rowBytes, mapping: mapping,
            refreshes: refreshes, queueDepth: queueDepth, layout: layout)
    }
}

extension EmulatedDuration {
    static func ps(_ picoseconds: UInt64) -> Self { Self(picoseconds: picoseconds) }
    static func ns(_ nanoseconds: UInt64) -> Self { Self(picoseconds: nanoseconds * 1_000) }
}

/// The paper's core; the paper does not print the cycles per group of MACs.
func paperUnit(
    overlap: Topology.ReadMultiplyOverlap = .maximum, buffer: UInt64 = 256 << 10, cycles: Int = 25
) -> GEMVUnit {
    GEMVUnit(
        clock: Frequency(hertz: 1_000_000_000), multiplierCount: 256, lanesPerMultiplier: 8,
        cyclesPerGroup: cycles, bufferCapacity: ByteCount(buffer), overlap: overlap)
}

let paperActivationUnit = ActivationUnit(
    clock: Frequency(hertz: 1_000_000_000), exponentialUnitCount: 256, adderCount: 256,
    multiplierCount: 256)
