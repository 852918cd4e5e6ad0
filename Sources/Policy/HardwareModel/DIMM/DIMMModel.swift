package import Quantities
package import Topology

/// The time that one NDP-DIMM takes: its DRAM, its matrix-vector unit and its activation unit.
///
/// A worker holds one for its own DIMM and derives its own time from it.
package struct DIMMModel: Hashable, Sendable {
    package let dram: DRAMModel
    package let gemvUnit: GEMVUnit
    package let activationUnit: ActivationUnit

    package init(dram: DRAMModel, gemvUnit: GEMVUnit, activationUnit: ActivationUnit) {
        self.dram = dram
        self.gemvUnit = gemvUnit
        self.activationUnit = activationUnit
    }

    package init(_ dimm: Topology.DIMM) throws(HardwareModelError) {
        self.init(
            dram: try DRAMModel(DRAMConfiguration(dimm)), gemvUnit: GEMVUnit(dimm.ndpCore),
            activationUnit: ActivationUnit(dimm.activationUnit))
    }

    /// Reads the weights of some neurons from all ranks and multiplies them with a batch.
    ///
    /// Equations: read = passes x tiles x (lines of a tile on the rank that has most) at the
    /// efficiency of random blocks of one tile of a neuron; multiply = products x weights MACs;
    /// total by overlap. Tiles and passes are those of the ``GEMVUnit``.
    ///
    /// - Parameter table: efficiencies simulated so far.
    package func timing(
        of work: NeuronWork, using table: inout DRAMEfficiencyTable
    ) throws(HardwareModelError) -> ReadMultiplyTiming {
        let tiling = try gemvUnit.tiling(
            batchSize: work.batchSize, byteCountPerSequence: work.vectorByteCountPerSequence,
            lineCountPerNeuron: dram.configuration.lineCount(ofBytes: work.neuronByteCount))
        let read = try readDuration(
            neuronCountPerRank: work.neuronCountPerRank, neuronByteCount: work.neuronByteCount,
            tiling: tiling, using: &table)
        return gemvUnit.timing(
            read: read, multiply: gemvUnit.multiplyDuration(macCount: work.macCount))
    }

    /// Reads whole neurons, or writes them as fast, without multiplying: to move them.
    ///
    /// - Parameter neuronCountPerRank: with the striped layout only its sum counts.
    package func movementDuration(
        neuronCountPerRank: [Int], neuronByteCount: Int, using table: inout DRAMEfficiencyTable
    ) throws(HardwareModelError) -> EmulatedDuration {
        try readDuration(
            neuronCountPerRank: neuronCountPerRank, neuronByteCount: neuronByteCount,
            tiling: BatchTiling(tileCount: 1, passCount: 1), using: &table)
    }

    private func readDuration(
        neuronCountPerRank counts: [Int], neuronByteCount: Int, tiling: BatchTiling,
        using table: inout DRAMEfficiencyTable
    ) throws(HardwareModelError) -> EmulatedDuration {
        precondition(counts.count == dram.configuration.rankCount)
        guard counts.contains(where: { $0 > 0 }) else { return .zero }
        let tileByteCount = (neuronByteCount + tiling.tileCount - 1) / tiling.tileCount
        let efficiency = try efficiency(
            ofBlocks: tileByteCount, mode: .ndpCenterBuffer, using: &table)
        let lineCount = linesOnBusiestRank(counts, blockByteCount: tileByteCount)
        return efficiency.duration(
            ofLinesOnOnePath: UInt64(lineCount) * UInt64(tiling.tileCount) * tiling.passCount)
    }

    /// Attention of one step over the keys and values that the DIMM holds.
    ///
    /// Equations: scores = keys read and multiplied with the queries; softmax; context = values
    /// read and multiplied with the weights. Softmax needs all scores of a row, so the three
    /// follow each other.
    package func timing(
        of work: AttentionWork, using table: inout DRAMEfficiencyTable
    ) throws(HardwareModelError) -> AttentionTiming {
        let efficiency = try efficiency(
            ofBlocks: work.blockByteCount, mode: .ndpCenterBuffer, using: &table)
        let half = gemvUnit.timing(
            read: efficiency.duration(ofReading: work.keyByteCount),
            multiply: gemvUnit.multiplyDuration(macCount: work.macCountPerProduct))
        let softmax = activationUnit.softmaxDuration(
            rowCount: work.batchSize * work.queryHeadCount, length: work.contextLength)
        return AttentionTiming(scores: half, softmax: softmax, context: half)
    }

    /// Reads or writes that come over the channel, where all ranks share one bus.
    ///
    /// Equation: latency + bytes at the efficiency of random blocks on the shared bus.
    package func hostAccessDuration(
        byteCount: ByteCount, blockByteCount: Int, writeShare: Proportion = .zero,
        latency: EmulatedDuration, using table: inout DRAMEfficiencyTable
    ) throws(HardwareModelError) -> EmulatedDuration {
        guard byteCount > .zero else { return latency }
        let efficiency = try efficiency(
            ofBlocks: blockByteCount, mode: .hostChannel, writeShare: writeShare, using: &table)
        return latency + efficiency.duration(ofReading: byteCount)
    }

    private func efficiency(
        ofBlocks byteCount: Int, mode: DRAMAccessMode, writeShare: Proportion = .zero,
        using table: inout DRAMEfficiencyTable
    ) throws(HardwareModelError) -> DRAMEfficiency {
        let workload = DRAMWorkload(
            mode: mode, pattern: .randomBlocks(byteCount: byteCount), writeShare: writeShare)
        return try table.efficiency(of: workload, in: dram)
    }

    private func linesOnBusiestRank(_ blockCountPerRank: [Int], blockByteCount: Int) -> Int {
        let configuration = dram.configuration
        let linesPerBlock = configuration.lineCount(ofBytes: blockByteCount)
        switch configuration.layout {
        case .wholeRank:
            return (blockCountPerRank.max() ?? 0) * linesPerBlock
        case .striped:
            let ranks = configuration.rankCount
            return blockCountPerRank.reduce(0, +) * ((linesPerBlock + ranks - 1) / ranks)
        }
    }
}
