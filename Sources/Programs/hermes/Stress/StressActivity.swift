import ActivationPredictor
import Coordinator
import ModelCatalogue
import PackedSets
import SeededRandom
import SyntheticActivity

/// Texts under a workload.
struct StressActivity: ActivitySource {
    private var sequences: [WorkloadSequence]

    /// The activity of a request under a workload that is drawn.
    ///
    /// Frequencies are those of the first token: what profiling before the run would have shown.
    /// Where all are equal they are told apart at random, so that no index decides who is hot.
    /// Layers have nothing to do with each other: a neuron's parents are those of its index.
    static func make(_ workload: Workload, _ request: EmulationRequest) throws -> EmulationActivity
    {
        let model = request.model
        let shape = ActivityShape(
            layerCount: model.layerCount, neuronCounts: [model.hiddenSize, model.feedForwardSize])
        let activity = StressActivity(
            workload, shape: shape, batchSize: request.batchSize, seed: request.seed)
        let samples = EmulationActivity.drawnSampleCount
        let table: CorrelationTable
        do {
            table = try CorrelationTable(
                layout: NeuronLayout(
                    layerCount: shape.layerCount, neuronCounts: shape.neuronCounts),
                parents: (0..<shape.layerCount).map { layer in
                    shape.neuronCounts.map { count in
                        layer == 0 ? [] : (0..<count).flatMap { [UInt16($0), UInt16($0)] }
                    }
                })
        } catch {
            throw Failure(.badInput, "model \(model.name): \(error)")
        }
        var random = SplitMix64(seed: request.seed)
        let areEqual = workload.kind == .uniform || workload.kind == .hotDIMM
        return EmulationActivity(
            source: activity, correlations: table,
            counts: (0..<shape.blockCount).map { block in
                (0..<shape.layerCount).map { layer in
                    activity.sequences[0].expectedFrequencies(layer: layer, block: block).map {
                        let count = UInt32(($0 * Double(samples)).rounded())
                        guard areEqual else { return count }
                        let drawn: UInt64 = random.next()
                        return min(samples, count + UInt32(drawn & 255))
                    }
                }
            }, sampleCount: samples,
            description: "workload \(workload), seed \(request.seed)")
    }

    private init(_ workload: Workload, shape: ActivityShape, batchSize: Int, seed: UInt64) {
        // All sequences are of one law: what is frequent is so in each. Their bursts coincide.
        let first = WorkloadSequence(workload, shape: shape, seed: seed)
        sequences = [first]
        // Drawn, not counted: the sessions' own seeds are consecutive.
        var seeds = SplitMix64(seed: seed)
        for _ in 1..<max(1, batchSize) { sequences.append(first.parted(seed: seeds.next())) }
    }

    mutating func aim(at placement: ShapePlacement, from token: Int) {
        for index in sequences.indices {
            sequences[index].aim(homes: placement.homes, hot: placement.hot, from: token)
        }
    }

    var sequenceCount: Int { sequences.count }

    func activeNeurons(sequence: Int, layer: Int, block: Int) -> PackedSet {
        sequences[sequence].activeNeurons(layer: layer, block: block)
    }

    mutating func advance() -> Bool {
        for index in sequences.indices { sequences[index].advance() }
        return true
    }
}
