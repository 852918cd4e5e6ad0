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
    /// Equations: read = passes x (lines on the rank that has most) at the efficiency of random
    /// blocks of one neuron; multiply = neurons x weights x batch MACs; total by overlap.
    ///
    /// - Parameter table: efficiencies simulated so far.
    package func timing(
        of work: NeuronWork, using table: inout DRAMEfficiencyTable
    ) throws(HardwareModelError) -> ReadMultiplyTiming {
        precondition(work.neuronCountPerRank.count == dram.configuration.rankCount)
        let passCount = try gemvUnit.passCount(
            batchSize: work.batchSize, byteCountPerSequence: work.vectorByteCountPerSequence)
        let multiply = gemvUnit.multiplyDuration(macCount: work.macCount)
        guard work.neuronCount > 0 else {
            return gemvUnit.timing(read: .zero, multiply: multiply)
        }
        let efficiency = try efficiency(
            ofBlocks: work.neuronByteCount, mode: .ndpCenterBuffer, using: &table)
        let lineCount = UInt64(linesOnBusiestRank(work)) * passCount
        return gemvUnit.timing(
            read: efficiency.duration(ofLinesOnOnePath: lineCount), multiply: multiply)
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

    private func linesOnBusiestRank(_ work: NeuronWork) -> Int {
        let configuration = dram.configuration
        let linesPerNeuron = configuration.lineCount(ofBytes: work.neuronByteCount)
        switch configuration.layout {
        case .wholeRank:
            return (work.neuronCountPerRank.max() ?? 0) * linesPerNeuron
        case .striped:
            let ranks = configuration.rankCount
            return work.neuronCount * ((linesPerNeuron + ranks - 1) / ranks)
        }
    }
}
