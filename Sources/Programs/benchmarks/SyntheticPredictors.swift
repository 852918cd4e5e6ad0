import ActivationPredictor
import ModelCatalogue
import PackedSets
import SyntheticActivity

/// All contenders on activity that is generated with the paper's statistics.
///
/// One process stands for a model, its sequences for texts: parents are sampled on one sequence,
/// predictions are scored on another, as with real models.
struct SyntheticPredictors {
    static let layerCount = 8
    static let neuronCount = 4096
    static let sampledTokenCount = 1024
    static let promptTokenCount = 128
    private static let seed: UInt64 = 1

    private let process: ActivityProcess
    private let layout: NeuronLayout
    private let parents: [ParentMeasure: CorrelationTable]

    init(_ statistics: ActivityStatistics) throws {
        process = try ActivityProcess(
            shape: ActivityShape(
                layerCount: Self.layerCount, neuronCounts: [Self.neuronCount]),
            statistics: statistics, seed: Self.seed)
        layout = NeuronLayout(layerCount: Self.layerCount, neuronCounts: [Self.neuronCount])
        var sampler = ParentSampler(layout: layout)
        var text = ActivitySequence(process: process, seed: Self.seed)
        for _ in 0..<Self.sampledTokenCount {
            sampler.add(token: Self.activity(of: text))
            text.advance()
        }
        parents = ParentMeasure.allCases.reduce(into: [:]) { tables, measure in
            tables[measure] = sampler.table(by: measure)
        }
    }

    /// - Parameter tokenCount: scored, after the prompt.
    /// - Returns: figures in the order of `contenders`.
    func figures(_ contenders: [PredictorContender], tokenCount: Int) -> [PredictorFigures] {
        var scorings = contenders.map {
            TraceScoring(
                layout: layout, predictors: [$0.predictor(layout: layout, parents: parents)],
                prefillTokenCount: Self.promptTokenCount, feedback: $0.feedback)
        }
        var text = ActivitySequence(process: process, seed: Self.seed + 1)
        for _ in 0..<Self.promptTokenCount + tokenCount {
            let token = Self.activity(of: text)
            for index in scorings.indices { scorings[index].add(token: token) }
            text.advance()
        }
        return scorings.flatMap(\.results).map {
            PredictorFigures($0, tokenCount: tokenCount)
        }
    }

    private static func activity(of text: ActivitySequence) -> [[PackedSet]] {
        (0..<layerCount).map { [text.activeNeurons(layer: $0, block: 0)] }
    }
}
