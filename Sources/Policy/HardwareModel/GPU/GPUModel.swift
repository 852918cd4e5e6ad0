package import Quantities
package import Topology

/// The time that the GPU takes: a roofline of memory and arithmetic, plus fixed costs.
package struct GPUModel: Hashable, Sendable {
    /// Peak times the efficiency that kernels reach.
    package let effectiveBandwidth: Bandwidth
    /// Peak times the utilisation that kernels reach.
    package let effectiveComputeRate: ComputeRate
    package let launchCost: EmulatedDuration
    /// One synchronisation between GPU and DIMMs (T_sync).
    package let synchronisationCost: EmulatedDuration

    package init(
        effectiveBandwidth: Bandwidth, effectiveComputeRate: ComputeRate,
        launchCost: EmulatedDuration, synchronisationCost: EmulatedDuration
    ) {
        self.effectiveBandwidth = effectiveBandwidth
        self.effectiveComputeRate = effectiveComputeRate
        self.launchCost = launchCost
        self.synchronisationCost = synchronisationCost
    }

    package init(_ gpu: Topology.GPU) {
        self.init(
            effectiveBandwidth: gpu.effectiveBandwidth,
            effectiveComputeRate: gpu.effectiveComputeRate, launchCost: gpu.kernelLaunchCost,
            synchronisationCost: gpu.synchronisationCost)
    }

    /// One kernel that moves `byteCount` bytes of memory and performs `operationCount`
    /// floating-point operations (a MAC is two).
    ///
    /// Equation: launch + max(bytes / bandwidth, operations / rate), each rounded up to 1 ps.
    ///
    /// - Source: Williams et al., "Roofline", CACM 52(4), 2009.
    package func kernel(byteCount: ByteCount, operationCount: UInt64) -> KernelTiming {
        KernelTiming(
            memory: effectiveBandwidth.duration(of: byteCount),
            compute: effectiveComputeRate.duration(ofOperations: operationCount),
            launch: launchCost)
    }

    /// A kernel between two synchronisations with the DIMMs: kernel + 2 T_sync.
    ///
    /// - Source: arXiv 2502.16963, layer time = max(GPU compute + 2 T_sync, slowest DIMM).
    package func synchronisedDuration(of kernel: KernelTiming) -> EmulatedDuration {
        kernel.total + synchronisationCost * 2
    }
}

/// The parts of a kernel's time.
package struct KernelTiming: Hashable, Sendable {
    package let memory: EmulatedDuration
    package let compute: EmulatedDuration
    package let launch: EmulatedDuration

    package init(memory: EmulatedDuration, compute: EmulatedDuration, launch: EmulatedDuration) {
        self.memory = memory
        self.compute = compute
        self.launch = launch
    }

    package var total: EmulatedDuration { launch + max(memory, compute) }

    /// The longer part; memory when they are equal.
    package var bound: Bound { compute > memory ? .compute : .memory }

    package enum Bound: String, Sendable {
        case memory
        case compute
    }
}
