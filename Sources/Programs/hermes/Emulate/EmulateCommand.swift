import ActivationPredictor
import ArgumentParser
import Coordinator
import Messages
import ModelCatalogue
import Pacing
import Supervision
import Topology

/// `hermes emulate`: times a system with a model that is known by its shape alone.
struct EmulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "emulate",
        abstract: "Times a paper-scale model by its shape, on any compared system.",
        discussion: """
            The coordinator and one worker process per NDP-DIMM exchange the messages of a run
            with weights, in number and size, under the same policies and clocks; values are not
            computed. Who is active is drawn by the statistics of the family, or by the model file's
            own (activity), or replayed from a trace of the same shape. Systems without NDP-DIMMs
            are timing schedules.

            A model with rotary positions takes prompts of up to \(SequenceLength.rotaryLimit)
            tokens, with a remark beyond the context it was trained for; one with learned
            positions (OPT) ends with them.

            Examples:
              hermes emulate --model llama2-70b
              hermes emulate --model opt-66b --system hermes-base --batch 16 --json -
              hermes emulate --model opt-13b --set gpu.usable_memory=8GB --tokens 32
              hermes emulate --model llama2-13b --system hermes-partition --policy.partition random
              hermes emulate --model llama2-13b --prompt-tokens 8192 --tokens 4
              hermes emulate --model opt-30b --clock paced --dilation 400 --tokens 4
            """)

    @Option(help: "Model: a catalogue file, or the name of a shipped one.")
    var model = "llama2-70b"

    @Option(help: "System to time.")
    var system = EmulatedSystem.hermes

    @Option(help: "Topology: a file, or the name of a shipped one.")
    var topology = "rtx4090-8dimm"

    @Option(name: .customLong("set"), help: "Override a topology value: path=value.")
    var assignments: [String] = []

    @Option(help: "Sequences decoded together.")
    var batch = 1

    @Option(help: "Tokens of each sequence's prompt.")
    var promptTokens = 128

    @Option(help: "Tokens that each sequence generates; the first comes from the prefill.")
    var tokens = 128

    @Option(help: "Seed of the drawn activity and of random placement.")
    var seed: UInt64 = 0

    @Option(help: "Replay this trace's activity instead of drawing it.")
    var replay: String?

    @Option(name: .customLong("attention.split"), help: "Divide attention by heads or sequence.")
    var attentionSplit = AttentionSplit.heads

    @OptionGroup var time: ClockOptions
    @OptionGroup var strictness: BindingOptions

    @OptionGroup(title: "Policies") var policy: EmulationPolicyOptions

    @Flag(help: "Print one layer's timeline as a table to re-compute by hand.")
    var explain = false

    @Option(help: "Write a Chrome Trace Event file in emulated time; opens in Perfetto.")
    var trace: String?

    @OptionGroup(title: "Failures") var recovery: RecoveryOptions

    @OptionGroup var output: OutputOptions

    /// `--attention.split`.
    enum AttentionSplit: String, ExpressibleByArgument, CaseIterable {
        case heads, sequence

        var wire: ShapeConfiguration.AttentionSplit { self == .heads ? .heads : .sequence }
    }

    func validate() throws {
        for (name, value, allowed) in [
            ("--batch", batch, 1...1024), ("--prompt-tokens", promptTokens, 1...1_000_000),
            ("--tokens", tokens, 1...1_000_000),
        ] where !allowed.contains(value) {
            throw ValidationError(
                "\(name) must be \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        guard time.clock != .native || (!explain && trace == nil) else {
            throw ValidationError("--explain and --trace need emulated time, not --clock native")
        }
        guard system.runsAsProcesses || time.clock == .virtual else {
            throw ValidationError("\(system.rawValue) is a timing schedule: it has no other clock")
        }
        guard system.runsAsProcesses || recovery.faults.isEmpty else {
            throw ValidationError(
                "\(system.rawValue) is a timing schedule: no worker of it can fail")
        }
        guard system.runsAsProcesses || (replay == nil && !explain && trace == nil) else {
            throw ValidationError(
                "\(system.rawValue) is a timing schedule: --replay, --explain and --trace are not "
                    + "for it")
        }
    }

    func run() throws {
        try StopSignals.install()
        try output.prepare()
        if let trace { try WholeFile.prepare(trace) }
        let request = try request()
        let outcome = try Emulation.run(request, logger: output.logger("hermes.emulate"))
        let report = EmulationReport(request: request, outcome: outcome)
        try output.deliver(report.json())
        if case .timed(let timed) = outcome, let timeline = timed.processes?.time?.timeline {
            if let trace { try ChromeTrace(timeline).write(to: trace) }
            if explain { Terminal.complain(Explanation(timeline).text()) }
        }
        if !output.writesJSONToStandardOutput { try Terminal.emit(report.text() + "\n") }
        try report.checkBinding()
        try report.checkFaithful()
    }

    private func request() throws -> EmulationRequest {
        let (topology, path) = try TopologyFile.load(topology, assignments: assignments)
        let (model, _) = try ModelCatalogueFile.load(model)
        if let remark = try SequenceLength.remark(
            model, promptTokenCount: promptTokens, tokenCount: tokens)
        {
            Terminal.complain("hermes: \(remark)")
        }
        guard system.runsAsProcesses || topology.faults.isEmpty else {
            throw Failure(
                .badInput,
                "topology '\(topology.name)' states faults, and \(system.rawValue) is a timing "
                    + "schedule: no worker of it can fail")
        }
        return EmulationRequest(
            system: system, model: model, topology: topology, topologyPath: path,
            batchSize: batch, promptTokenCount: promptTokens, tokenCount: tokens, seed: seed,
            clock: time.clock, dilation: time.dilation,
            overrunLimit: time.overrunLimit,
            attentionSplit: attentionSplit.wire, policy: try policy.policy(),
            replay: replay, recordsTimeline: explain || trace != nil,
            recovery: recovery.policy, faults: recovery.faults,
            binding: strictness.binding)
    }
}

