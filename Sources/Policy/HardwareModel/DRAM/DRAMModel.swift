package import Quantities
import Topology

/// Who reads the DRAM: what shares a data bus.
package enum DRAMAccessMode: String, CaseIterable, Hashable, Sendable {
    /// All ranks share the channel's bus and one controller: what host and PCIe traffic sees.
    case hostChannel = "host_channel"
    /// Every rank has its own path to the core in the centre buffer, and its own queue.
    case ndpCenterBuffer = "ndp_center_buffer"
}

/// The order of the addresses that are accessed.
package enum DRAMAccessPattern: Hashable, Sendable {
    /// One line after the other.
    case sequential
    /// Contiguous blocks (neurons, KV heads) in random order.
    case randomBlocks(byteCount: Int)
}

/// A saturating stream of accesses.
package struct DRAMWorkload: Hashable, Sendable {
    package var mode: DRAMAccessMode
    package var pattern: DRAMAccessPattern
    /// Share of the accesses that write; which ones is random.
    package var writeShare: Proportion

    package init(
        mode: DRAMAccessMode, pattern: DRAMAccessPattern, writeShare: Proportion = .zero
    ) {
        self.mode = mode
        self.pattern = pattern
        self.writeShare = writeShare
    }
}

/// Sustained efficiency of DRAM by simulation of its banks, buses and controller.
///
/// A pure function of configuration and workload: no table of results, no fitted constant. The
/// only randomness is the order of blocks and of writes, from a fixed seed.
package struct DRAMModel: Hashable, Sendable {
    package let configuration: DRAMConfiguration
    /// Decides the order of blocks and which accesses write.
    package let seed: UInt64

    package init(_ configuration: DRAMConfiguration, seed: UInt64 = 1) throws(HardwareModelError) {
        self.seed = seed
        try configuration.validate()
        self.configuration = configuration
    }

    /// Simulates the workload and counts what one data bus carries in steady state.
    ///
    /// Each rank's private path sees a workload of its own, independent of and statistically
    /// equal to its neighbours', so one of them is simulated for all.
    ///
    /// - Complexity: 5 to 30 ms in a release build; keep results, see ``DRAMEfficiencyTable``.
    package func efficiency(
        of workload: DRAMWorkload
    ) throws(HardwareModelError) -> DRAMEfficiency {
        let path = pathConfiguration(for: workload.mode)
        let blockLineCount = try blockLineCount(of: workload, on: path)
        let sampleCount = Self.sampleCount(
            blockLineCount: blockLineCount, bankCount: path.rankCount * path.banksPerRank)
        let stream = AccessStream(
            over: path, blockLineCount: blockLineCount, writeShare: workload.writeShare,
            sampleCount: sampleCount, seed: seed)
        var controller = DRAMController(path, stream: stream)
        let measured = Self.measure(&controller, path, sampleCount: sampleCount)
        return DRAMEfficiency(
            requestCount: measured.requestCount, cycleCount: measured.cycleCount,
            pathCount: workload.mode == .hostChannel ? 1 : configuration.rankCount,
            burstCycleCount: path.timing.tBL, lineByteCount: path.lineByteCount,
            clock: path.clock)
    }

    /// As ``efficiency(of:)``.
    package func efficiency(
        mode: DRAMAccessMode, pattern: DRAMAccessPattern, writeShare: Proportion = .zero
    ) throws(HardwareModelError) -> DRAMEfficiency {
        try efficiency(of: DRAMWorkload(mode: mode, pattern: pattern, writeShare: writeShare))
    }

    private func pathConfiguration(for mode: DRAMAccessMode) -> DRAMConfiguration {
        guard mode == .ndpCenterBuffer else { return configuration }
        var path = configuration
        path.rankCount = 1
        return path
    }

    /// Lines of a block that lie behind one path, or `nil` when the pattern is sequential.
    private func blockLineCount(
        of workload: DRAMWorkload, on path: DRAMConfiguration
    ) throws(HardwareModelError) -> Int? {
        guard case .randomBlocks(let byteCount) = workload.pattern else { return nil }
        let largest = configuration.lineCount * configuration.lineByteCount
        guard (1...largest).contains(byteCount) else {
            throw .blockOutOfRange(byteCount: byteCount, possible: 1...largest)
        }
        let lineCount = configuration.lineCount(ofBytes: byteCount)
        guard workload.mode == .ndpCenterBuffer else { return lineCount }
        // Striped over R ranks, each holds every R-th line of a block: 1/R of it, contiguously.
        let share = configuration.layout == .striped ? configuration.rankCount : 1
        return min(path.lineCount, (lineCount + share - 1) / share)
    }
}

extension DRAMModel {
    /// Fills queues and opens rows before anything is counted.
    static let warmUpCount = 1024

    /// Accesses to count: as many as 30 ms allow. Shorter blocks open more rows an access and
    /// more banks make each choice longer, but both also settle the mean sooner.
    static func sampleCount(blockLineCount: Int?, bankCount: Int) -> Int {
        let reduction = bankCount > 16 ? 1 : 0
        return switch blockLineCount ?? Int.max {
        case ..<4: 1 << (15 - reduction)
        case ..<16: 1 << (16 - reduction)
        default: 1 << 17
        }
    }

    private static func measure(
        _ controller: inout DRAMController, _ path: DRAMConfiguration, sampleCount: Int
    ) -> (requestCount: Int, cycleCount: Int) {
        controller.run(untilServed: warmUpCount)
        let interval = path.timing.tREFI
        if path.refreshes {
            controller.run(untilClock: (controller.clock / interval + 1) * interval - 1)
        }
        let startClock = controller.clock
        let startCount = controller.servedCount
        controller.run(untilServed: startCount + sampleCount)
        if path.refreshes {
            // Whole refresh intervals, or the sample holds a part of a refresh too many.
            controller.run(untilClock: (controller.clock / interval + 1) * interval - 1)
        }
        return (controller.servedCount - startCount, controller.clock - startClock)
    }
}
