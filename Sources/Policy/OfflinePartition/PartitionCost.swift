import Quantities

/// How long a partition takes, by the equation of the paper and in whole numbers.
///
/// Times are kept in ps × samples (the sum over all samples), which counts make exact.
package struct PartitionCost: Equatable, Sendable {
    /// One step: max(GPU, slowest DIMM).
    package struct Step: Equatable, Sendable {
        /// t_gpu Σ f + 2 T_sync over the hot neurons, ps × samples.
        package let gpu: UInt64
        /// t_dimm Σ f over a DIMM's cold neurons, ps × samples, [DIMMs].
        package let dimms: [UInt64]

        package var total: UInt64 { dimms.reduce(gpu, max) }
    }

    package let steps: [Step]
    package let sampleCount: UInt32

    /// The objective, ps × samples.
    package var total: UInt64 { steps.reduce(0) { $0 + $1.total } }

    /// The objective as mean time of a token, for reports.
    package var secondsPerToken: Double { Double(total) / Double(sampleCount) / 1e12 }
}

extension PartitionProblem {
    /// Evaluates `partition` from the definition alone, sharing nothing with the partitioners.
    ///
    /// - Throws: when shape, hot share or a memory is violated.
    package func cost(of partition: Partition) throws(PartitionError) -> PartitionCost {
        guard partition.blocks.count == steps.count else {
            throw .stepCountDiffers(found: partition.blocks.count, expected: steps.count)
        }
        guard partition.dimmCount == dimms.count else {
            throw .dimmCountDiffers(found: partition.dimmCount, expected: dimms.count)
        }
        var gpuBytes: UInt64 = 0
        var dimmBytes = [UInt64](repeating: 0, count: dimms.count)
        var costs: [PartitionCost.Step] = []
        for (index, block) in partition.blocks.enumerated() {
            let step = steps[index]
            guard block.neuronCount == step.neuronCount else {
                throw .shapeDiffers(
                    step: index, found: block.neuronCount, expected: step.neuronCount)
            }
            guard block.hotNeurons.count <= hotLimit(ofStep: index) else {
                throw .hotShareExceeded(
                    step: index, hotCount: block.hotNeurons.count, limit: hotLimit(ofStep: index))
            }
            gpuBytes += UInt64(block.hotNeurons.count) * step.neuronByteCount.bytes
            for home in block.homes { dimmBytes[Int(home)] += step.neuronByteCount.bytes }
            costs.append(cost(of: block, inStep: index))
        }
        guard gpuBytes <= gpuMemory.bytes else {
            throw .gpuMemoryExceeded(needed: ByteCount(gpuBytes), available: gpuMemory)
        }
        for (dimm, bytes) in dimmBytes.enumerated() where bytes > dimms[dimm].memory.bytes {
            throw .dimmMemoryExceeded(
                dimm: dimm, needed: ByteCount(bytes), available: dimms[dimm].memory)
        }
        return PartitionCost(steps: costs, sampleCount: sampleCount)
    }

    /// - Precondition: `block` has the step's shape.
    private func cost(of block: Partition.Block, inStep index: Int) -> PartitionCost.Step {
        let step = steps[index]
        var loads = [UInt64](repeating: 0, count: dimms.count)
        for (neuron, home) in block.homes.enumerated() {
            loads[Int(home)] += UInt64(step.activationCounts[neuron])
        }
        var hotActivity: UInt64 = 0
        for neuron in block.hotNeurons {
            let count = UInt64(step.activationCounts[Int(neuron)])
            hotActivity += count
            loads[Int(block.homes[Int(neuron)])] -= count
        }
        let times = dimms.indices.map { dimm in
            loads[dimm] * step.dimmTime.stretched(by: dimms[dimm].speed).picoseconds
        }
        return PartitionCost.Step(
            gpu: hotActivity * step.gpuTime.picoseconds + synchronisationFloor, dimms: times)
    }
}
