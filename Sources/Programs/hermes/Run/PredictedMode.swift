import ActivationPredictor
import Coordinator
import ModelFile
import Transformer

/// What `run --predicted` predicts with: read and sampled before anything is started.
struct PredictedMode {
    let choice: PredictorChoice
    let constants: PredictorConstants
    let feedback: Feedback
    /// Where the parents come from; `nil` when none are read.
    let parentSource: String?
    private let layout: NeuronLayout
    private let correlations: CorrelationTable?

    /// What a gated model's share of inactive neurons is when none is asked for.
    static let standardSparsity = 0.7

    init(
        options: PolicyOptions, loaded: LoadedModel, rule: ActivityRule?, sparsity: Double,
        threadCount: Int
    ) throws {
        choice = options.choice
        constants = try options.constants()
        feedback = options.feedback ?? .observed
        let shape = loaded.model.shape
        layout = NeuronLayout(
            layerCount: shape.layerCount, neuronCounts: [shape.feedForwardSize])
        guard let measure = choice.parents else {
            correlations = nil
            parentSource = nil
            return
        }
        guard shape.feedForwardSize >= CorrelationTable.parentCount,
            shape.feedForwardSize <= CorrelationTable.neuronLimit
        else {
            throw Failure(
                .badInput,
                "model file '\(loaded.path)': \(shape.feedForwardSize) feed-forward neurons; "
                    + "parents are for \(CorrelationTable.parentCount) to "
                    + "\(CorrelationTable.neuronLimit)")
        }
        correlations = try Correlations.load(
            measure, for: loaded, rule: rule, sparsity: rule == nil ? nil : sparsity,
            trace: options.parents, threadCount: threadCount)
        parentSource = options.parents ?? "the shipped text"
    }

    /// - Parameter isScored: whether predictions are held against the truth.
    func setting(isScored: Bool) -> PredictionSetting {
        PredictionSetting(
            predictor: choice.predictor(
                layout: layout, constants: constants, correlations: correlations),
            feedback: feedback, isScored: isScored)
    }

    /// An empty record of the prompt's activity.
    var noActivity: PrefillActivity { PrefillActivity(layout: layout) }
}

extension PrefillActivity {
    /// Adds what a recorder saw since the last call.
    mutating func take(from recorder: ActivityRecorder) {
        for token in recorder.takeTokens() { add(token: token.map { [$0] }) }
    }
}
