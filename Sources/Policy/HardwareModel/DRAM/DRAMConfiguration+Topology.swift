import Quantities
package import Topology

extension DRAMConfiguration {
    /// The DRAM of one DIMM of a topology: all its ranks, seen by the host or by its own core.
    ///
    /// Rows of a bank are rounded down to a power of two; a DIMM whose capacity is not one leaves
    /// the rest unread, which no timing depends on.
    package init(_ dimm: Topology.DIMM) {
        let dram = dimm.dram
        let rowCount = max(1, Int(clamping: dimm.rowsPerBank))
        self.init(
            timing: DRAMTiming(dram.timing), clock: dram.clock, rankCount: dimm.rankCount,
            bankGroupCount: dram.bankGroupCount, banksPerGroup: dram.banksPerGroup,
            rowsPerBank: 1 << (Int.bitWidth - 1 - rowCount.leadingZeroBitCount),
            rowByteCount: Int(clamping: dram.rowByteCount.bytes),
            // Two transfers a clock.
            lineByteCount: 2 * dram.timing.tBL * dram.busByteCount,
            mapping: dram.addressMapping, refreshes: dram.refreshes,
            queueDepth: dram.requestQueueDepth, layout: dimm.neuronLayout)
    }
}

extension DRAMTiming {
    package init(_ timing: Topology.DRAMTiming) {
        self.init(
            tRC: timing.tRC, tRCD: timing.tRCD, tCL: timing.tCL, tCWL: timing.tCWL,
            tRP: timing.tRP, tRAS: timing.tRAS, tBL: timing.tBL, tCCDS: timing.tCCDS,
            tCCDL: timing.tCCDL, tRRDS: timing.tRRDS, tRRDL: timing.tRRDL, tFAW: timing.tFAW,
            tRTP: timing.tRTP, tWR: timing.tWR, tWTRS: timing.tWTRS, tWTRL: timing.tWTRL,
            tRFC: timing.tRFC, tREFI: timing.tREFI, rankSwitch: timing.rankSwitch)
    }
}
