/// Minimum distances between the commands of one DRAM rank, in memory clock cycles.
///
/// Names as in JESD79-4; `S` and `L` are its suffixes `_S` (another bank group) and `_L` (the
/// same bank group).
package struct DRAMTiming: Hashable, Sendable {
    /// Activate to activate, same bank.
    package var tRC: Int
    /// Activate to read or write.
    package var tRCD: Int
    /// Read to first data.
    package var tCL: Int
    /// Write to first data.
    package var tCWL: Int
    /// Precharge to activate.
    package var tRP: Int
    /// Activate to precharge.
    package var tRAS: Int
    /// Data burst of one line.
    package var tBL: Int
    /// Column to column command, another bank group.
    package var tCCDS: Int
    /// Column to column command, same bank group.
    package var tCCDL: Int
    /// Activate to activate, another bank group.
    package var tRRDS: Int
    /// Activate to activate, same bank group.
    package var tRRDL: Int
    /// At most four activates of a rank in this window.
    package var tFAW: Int
    /// Read to precharge.
    package var tRTP: Int
    /// End of write data to precharge.
    package var tWR: Int
    /// End of write data to read, another bank group.
    package var tWTRS: Int
    /// End of write data to read, same bank group.
    package var tWTRL: Int
    /// How long a refresh keeps the rank busy.
    package var tRFC: Int
    /// Mean distance of refreshes.
    package var tREFI: Int
    /// Idle bus cycles between bursts of different ranks.
    package var rankSwitch: Int

    package init(
        tRC: Int, tRCD: Int, tCL: Int, tCWL: Int, tRP: Int, tRAS: Int, tBL: Int, tCCDS: Int,
        tCCDL: Int, tRRDS: Int, tRRDL: Int, tFAW: Int, tRTP: Int, tWR: Int, tWTRS: Int,
        tWTRL: Int, tRFC: Int, tREFI: Int, rankSwitch: Int
    ) {
        self.tRC = tRC
        self.tRCD = tRCD
        self.tCL = tCL
        self.tCWL = tCWL
        self.tRP = tRP
        self.tRAS = tRAS
        self.tBL = tBL
        self.tCCDS = tCCDS
        self.tCCDL = tCCDL
        self.tRRDS = tRRDS
        self.tRRDL = tRRDL
        self.tFAW = tFAW
        self.tRTP = tRTP
        self.tWR = tWR
        self.tWTRS = tWTRS
        self.tWTRL = tWTRL
        self.tRFC = tRFC
        self.tREFI = tREFI
        self.rankSwitch = rankSwitch
    }

    /// Every distance that lets time stand still or makes refresh unending, by name.
    var invalidNames: [String] {
        let positive = [
            ("tRC", tRC), ("tRCD", tRCD), ("tCL", tCL), ("tCWL", tCWL), ("tRP", tRP),
            ("tRAS", tRAS), ("tBL", tBL), ("tCCDS", tCCDS), ("tCCDL", tCCDL), ("tRRDS", tRRDS),
            ("tRRDL", tRRDL), ("tFAW", tFAW), ("tRTP", tRTP), ("tWR", tWR), ("tWTRS", tWTRS),
            ("tWTRL", tWTRL), ("tRFC", tRFC), ("tREFI", tREFI),
        ]
        var names = positive.filter { !(1...Self.maximum).contains($0.1) }.map(\.0)
        if !(0...Self.maximum).contains(rankSwitch) { names.append("rankSwitch") }
        return names
    }

    /// Far above any real distance, and small enough that sums of a few never overflow.
    static let maximum = 1_000_000
}
