import ActivationPredictor

/// One row of a setting in the predictors' table: who predicts, and what is learned on the way.
struct PredictorContender {
    /// As `--policy.predictor` calls it.
    let name: String
    var feedback = Feedback.observed
    /// The paper's constants in place of those that the predictor comes with.
    var hasPaperConstants = false

    static let all = [
        PredictorContender(name: "none-active"),
        PredictorContender(name: "all-active"),
        PredictorContender(name: "oracle"),
        PredictorContender(name: "combined-conditional"),
        PredictorContender(name: "combined-conditional", feedback: .full),
        PredictorContender(name: "combined-jaccard", feedback: .full, hasPaperConstants: true),
        PredictorContender(name: "combined-jaccard"),
        PredictorContender(name: "combined-jaccard", feedback: .full),
        PredictorContender(name: "layer-conditional"),
        PredictorContender(name: "layer-jaccard"),
        PredictorContender(name: "token"),
        PredictorContender(name: "same-as-last-token"),
        PredictorContender(name: "prefill-frequency"),
    ]

    /// What tables call it.
    var title: String {
        var title = name
        if name == "combined-conditional" { title += " (the paper's)" }
        if hasPaperConstants { title += ", the paper's constants" }
        if feedback == .full { title += ", feedback full" }
        return title
    }

    /// Options of `hermes run`.
    var arguments: [String] {
        ["--predicted", "--policy.predictor", name, "--feedback", feedback.rawValue]
            + (hasPaperConstants
                ? [
                    "--policy.predictor.threshold", "\(PredictorConstants.paper.activeThreshold)",
                    "--policy.predictor.unobserved", PredictorConstants.paper.unobserved.rawValue,
                ] : [])
    }

    /// The same predictor for activity that comes from no model, with the constants that
    /// `hermes run` would give it.
    func predictor(
        layout: NeuronLayout, parents: [ParentMeasure: CorrelationTable]
    ) -> any ActivityPredictor {
        let isPaper = hasPaperConstants || name == "combined-conditional"
        func state(_ rule: StatePredictor.Rule, _ measure: ParentMeasure?) -> StatePredictor {
            StatePredictor(
                name: title, layout: layout, rule: rule,
                constants: isPaper ? .paper : .closedLoop,
                correlations: measure.flatMap { parents[$0] })
        }
        switch name {
        case "combined-conditional": return state(.combined, .conditional)
        case "combined-jaccard": return state(.combined, .jaccard)
        case "layer-conditional": return state(.layerOnly, .conditional)
        case "layer-jaccard": return state(.layerOnly, .jaccard)
        case "token": return state(.tokenOnly, nil)
        case "same-as-last-token": return LastTokenPredictor(name: title, layout: layout)
        case "prefill-frequency": return FrequencyPredictor(name: title, layout: layout)
        case "none-active": return ConstantPredictor(name: title, isActive: false)
        case "all-active": return ConstantPredictor(name: title, isActive: true)
        case "oracle": return OraclePredictor(name: title)
        default: preconditionFailure("no predictor is called \(name)")
        }
    }
}
