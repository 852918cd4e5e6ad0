import ActivationPredictor
import ModelCatalogue
import PackedSets
import Reporting
import SyntheticActivity
import Topology

/// What the paper's text states that no emulation tells.
struct ReproductionFacts {
    let seed: UInt64

    func value(_ fact: Formula.Fact) throws -> Double {
        switch fact {
        case .partitionSolverSeconds: try partitionSolverSeconds()
        case .stateTableKilobytes: stateTableKilobytes
        case .hotSetDrift: try hotSetDrift()
        }
    }

    /// The paper's count for LLaMA-7B: 32 layers of 4096 QKV and 10.5K MLP neurons.
    private var stateTableKilobytes: Double {
        let layer = [4096, 10_752].reduce(0) {
            $0 + NeuronStateTable(neuronCount: $1).byteCount
        }
        return Double(32 * layer) / 1024
    }

    /// LLaMA2-70B's shape with its family's frequencies, on the paper's machine.
    private func partitionSolverSeconds() throws -> Double {
        let model = try ModelCatalogueFile.load("LLaMA2-70B").model
        let (topology, _) = try TopologyFile.load("rtx4090-8dimm", assignments: [])
        var shape = SyntheticShape()
        shape.layers = model.layerCount
        shape.hidden = model.hiddenSize
        shape.mlp = model.feedForwardSize
        shape.qkvWidth = model.qkvWidth
        shape.vocabulary = model.vocabularySize
        shape.context = 256
        let workload = try shape.workload(family: model.family, topology: topology, seed: seed)
        let solving = PartitionSolving(
            problem: try workload.problem(topology: topology), method: .ilp, seed: seed)
        return try solving.solve().seconds
    }

    private static let promptLength = 128
    private static let generatedLength = 128
    private static let windowLength = 16

    /// Of the neurons that are active in at least half of the prompt, the share that is active in
    /// less than half of some window of what follows, %. By how the activity was calibrated.
    private func hotSetDrift() throws -> Double {
        let neuronCount = 1 << 16
        let statistics = try FamilyFile.load(.llama2)
        let process: ActivityProcess
        do {
            process = try ActivityProcess(
                shape: ActivityShape(layerCount: 1, neuronCounts: [neuronCount]),
                statistics: statistics, seed: seed)
        } catch {
            throw Failure(.badInput, "family llama2: \(error)")
        }
        var sequence = ActivitySequence(process: process, seed: seed)
        func counts(_ tokenCount: Int) -> [Int] {
            var counts = [Int](repeating: 0, count: neuronCount)
            for _ in 0..<tokenCount {
                sequence.activeNeurons(layer: 0, block: 0).forEachMember { counts[$0] += 1 }
                sequence.advance()
            }
            return counts
        }
        let prompt = counts(Self.promptLength)
        let hot = prompt.indices.filter { 2 * prompt[$0] >= Self.promptLength }
        var changed = PackedSet(elementCount: neuronCount)
        for _ in 0..<Self.generatedLength / Self.windowLength {
            let window = counts(Self.windowLength)
            for neuron in hot where 2 * window[neuron] < Self.windowLength {
                changed.insert(neuron)
            }
        }
        return 100 * Double(changed.memberCount) / Double(max(hot.count, 1))
    }
}
