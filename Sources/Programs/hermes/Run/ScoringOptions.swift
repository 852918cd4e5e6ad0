import ActivationPredictor
import ArgumentParser
import Quantities
import Scheduling

/// Constants of the online policies when they are scored on a trace; the defaults are the paper's.
struct ScoringOptions: ParsableArguments {
    @OptionGroup var predictor: PredictorConstantOptions

    @Option(
        name: .customLong("policy.rebalance.window"),
        help: "Tokens after which DIMMs are rebalanced (1 to 65535).")
    var window = 5

    @Option(
        name: .customLong("policy.rebalance.minimum-gain"),
        help: "A DIMM gives neurons away only above this many times the mean load.")
    var minimumGain = 1.15

    func validate() throws {
        guard (1...Int(UInt16.max)).contains(window) else {
            throw ValidationError("--policy.rebalance.window must be 1 to 65535")
        }
        guard minimumGain >= 0, minimumGain <= 1000 else {
            throw ValidationError("--policy.rebalance.minimum-gain must be 0 to 1000")
        }
    }

    func constants() throws(PredictorError) -> PredictorConstants {
        try predictor.constants(over: .paper)
    }

    /// ``minimumGain`` in whole percent of the mean.
    var minimumLoadPercent: Int { Int((100 * minimumGain).rounded()) }

    /// The values, for results.
    func json() throws -> JSONValue {
        let constants = try constants()
        return .object([
            "predictor": .object([
                "lambda": .integer(constants.correlationWeight),
                "threshold": .integer(constants.activeThreshold),
                "hot_threshold": .integer(constants.hotThreshold), "gain": .integer(constants.gain),
                "decay": .integer(constants.decay),
                "unobserved": .string(constants.unobserved.rawValue),
            ]),
            "rebalance": .object([
                "window": .integer(window),
                "minimum_gain": JSONValue(Double(minimumLoadPercent) / 100),
            ]),
        ])
    }
}

extension Proportion: ExpressibleByArgument {
    /// `0.2` or `20 %`.
    package init?(argument: String) {
        guard let value = try? Proportion(parsing: argument) else { return nil }
        self = value
    }
}
