import ArgumentParser

/// The systems that the paper compares, by the names that options and results use.
enum EmulatedSystem: String, CaseIterable, ExpressibleByArgument {
    case hermes
    /// Cold neurons and attention on the host CPU instead of NDP-DIMMs.
    case hermesHost = "hermes-host"
    /// No sparsity: whole layers on the GPU while they fit, the others on the DIMMs.
    case hermesBase = "hermes-base"
    case accelerate
    case flexgen
    case dejavu
    case tensorRTLLM = "tensorrt-llm"
    /// Neurons dealt at random, and no adjustment.
    case hermesRandom = "hermes-random"
    /// The offline partition, and no adjustment.
    case hermesPartition = "hermes-partition"
    /// The offline partition and hot/cold adjustment by the token-wise prediction alone.
    case hermesTokenAdjustment = "hermes-token-adjustment"
    /// The same by the layer-wise prediction alone.
    case hermesLayerAdjustment = "hermes-layer-adjustment"
    /// The same by both; Hermes without window scheduling.
    case hermesAdjustment = "hermes-adjustment"

    /// Whether it runs as processes; the others are timing schedules.
    var runsAsProcesses: Bool {
        switch self {
        case .accelerate, .flexgen, .dejavu, .tensorRTLLM: false
        default: true
        }
    }
}
