package import ModelCatalogue
import Quantities
import Topology

/// Neurons and projection of a layer.
func layerByteCount(_ model: ModelSpecification) -> Int {
    model.layerNeuronByteCount + model.projectionByteCount
}

/// What one pass of FlexGen brings: all weights.
func streamedByteCount(_ model: ModelSpecification) -> Int { model.weightByteCount }

// MARK: - What cannot run

extension BaselineSchedules {
    /// Why a system cannot run a model: its family, or memory. `nil` if it can.
    package func obstacle(
        to system: ComparedSystem, model: ModelSpecification, workload: Workload
    ) -> String? {
        let families = families(of: system)
        guard families.contains(model.family) else {
            let known = families.map(\.rawValue).joined(separator: ", ")
            return "\(system.rawValue) has no implementation of family "
                + "\(model.family.rawValue); it has: \(known)"
        }
        return switch system {
        case .accelerate: hostObstacle(model) ?? accelerateObstacle(model, workload)
        case .flexGen, .dejaVu: hostObstacle(model) ?? streamingObstacle(model, workload)
        case .tensorRTLLM: tensorRTLLMObstacle(model, workload)
        default: nil
        }
    }

    private func families(of system: ComparedSystem) -> [ModelFamily] {
        switch system {
        case .accelerate: systems.accelerate.families
        case .flexGen: systems.flexGen.families
        case .dejaVu: systems.dejaVu.families
        case .tensorRTLLM: systems.tensorRTLLM.families
        default: ModelFamily.allCases
        }
    }

    private func hostObstacle(_ model: ModelSpecification) -> String? {
        Self.excess(
            of: "weights", model.weightByteCount, in: "the host's memory",
            systems.host.memoryCapacity)
    }

    /// Embeddings, keys and values, and the layer that comes.
    private func accelerateObstacle(
        _ model: ModelSpecification, _ workload: Workload
    ) -> String? {
        Self.excess(
            of: "embeddings, keys, values and one layer",
            model.embeddingByteCount + keyValueByteCount(model, workload) + layerByteCount(model),
            in: "the GPU's usable memory", gpu.usableMemory)
    }

    /// Keys and values, the unit that is computed and the one that comes.
    private func streamingObstacle(
        _ model: ModelSpecification, _ workload: Workload
    ) -> String? {
        let unit = max(layerByteCount(model), model.embeddingByteCount)
        return Self.excess(
            of: "keys, values and two layers", keyValueByteCount(model, workload) + 2 * unit,
            in: "the GPU's usable memory", gpu.usableMemory)
    }

    private func tensorRTLLMObstacle(
        _ model: ModelSpecification, _ workload: Workload
    ) -> String? {
        let facts = systems.tensorRTLLM
        return Self.excess(
            of: "weights, keys and values",
            model.weightByteCount + keyValueByteCount(model, workload),
            in: "\(facts.gpuCount) GPUs", facts.memoryCapacity * UInt64(facts.gpuCount))
    }

    private static func excess(
        of what: String, _ byteCount: Int, in place: String, _ capacity: ByteCount
    ) -> String? {
        let needed = ByteCount(UInt64(byteCount))
        guard needed > capacity else { return nil }
        return "\(what) need \(needed), more than \(place) of \(capacity)"
    }

    /// Of the whole batch at its final length.
    func keyValueByteCount(_ model: ModelSpecification, _ workload: Workload) -> Int {
        model.keyValueByteCountPerPosition * workload.batchSize * workload.finalLength
    }

    /// Layers that stay on the GPU beside embeddings, keys and values and the layer that comes.
    func residentLayerCount(_ model: ModelSpecification, _ workload: Workload) -> Int {
        let fixed =
            model.embeddingByteCount + keyValueByteCount(model, workload) + layerByteCount(model)
        let left = Int(gpu.usableMemory.bytes) - fixed
        return min(model.layerCount, max(0, left / layerByteCount(model)))
    }
}
