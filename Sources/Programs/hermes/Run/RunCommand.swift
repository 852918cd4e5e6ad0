import ArgumentParser
import Coordinator
import Pacing
import Supervision

/// `hermes run`: text from a real model, computed by the coordinator and its NDP-DIMM workers.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Generates text from a real model over the emulated topology.",
        discussion: """
            Examples:
              hermes run
              hermes run --topology 16-dimm --prompt @question.txt --tokens 128
              hermes run --raw --prompt "The capital of France is" --tokens 16 --json -
              hermes run --sparsity 0.7 --prompt "Tell me about rivers."
              hermes run --predicted --policy.predictor combined-jaccard
              hermes run --predicted --policy.partition ilp
              hermes run --launcher slurm --secret-file secret --topology 4-dimm
              hermes run --predicted --evaluate text.txt --tokens 200 --json -
            """)

    @Option(help: "Topology: a file, or the name of a shipped one.")
    var topology = TopologyFile.standard

    @Option(name: .customLong("set"), help: "Override a topology value: path=value.")
    var assignments: [String] = []

    @Option(help: "GGUF model file (default: the default model).")
    var model: String?

    @Option(help: "Prompt: TEXT, @FILE, or - for standard input.")
    var prompt = Prompt.standard

    @Flag(help: "Plain completion: no chat template; special tokens in the prompt are parsed.")
    var raw = false

    @Option(
        help: "How many tokens to generate at most (default 64; with --evaluate, the whole text).")
    var tokens: Int?

    @Flag(name: .customLong("ignore-eos"), help: "Go on after an end token.")
    var ignoresEnd = false

    @Flag(help: "Compute every truly active neuron (the default).")
    var exact = false

    @Flag(
        help: """
            Compute only the feed-forward neurons that a predictor expects to be active, and \
            layer 0 in full.
            """)
    var predicted = false

    @OptionGroup var policy: PolicyOptions

    @Option(
        help: """
            Share of feed-forward neurons to leave out in decode, 0 up to 0.99 (default 0; \
            0.7 in a predicted run of a model with gates).
            """)
    var sparsity: Double?

    @Option(help: "Instead of generating, send this text's tokens through the mode; says how well.")
    var evaluate: String?

    @Flag(
        inversion: .prefixedNo,
        help: """
            Hold the run against the dense model and predictions against the truth, after the \
            timed part (default in predicted runs).
            """)
    var quality: Bool?

    @Option(help: "0 takes the likeliest token; above, tokens are drawn.")
    var temperature: Float = 0

    @Option(help: "Seed of the draw.")
    var seed: UInt64 = 0

    @Flag(help: "One process, no workers: what the sharded run must equal.")
    var reference = false

    @OptionGroup var time: ClockOptions
    @OptionGroup var strictness: BindingOptions

    @Flag(help: "Print one layer's timeline as a table to re-compute by hand.")
    var explain = false

    @Option(help: "Write a Chrome Trace Event file in emulated time; opens in Perfetto.")
    var trace: String?

    @OptionGroup var recovery: RecoveryOptions

    @OptionGroup var placement: PlacementOptions

    @OptionGroup(title: "Workers") var launch: LaunchOptions

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard tokens ?? 1 >= 1 else { throw ValidationError("--tokens must be at least 1") }
        guard sparsity ?? 0 >= 0, sparsity ?? 0 <= 0.99 else {
            throw ValidationError("--sparsity must lie between 0 and 0.99")
        }
        try validateMode()
        guard time.clock != .native || (!explain && trace == nil) else {
            throw ValidationError("--explain and --trace need emulated time, not --clock native")
        }
        guard !reference || (!explain && trace == nil) else {
            throw ValidationError("--reference has one process and no emulated time to explain")
        }
        guard !reference || !placement.choice(orElse: predicted ? .paper : .none).movesNeurons
        else {
            throw ValidationError("--reference has one process: no neuron can move")
        }
        guard !reference || placement.partition == nil else {
            throw ValidationError("--reference has one process: --policy.partition places nothing")
        }
        guard !reference || (!launch.usesConnections && !launch.dryRun) else {
            throw ValidationError("--reference has one process: there is no worker to launch")
        }
        guard time.clock != .paced || launch.launcher == .local else {
            throw ValidationError(
                "--clock paced needs --launcher local: hosts do not share a wall clock")
        }
        guard temperature >= 0, temperature.isFinite else {
            throw ValidationError("--temperature must be a finite number, at least 0")
        }
    }

    private func validateMode() throws {
        guard !exact || !predicted else {
            throw ValidationError("--exact and --predicted exclude each other")
        }
        guard !reference || !predicted else {
            throw ValidationError("--reference predicts nothing; leave --predicted out")
        }
        if let option = policy.given, !predicted {
            throw ValidationError("\(option) needs --predicted")
        }
        guard evaluate == nil || time.clock != .paced else {
            throw ValidationError(
                "--evaluate runs the dense model between the tokens, which no paced clock allows")
        }
        guard evaluate == nil || quality != false else {
            throw ValidationError("--evaluate is about quality; leave --no-quality out")
        }
    }

    func run() throws {
        try StopSignals.install()
        try output.prepare()
        if let trace { try WholeFile.prepare(trace) }
        let text = evaluate == nil ? try Prompt.read(prompt) : ""
        let session = try RunSession(
            request: RunRequest(
                topologyArgument: topology, assignments: assignments, modelPath: model,
                prompt: text, isRaw: raw, tokenLimit: tokens,
                ignoresEnd: ignoresEnd, policy: predicted ? policy : nil, sparsity: sparsity,
                evaluatedText: evaluate, assessesQuality: quality ?? predicted,
                temperature: temperature, seed: seed,
                isReference: reference, clock: reference ? .native : time.clock,
                dilation: time.dilation,
                overrunLimit: time.overrunLimit,
                placement: placement.choice(orElse: predicted ? .paper : .none),
                partition: placement.partition ?? .roundRobin,
                recordsTimeline: explain || trace != nil, binding: strictness.binding,
                recovery: recovery,
                launch: launch),
            output: output)
        if launch.dryRun { return try Terminal.emit(session.launchText()) }
        let result = try session.run()
        try output.deliver(result.json())
        if let timeline = result.time?.timeline {
            if let trace { try ChromeTrace(timeline).write(to: trace) }
            if explain { Terminal.complain(Explanation(timeline).text()) }
        }
        Terminal.complain(result.summary())
        try result.sharded?.proof.enforce(when: "at the end", tellsRefusals: false)
        try result.checkFaithful()
    }
}

/// What `run` was asked to do, arguments read and checked.
struct RunRequest {
    let topologyArgument: String
    let assignments: [String]
    let modelPath: String?
    let prompt: String
    let isRaw: Bool
    /// `nil` for the default.
    let tokenLimit: Int?
    let ignoresEnd: Bool
    /// `nil` where every truly active neuron is computed.
    let policy: PolicyOptions?
    /// As asked for; `nil` for the default.
    let sparsity: Double?
    /// The file whose tokens go through the mode in place of generated ones.
    let evaluatedText: String?
    let assessesQuality: Bool
    let temperature: Float
    let seed: UInt64
    let isReference: Bool
    let clock: ClockKind
    let dilation: DilationChoice
    let overrunLimit: Double
    let placement: PlacementChoice
    let partition: PartitionChoice
    let recordsTimeline: Bool
    let binding: BindingStrictness
    let recovery: RecoveryOptions
    let launch: LaunchOptions

    /// How many tokens to generate at most.
    var generationLimit: Int { tokenLimit ?? 64 }
}
