package import HardwareModel
package import ModelCatalogue
import Quantities
package import Topology

/// The rates of a machine that the closed form of Hermes needs, for one model, in units of 1.
///
/// DIMMs are alike. Their DRAM's efficiency is that of ``DRAMModel`` for the model's blocks.
package struct EstimatedMachine: Equatable, Sendable {
    package var gpuBytesPerSecond: Double
    package var gpuOperationsPerSecond: Double
    package var gpuUsableByteCount: Double
    package var linkBytesPerSecond: Double
    package var hotShareLimit: Double
    package var dimmCount: Double
    /// Of one DIMM, for the neurons of QKV and MLP and for keys and values.
    package var qkvBytesPerSecond: Double
    package var mlpBytesPerSecond: Double
    package var keyValueBytesPerSecond: Double
    /// Lanes of all multipliers of one DIMM, times the clock; over the cycles of a group it is
    /// the rate of products.
    package var laneCyclesPerSecond: Double

    /// - Parameter table: efficiencies simulated so far.
    package init(
        _ topology: Topology, model: ModelSpecification, using table: inout DRAMEfficiencyTable
    ) throws(BaselineTimingError) {
        let dimm = topology.dimms[0]
        do throws(HardwareModelError) {
            let dram = try DRAMModel(DRAMConfiguration(dimm))
            func rate(ofBlocks byteCount: Int) throws(HardwareModelError) -> Double {
                let workload = DRAMWorkload(
                    mode: .ndpCenterBuffer, pattern: .randomBlocks(byteCount: byteCount))
                return try table.efficiency(of: workload, in: dram).gigabytesPerSecond * 1e9
            }
            qkvBytesPerSecond = try rate(ofBlocks: model.qkvNeuronByteCount)
            mlpBytesPerSecond = try rate(ofBlocks: model.feedForwardNeuronByteCount)
            // As workers lay them out: keys and values fill whole rows.
            keyValueBytesPerSecond = try rate(
                ofBlocks: Int(clamping: dimm.dram.rowByteCount.bytes))
        } catch {
            throw .hardware(error)
        }
        let core = dimm.ndpCore
        dimmCount = Double(topology.dimms.count)
        laneCyclesPerSecond =
            Double(core.multiplierCount * core.lanesPerMultiplier) * Double(core.clock.hertz)
        gpuBytesPerSecond = Double(topology.gpu.effectiveBandwidth.bytesPerSecond)
        gpuOperationsPerSecond = Double(topology.gpu.effectiveComputeRate.operationsPerSecond)
        gpuUsableByteCount = Double(topology.gpu.usableMemory.bytes)
        linkBytesPerSecond = Double(topology.pcie.effectiveBandwidth.bytesPerSecond)
        hotShareLimit = topology.policy.hotShare.doubleValue
    }
}
