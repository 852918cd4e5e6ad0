import ActivationPredictor
import ArgumentParser

/// Options of the paper's policy: who predicts, with which constants.
struct PolicyOptions: ParsableArguments {
    @Option(
        name: .customLong("policy.predictor"),
        help: "Who predicts (default: combined-jaccard).")
    var predictor: PredictorChoice?

    @Option(
        name: .customLong("policy.predictor.parents"),
        help: "Take the parents from this trace (default: sampled on the shipped text, cached).")
    var parents: String?

    @OptionGroup var constantOptions: PredictorConstantOptions

    @Option(
        help: """
            What a predicted run learns: of computed neurons only (observed), or of all (full, \
            an experiment that no real system can do). Default observed.
            """)
    var feedback: Feedback?

    /// The first option given that only a predicted run reads.
    var given: String? {
        if predictor != nil { return "--policy.predictor" }
        if parents != nil { return "--policy.predictor.parents" }
        if feedback != nil { return "--feedback" }
        return constantOptions.given
    }

    var choice: PredictorChoice { predictor ?? .combinedJaccard }

    /// The chosen predictor's constants, with what was given in their place.
    func constants() throws(PredictorError) -> PredictorConstants {
        try constantOptions.constants(over: choice.constants)
    }
}

/// The predictors by the names that options take.
enum PredictorChoice: String, CaseIterable, ExpressibleByArgument {
    case combinedJaccard = "combined-jaccard"
    case layerJaccard = "layer-jaccard"
    case combinedConditional = "combined-conditional"
    case layerConditional = "layer-conditional"
    case token
    case lastToken = "same-as-last-token"
    case prefillFrequency = "prefill-frequency"
    case allActive = "all-active"
    case noneActive = "none-active"
    case oracle

    /// How the parents that it reads were found; `nil` when it reads none.
    var parents: ParentMeasure? {
        switch self {
        case .combinedJaccard, .layerJaccard: .jaccard
        case .combinedConditional, .layerConditional: .conditional
        case .token, .lastToken, .prefillFrequency, .allActive, .noneActive, .oracle: nil
        }
    }

    /// The paper's rule keeps the paper's constants; the others those that last when only
    /// computed neurons are observed.
    var constants: PredictorConstants {
        self == .combinedConditional ? .paper : .closedLoop
    }

    /// - Parameter correlations: needed by those with ``parents``.
    func predictor(
        layout: NeuronLayout, constants: PredictorConstants, correlations: CorrelationTable?,
        firstLayer: StatePredictor.FirstLayer = .full
    ) -> any ActivityPredictor {
        func state(_ rule: StatePredictor.Rule) -> StatePredictor {
            StatePredictor(
                name: rawValue, layout: layout, rule: rule, constants: constants,
                correlations: correlations, firstLayer: firstLayer)
        }
        switch self {
        case .combinedJaccard, .combinedConditional: return state(.combined)
        case .layerJaccard, .layerConditional: return state(.layerOnly)
        case .token: return state(.tokenOnly)
        case .lastToken: return LastTokenPredictor(name: rawValue, layout: layout)
        case .prefillFrequency: return FrequencyPredictor(name: rawValue, layout: layout)
        case .allActive: return ConstantPredictor(name: rawValue, isActive: true)
        case .noneActive: return ConstantPredictor(name: rawValue, isActive: false)
        case .oracle: return OraclePredictor(name: rawValue)
        }
    }
}
