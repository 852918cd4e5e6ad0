package import ModelCatalogue
package import Quantities

/// Facts and calibrated values of the systems that Hermes is compared with.
///
/// The value of `topology/compared-systems.yaml`. What a machine of `topology/` states (GPU, PCIe,
/// DIMMs) is not repeated, but for the two values that calibration chooses for all of them.
package struct ComparedSystems: Equatable, Sendable {
    package var hermes: Hermes
    package var host: Host
    package var accelerate: Accelerate
    package var flexGen: FlexGen
    package var dejaVu: DejaVu
    package var tensorRTLLM: TensorRTLLM

    /// Values that the shipped topologies share with calibration; a test keeps them equal.
    package struct Hermes: Equatable, Sendable {
        package var synchronisationCost: EmulatedDuration
        /// In which one multiplier of the NDP core finishes a group of FP16 products.
        package var cyclesPerMultiplyGroup: Int
        /// Mean load of the DIMMs over that of the slowest: what the estimate assumes.
        package var loadBalance: Proportion
        /// Neurons that the predictor lets compute over those that are active; below one, as it
        /// misses more than it computes for nothing.
        package var computedShare: Proportion
    }

    /// The CPU of hermes-host, whose memory also feeds the offloading systems.
    package struct Host: Equatable, Sendable {
        package var processor: String
        package var memoryCapacity: ByteCount
        package var peakBandwidth: Bandwidth
        /// Share of the peak that scattered rows of active neurons reach.
        package var sparseEfficiency: Proportion
        /// Share of the peak that keys and values reach.
        package var keyValueEfficiency: Proportion
        /// What a QKV or MLP block costs beyond its bytes (T_host).
        package var blockCost: EmulatedDuration
    }

    package struct Accelerate: Equatable, Sendable {
        package var families: [ModelFamily]
        /// Reached by copies to the GPU.
        package var linkBandwidth: Bandwidth
    }

    package struct FlexGen: Equatable, Sendable {
        package var families: [ModelFamily]
        /// Reached by copies to the GPU; Deja Vu's are the same.
        package var linkBandwidth: Bandwidth
    }

    package struct DejaVu: Equatable, Sendable {
        package var families: [ModelFamily]
        /// Share of all weights that a token fetches.
        package var fetchedShare: Proportion
        /// Share of a token's time that is communication. Input, as published.
        package var communicationShare: Proportion
        /// Share of the remaining time that is the predictor's. Input, as published.
        package var predictorShare: Proportion
    }

    package struct TensorRTLLM: Equatable, Sendable {
        package var families: [ModelFamily]
        package var gpuName: String
        package var gpuCount: Int
        /// Of each GPU, as are all rates.
        package var memoryCapacity: ByteCount
        package var peakBandwidth: Bandwidth
        package var bandwidthEfficiency: Proportion
        package var peakComputeRate: ComputeRate
        package var computeEfficiency: Proportion
        package var allReduceCost: EmulatedDuration
    }
}
