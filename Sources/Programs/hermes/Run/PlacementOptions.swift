import ArgumentParser
import Coordinator

/// What moves neurons during a run.
struct PlacementChoice {
    var rebalancing: RebalanceChoice
    var adjustsHotSet: Bool

    /// Neurons stay where they start: what an exact run does unless told otherwise.
    static let none = PlacementChoice(rebalancing: .none, adjustsHotSet: false)
    /// What the paper does.
    static let paper = PlacementChoice(rebalancing: .window, adjustsHotSet: true)

    var movesNeurons: Bool { rebalancing != .none || adjustsHotSet }
}

/// Options of the policies that move neurons while a run goes on.
struct PlacementOptions: ParsableArguments {
    /// `--policy.rebalance`: what a run can do, and what only a replay of a trace can.
    enum Rebalance: ExpressibleByArgument {
        case choice(RebalanceChoice)
        case oracle

        init?(argument: String) {
            if argument == "oracle" {
                self = .oracle
            } else if let choice = RebalanceChoice(rawValue: argument) {
                self = .choice(choice)
            } else {
                return nil
            }
        }

        static var allValueStrings: [String] { RebalanceChoice.allCases.map(\.rawValue) }
    }

    /// `--policy.adjustment`.
    enum Adjustment: String, ExpressibleByArgument, CaseIterable {
        case on
        case off
    }

    @Option(
        name: .customLong("policy.partition"),
        help: ArgumentHelp(
            """
            Where neurons are when the run starts, and which are hot: round-robin (default: \
            neuron i on DIMM i mod J, hot by the prompt), random (by --seed), frequency, ilp \
            (the last two by the prompt's own activity), or a FILE that 'partition --output' wrote.
            """, valueName: "choice"))
    var partition: PartitionChoice?

    @Option(
        name: .customLong("policy.rebalance"),
        help: """
            Who moves cold neurons from DIMM to DIMM: none, static (once, by the prompt), window \
            (the paper's, every 5 tokens), window-1.15 (only from DIMMs above 1.15 of the mean), \
            lpt (every 5 tokens all anew). Default: window in a predicted run, else none.
            """)
    var rebalance: Rebalance?

    @Option(
        name: .customLong("policy.adjustment"),
        help: """
            Whether neurons that become hot get a copy on the GPU: on (default in a predicted \
            run) or off.
            """)
    var adjustment: Adjustment?

    func validate() throws {
        guard case .oracle = rebalance else { return }
        throw ValidationError(
            "--policy.rebalance oracle must know the next token's activity, which a run does not")
    }

    /// What was asked for, with `standard` where nothing was.
    func choice(orElse standard: PlacementChoice = .none) -> PlacementChoice {
        var choice = standard
        if case .choice(let rebalancing)? = rebalance { choice.rebalancing = rebalancing }
        if let adjustment { choice.adjustsHotSet = adjustment == .on }
        return choice
    }
}