/// Options of an emulation's policies.
struct EmulationPolicyOptions: ParsableArguments {
    @Option(
        name: .customLong("policy.predictor"),
        help: "Who predicts which neurons are computed.")
    var predictor = PredictorChoice.combinedJaccard

    @OptionGroup var constantOptions: PredictorConstantOptions

    @Option(help: "What is learnt: of all neurons (full), or of computed ones only (observed).")
    var feedback = Feedback.full

    @Option(
        name: .customLong("policy.first-layer"),
        help: "What is computed of the first layer, which has no parents: by-state, or full.")
    var firstLayer = StatePredictor.FirstLayer.byState

    @Option(
        name: .customLong("policy.partition"),
        help: "Where neurons start: ilp, frequency or random (default: the system's).")
    var partition: PartitionCommand.Method?

    @Option(
        name: .customLong("policy.adjustment"),
        help: "What speaks for a copy on the GPU: none, token, layer, both (default: the system's)."
    )
    var hotCriterion: HotCriterion?

    @Option(
        name: .customLong("policy.rebalance"),
        help: """
            Who moves cold neurons from DIMM to DIMM: none, static, window, window-1.15, lpt \
            (default: the system's).
            """)
    var rebalancing: RebalanceChoice?

    @Option(
        name: .customLong("policy.window"),
        help: "Tokens after which window, window-1.15 and lpt move neurons.")
    var window = PlacementPolicy.standardWindowTokenCount

    /// Lengths of a window that the rebalancers count with.
    static let windows = 1...65_535

    func validate() throws {
        guard Self.windows.contains(window) else {
            throw ValidationError(
                "--policy.window must be \(Self.windows.lowerBound) to \(Self.windows.upperBound)")
        }
    }

    func policy() throws -> EmulationPolicy {
        let standard: PredictorConstants =
            feedback == .full ? .paper : predictor.constants
        return EmulationPolicy(
            predictor: predictor, constants: try constantOptions.constants(over: standard),
            feedback: feedback, firstLayer: firstLayer, partition: partition,
            hotCriterion: hotCriterion, rebalancing: rebalancing, windowTokenCount: window)
    }
}

extension HotCriterion: ExpressibleByArgument {}
extension RebalanceChoice: ExpressibleByArgument {}
extension StatePredictor.FirstLayer: ExpressibleByArgument {}
