import ActivationPredictor
import ArgumentParser
import Quantities
import Scheduling

/// Constants of the online policies, settable wherever a policy is scored or used. The defaults
/// are the paper's.
struct PolicyOptions: ParsableArguments {
    @Option(
        name: .customLong("policy.predictor.lambda"),
        help: "What one active parent adds to a neuron's state (0 to 15).")
    var lambda = PredictorConstants.paper.correlationWeight

    @Option(
        name: .customLong("policy.predictor.threshold"),
        help: "T: predicted active when state + lambda x active parents is above.")
    var activeThreshold = PredictorConstants.paper.activeThreshold

    @Option(
        name: .customLong("policy.predictor.hot-threshold"),
        help: "T_h: hot when the state is above; also what the token-only rule asks.")
    var hotThreshold = PredictorConstants.paper.hotThreshold

    @Option(
        name: .customLong("policy.predictor.gain"),
        help: "Added to the state of a neuron that was active.")
    var gain = PredictorConstants.paper.gain

    @Option(
        name: .customLong("policy.predictor.decay"),
        help: "Taken from the state of a neuron that was not.")
    var decay = PredictorConstants.paper.decay

    @Option(
        name: .customLong("policy.predictor.unobserved"),
        help: "State of a neuron that nobody computed: decremented (the paper's) or held.")
    var unobserved = PredictorConstants.paper.unobserved

    @Option(
        name: .customLong("policy.rebalance.window"),
        help: "Tokens after which DIMMs are rebalanced (1 to 65535).")
    var window = 5

    @Option(
        name: .customLong("policy.rebalance.minimum-gain"),
        help: "A DIMM gives neurons away only above this many times the mean load.")
    var minimumGain = 1.15

    func validate() throws {
        do {
            _ = try constants()
        } catch {
            throw ValidationError("\(error)")
        }
        guard (1...Int(UInt16.max)).contains(window) else {
            throw ValidationError("--policy.rebalance.window must be 1 to 65535")
        }
        guard minimumGain >= 0, minimumGain <= 1000 else {
            throw ValidationError("--policy.rebalance.minimum-gain must be 0 to 1000")
        }
    }

    /// - Throws: `PredictorError` for what 4-bit states cannot express; never after
    ///   ``validate()``.
    func constants() throws(PredictorError) -> PredictorConstants {
        try PredictorConstants(
            correlationWeight: lambda, activeThreshold: activeThreshold,
            hotThreshold: hotThreshold, gain: gain, decay: decay, unobserved: unobserved)
    }

    /// ``minimumGain`` in whole percent of the mean.
    var minimumLoadPercent: Int { Int((100 * minimumGain).rounded()) }

    /// The values, for results.
    var json: JSONValue {
        .object([
            "predictor": .object([
                "lambda": .integer(lambda), "threshold": .integer(activeThreshold),
                "hot_threshold": .integer(hotThreshold), "gain": .integer(gain),
                "decay": .integer(decay), "unobserved": .string(unobserved.rawValue),
            ]),
            "rebalance": .object([
                "window": .integer(window),
                "minimum_gain": JSONValue(Double(minimumLoadPercent) / 100),
            ]),
        ])
    }
}

extension UnobservedStates: ExpressibleByArgument {}
extension Feedback: ExpressibleByArgument {}

extension Proportion: ExpressibleByArgument {
    /// `0.2` or `20 %`.
    package init?(argument: String) {
        guard let value = try? Proportion(parsing: argument) else { return nil }
        self = value
    }
}
