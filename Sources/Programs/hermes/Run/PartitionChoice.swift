import ArgumentParser

/// `--policy.partition`: who says where neurons are when a run starts.
enum PartitionChoice: ExpressibleByArgument, Equatable {
    /// Neuron i on DIMM i mod J; hot are those that the prompt shows to be frequent.
    case roundRobin
    case random
    case frequency
    case ilp
    /// What `partition --output` wrote.
    case file(String)

    /// Names win over files: a file of such a name is ./NAME.
    init?(argument: String) {
        switch argument {
        case "round-robin": self = .roundRobin
        case "random": self = .random
        case "frequency": self = .frequency
        case "ilp": self = .ilp
        case "": return nil
        default: self = .file(argument)
        }
    }

    var name: String {
        switch self {
        case .roundRobin: "round-robin"
        case .random: "random"
        case .frequency: "frequency"
        case .ilp: "ilp"
        case .file: "file"
        }
    }

    /// Whether the prompt has to be through before anybody knows where neurons are.
    var readsPrompt: Bool { self == .frequency || self == .ilp }
}
