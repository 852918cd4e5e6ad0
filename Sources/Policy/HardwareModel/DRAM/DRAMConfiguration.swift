package import Quantities
package import Topology

/// The DRAM behind one data bus, and its controller: what the efficiency depends on.
///
/// Counts and sizes are powers of two, because addresses are split by bits.
package struct DRAMConfiguration: Hashable, Sendable {
    package var timing: DRAMTiming
    /// Memory clock, half the transfer rate: 1.6 GHz for DDR4-3200.
    package var clock: Frequency
    /// Ranks of the DIMM, or of all DIMMs on the channel.
    package var rankCount: Int
    package var bankGroupCount: Int
    package var banksPerGroup: Int
    package var rowsPerBank: Int
    /// Bytes of one row over all chips of the rank.
    package var rowByteCount: Int
    /// Bytes of one burst.
    package var lineByteCount: Int
    package var mapping: Topology.AddressMapping
    /// Whether every rank is refreshed once each tREFI.
    package var refreshes: Bool
    /// Reads, and as many writes, that the controller holds and reorders.
    package var queueDepth: Int
    /// Striped: consecutive lines go to consecutive ranks, whatever the mapping.
    package var layout: Topology.NeuronLayout

    package init(
        timing: DRAMTiming, clock: Frequency, rankCount: Int, bankGroupCount: Int,
        banksPerGroup: Int, rowsPerBank: Int, rowByteCount: Int, lineByteCount: Int = 64,
        mapping: Topology.AddressMapping, refreshes: Bool, queueDepth: Int = 32,
        layout: Topology.NeuronLayout = .wholeRank
    ) {
        self.timing = timing
        self.clock = clock
        self.rankCount = rankCount
        self.bankGroupCount = bankGroupCount
        self.banksPerGroup = banksPerGroup
        self.rowsPerBank = rowsPerBank
        self.rowByteCount = rowByteCount
        self.lineByteCount = lineByteCount
        self.mapping = mapping
        self.refreshes = refreshes
        self.queueDepth = queueDepth
        self.layout = layout
    }

    package var banksPerRank: Int { bankGroupCount * banksPerGroup }
    package var linesPerRow: Int { rowByteCount / lineByteCount }
    /// Lines behind the bus.
    package var lineCount: Int { rankCount * banksPerRank * rowsPerBank * linesPerRow }

    /// Bursts that hold `byteCount` bytes from the start of a line.
    package func lineCount(ofBytes byteCount: Int) -> Int {
        (byteCount + lineByteCount - 1) / lineByteCount
    }

    /// Refuses what the model cannot decode or would never finish.
    func validate() throws(HardwareModelError) {
        let powers = [
            ("ranks", rankCount), ("bank groups", bankGroupCount),
            ("banks per group", banksPerGroup), ("rows per bank", rowsPerBank),
            ("row bytes", rowByteCount), ("line bytes", lineByteCount),
        ]
        for (name, value) in powers {
            guard value > 0, value.nonzeroBitCount == 1, value <= 1 << 24 else {
                throw .notAPowerOfTwo(name: name, value: value)
            }
        }
        guard lineByteCount <= rowByteCount else {
            throw .lineLongerThanRow(lineByteCount: lineByteCount, rowByteCount: rowByteCount)
        }
        guard rankCount * banksPerRank <= Self.maximumBankCount else {
            throw .tooManyBanks(rankCount * banksPerRank, limit: Self.maximumBankCount)
        }
        guard Self.queueDepths.contains(queueDepth) else {
            throw .queueDepthOutOfRange(queueDepth, possible: Self.queueDepths)
        }
        let invalid = timing.invalidNames
        guard invalid.isEmpty else { throw .timingOutOfRange(names: invalid) }
        // A refresh that lasts as long as its interval leaves no time to read.
        let longestRefresh = rankCount * (timing.tRP + timing.tRFC)
        guard !refreshes || longestRefresh < timing.tREFI else {
            throw .refreshNeverEnds(cycleCount: longestRefresh, interval: timing.tREFI)
        }
    }

    /// Bounds the controller's tables; four ranks of DDR5 have 128 banks.
    static let maximumBankCount = 1024
    static let queueDepths = 1...1024
}
