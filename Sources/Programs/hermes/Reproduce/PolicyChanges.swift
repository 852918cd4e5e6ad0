import ActivationPredictor
import Coordinator

/// Changes `path=value` of an emulation: those that name a policy, how attention is divided among
/// them, and the rest, which are the topology's.
struct PolicyChanges {
    private(set) var policy = EmulationPolicy()
    private(set) var attentionSplit = EmulateCommand.AttentionSplit.heads
    private(set) var ofTopology: [String] = []

    /// All policies, each by the name of `emulate`'s option; other paths are the topology's.
    static let names = [
        "policy.predictor", "policy.predictor.lambda", "policy.predictor.threshold",
        "policy.predictor.hot-threshold", "policy.predictor.gain", "policy.predictor.decay",
        "policy.first-layer", "policy.feedback", "policy.partition", "policy.adjustment",
        "policy.rebalance", "policy.window", "attention.split",
    ]

    /// - Throws: exit 64 for a value that the policy does not know.
    init(_ settings: [String]) throws {
        for setting in settings {
            let parts = setting.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, Self.names.contains(parts[0]) else {
                ofTopology.append(setting)
                continue
            }
            try change(parts[0], to: parts[1])
        }
    }

    private mutating func change(_ name: String, to value: String) throws {
        func choice<Choice: RawRepresentable & CaseIterable>() throws -> Choice
        where Choice.RawValue == String {
            guard let choice = Choice(rawValue: value) else {
                let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
                throw Failure(.usage, "\(name) has no '\(value)': give one of \(known)")
            }
            return choice
        }
        switch name {
        case "attention.split": attentionSplit = try choice()
        case "policy.predictor": policy.predictor = try choice()
        case "policy.feedback": policy.feedback = try choice()
        case "policy.partition":
            let method: PartitionCommand.Method = try choice()
            policy.partition = method
        case "policy.first-layer": policy.firstLayer = try choice()
        case "policy.adjustment":
            let criterion: HotCriterion = try choice()
            policy.hotCriterion = criterion
        case "policy.rebalance":
            let rebalancing: RebalanceChoice = try choice()
            policy.rebalancing = rebalancing
        default:
            guard let number = Int(value) else {
                throw Failure(.usage, "\(name)=\(value): expected a whole number")
            }
            if name == "policy.window" {
                try changeWindow(to: number)
            } else {
                try changeConstant(name, to: number)
            }
        }
    }

    private mutating func changeWindow(to tokenCount: Int) throws {
        let windows = EmulationPolicyOptions.windows
        guard windows.contains(tokenCount) else {
            throw Failure(
                .usage,
                "policy.window=\(tokenCount): must be \(windows.lowerBound) to "
                    + "\(windows.upperBound)")
        }
        policy.windowTokenCount = tokenCount
    }

    private mutating func changeConstant(_ name: String, to value: Int) throws {
        let old = policy.constants
        func changed(_ constant: String, _ present: Int) -> Int {
            name == "policy.predictor." + constant ? value : present
        }
        do {
            policy.constants = try PredictorConstants(
                correlationWeight: changed("lambda", old.correlationWeight),
                activeThreshold: changed("threshold", old.activeThreshold),
                hotThreshold: changed("hot-threshold", old.hotThreshold),
                gain: changed("gain", old.gain), decay: changed("decay", old.decay),
                unobserved: old.unobserved)
        } catch {
            throw Failure(.usage, "\(name)=\(value): \(error)")
        }
    }
}
