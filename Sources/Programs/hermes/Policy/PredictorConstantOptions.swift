import ActivationPredictor
import ArgumentParser

/// Constants of the predictors, settable wherever a policy is scored or used; what is not given
/// is the standard of the predictor that is asked.
struct PredictorConstantOptions: ParsableArguments {
    @Option(
        name: .customLong("policy.predictor.lambda"),
        help: "What one active parent adds to a neuron's state, 0 to 15 (default 6).")
    var lambda: Int?

    @Option(
        name: .customLong("policy.predictor.threshold"),
        help: """
            T: predicted active when state + lambda x active parents is above, 0 to 45 (default \
            15, the paper's; in a predicted run 9, but for combined-conditional).
            """)
    var threshold: Int?

    @Option(
        name: .customLong("policy.predictor.hot-threshold"),
        help: "T_h: hot, and predicted by the token rule, above it, 0 to 15 (default 10).")
    var hotThreshold: Int?

    @Option(
        name: .customLong("policy.predictor.gain"),
        help: "Added to the state of an active neuron, 0 to 15 (default 4).")
    var gain: Int?

    @Option(
        name: .customLong("policy.predictor.decay"),
        help: "Taken from the state of an inactive neuron, 0 to 15 (default 1).")
    var decay: Int?

    @Option(
        name: .customLong("policy.predictor.unobserved"),
        help: """
            States of neurons that nobody computed: decremented or held (default decremented, the \
            paper's; in a predicted run held, but for combined-conditional).
            """)
    var unobserved: UnobservedStates?

    /// The first option given.
    var given: String? {
        let options: [(String, Bool)] = [
            ("--policy.predictor.lambda", lambda != nil),
            ("--policy.predictor.threshold", threshold != nil),
            ("--policy.predictor.hot-threshold", hotThreshold != nil),
            ("--policy.predictor.gain", gain != nil),
            ("--policy.predictor.decay", decay != nil),
            ("--policy.predictor.unobserved", unobserved != nil),
        ]
        return options.first { $0.1 }?.0
    }

    func validate() throws {
        do {
            _ = try constants(over: .paper)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// `standard` with what was given in its place.
    ///
    /// - Throws: `PredictorError` for what 4-bit states cannot express.
    func constants(over standard: PredictorConstants) throws(PredictorError) -> PredictorConstants {
        try PredictorConstants(
            correlationWeight: lambda ?? standard.correlationWeight,
            activeThreshold: threshold ?? standard.activeThreshold,
            hotThreshold: hotThreshold ?? standard.hotThreshold,
            gain: gain ?? standard.gain, decay: decay ?? standard.decay,
            unobserved: unobserved ?? standard.unobserved)
    }
}

extension UnobservedStates: ExpressibleByArgument {}
extension Feedback: ExpressibleByArgument {}
