import ActivationPredictor
import Coordinator

/// Changes `path=value` of an emulation: those that name a policy, and the rest, which are the
/// topology's.
struct PolicyChanges {
    private(set) var policy = EmulationPolicy()
    private(set) var ofTopology: [String] = []

    /// What `policy.` may be followed by, other than the topology's own keys.
    static let names = [
        "policy.predictor", "policy.predictor.lambda", "policy.predictor.threshold",
        "policy.predictor.hot-threshold", "policy.predictor.gain", "policy.predictor.decay",
        "policy.first-layer", "policy.feedback", "policy.partition", "policy.adjustment",
        "policy.rebalance",
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
            try changeConstant(name, to: number)
        }
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
