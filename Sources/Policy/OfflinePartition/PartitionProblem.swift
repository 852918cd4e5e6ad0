package import Quantities

/// What the offline partition decides on: activity, costs and memories, no names of models.
///
/// A *step* is one block (QKV or MLP) of one layer; steps stand layer by layer, all blocks of a
/// layer together. Every neuron is at home on one DIMM; hot ones have a copy on the GPU, which
/// then computes them.
///
/// - Source: arXiv 2502.16963, offline partition; `t` per active neuron, `f` = count / samples.
package struct PartitionProblem: Equatable, Sendable {
    /// One block of one layer.
    package struct Step: Equatable, Sendable {
        /// In how many of the samples each neuron was active, [neurons].
        package let activationCounts: [UInt32]
        /// Memory of one neuron, alike on GPU and DIMM.
        package let neuronByteCount: ByteCount
        /// Time of one active neuron on the GPU (t_gpu).
        package let gpuTime: EmulatedDuration
        /// Time of one active neuron on a DIMM of full speed (t_dimm).
        package let dimmTime: EmulatedDuration

        package init(
            activationCounts: [UInt32], neuronByteCount: ByteCount, gpuTime: EmulatedDuration,
            dimmTime: EmulatedDuration
        ) {
            self.activationCounts = activationCounts
            self.neuronByteCount = neuronByteCount
            self.gpuTime = gpuTime
            self.dimmTime = dimmTime
        }

        package var neuronCount: Int { activationCounts.count }
    }

    /// One DIMM: its memory for neurons, and its speed as a share of full speed.
    package struct DIMM: Hashable, Sendable {
        package let memory: ByteCount
        package let speed: Proportion

        package init(memory: ByteCount, speed: Proportion = .one) {
            self.memory = memory
            self.speed = speed
        }
    }

    package let steps: [Step]
    package let blocksPerLayer: Int
    /// Samples (tokens) behind the counts.
    package let sampleCount: UInt32
    /// GPU memory left for copies of hot neurons.
    package let gpuMemory: ByteCount
    package let dimms: [DIMM]
    /// T_sync; every step counts it twice, hot neurons or not.
    package let synchronisationCost: EmulatedDuration
    /// At most this share of a step's neurons may be hot, rounded down; one means no limit.
    package let hotShare: Proportion
    /// Time of one active neuron, ps, [steps][DIMMs].
    let dimmPicoseconds: [[UInt64]]

    package init(
        steps: [Step], blocksPerLayer: Int, sampleCount: UInt32, gpuMemory: ByteCount,
        dimms: [DIMM], synchronisationCost: EmulatedDuration, hotShare: Proportion = .one
    ) throws(PartitionError) {
        precondition(blocksPerLayer >= 1)
        guard !steps.isEmpty else { throw .noSteps }
        guard steps.count.isMultiple(of: blocksPerLayer) else {
            throw .incompleteLayer(stepCount: steps.count, blocksPerLayer: blocksPerLayer)
        }
        guard sampleCount > 0 else { throw .noSamples }
        guard (1...65536).contains(dimms.count) else { throw .dimmCountOutOfRange(dimms.count) }
        if let stopped = dimms.firstIndex(where: { $0.speed == .zero }) {
            throw .stoppedDIMM(stopped)
        }
        let limits = SizeLimits(
            steps: steps, dimms: dimms, sampleCount: sampleCount,
            synchronisationCost: synchronisationCost)
        try limits.verify()
        self.steps = steps
        self.blocksPerLayer = blocksPerLayer
        self.sampleCount = sampleCount
        self.gpuMemory = gpuMemory
        self.dimms = dimms
        self.synchronisationCost = synchronisationCost
        self.hotShare = hotShare
        dimmPicoseconds = steps.map { step in
            dimms.map { step.dimmTime.stretched(by: $0.speed).picoseconds }
        }
    }

    package var layerCount: Int { steps.count / blocksPerLayer }

    /// How many neurons of `step` may be hot by the hot share alone.
    package func hotLimit(ofStep step: Int) -> Int {
        Int(hotShare.roundingDown(UInt64(steps[step].neuronCount)))
    }

    /// Memory of all neurons, which the DIMMs hold.
    package var totalByteCount: ByteCount {
        steps.reduce(.zero) { $0 + $1.neuronByteCount * UInt64($1.neuronCount) }
    }

    /// Whether all DIMMs are alike, so that they may be exchanged freely.
    package var dimmsAreIdentical: Bool { dimms.allSatisfy { $0 == dimms[0] } }

    /// The GPU's time of a step without hot neurons, ps × samples.
    var synchronisationFloor: UInt64 {
        2 * synchronisationCost.picoseconds * UInt64(sampleCount)
    }
}

/// Refuses what later sums could not hold, so that they need no checks of their own.
private struct SizeLimits {
    let steps: [PartitionProblem.Step]
    let dimms: [PartitionProblem.DIMM]
    let sampleCount: UInt32
    let synchronisationCost: EmulatedDuration

    /// Sums stay below 2⁶², so signed differences are safe too.
    static let largest = UInt128(1) << 62

    func verify() throws(PartitionError) {
        var neuronCount = 0
        var byteCount = UInt128(0)
        var time = UInt128(0)
        let slowest = dimms.map(\.speed.millionths).min() ?? 1
        let floor = 2 * UInt128(synchronisationCost.picoseconds) * UInt128(sampleCount)
        for (index, step) in steps.enumerated() {
            neuronCount += step.neuronCount
            byteCount += UInt128(step.neuronByteCount.bytes) * UInt128(step.neuronCount)
            var activity = UInt128(0)
            for (neuron, count) in step.activationCounts.enumerated() {
                guard count <= sampleCount else {
                    throw .tooManyActivations(
                        step: index, neuron: neuron, count: count, sampleCount: sampleCount)
                }
                activity += UInt128(count)
            }
            let dimmTime = UInt128(step.dimmTime.picoseconds) * UInt128(Proportion.scale)
            guard dimmTime < Self.largest else { throw .tooLarge(quantity: "a DIMM's time") }
            let perNeuron = max(UInt128(step.gpuTime.picoseconds), dimmTime / UInt128(slowest) + 1)
            time += perNeuron * max(activity, 1) + floor
            guard time < Self.largest else { throw .tooLarge(quantity: "time × samples") }
        }
        guard neuronCount < Int(Int32.max) else { throw .tooLarge(quantity: "neurons") }
        guard byteCount < Self.largest else { throw .tooLarge(quantity: "memory of all neurons") }
    }
}
