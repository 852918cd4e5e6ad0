import ArgumentParser
import Coordinator
import ModelCatalogue
import Pacing
import Quantities
import Supervision
import SyntheticActivity
import Topology

/// `hermes stress`: a matrix of rebalancing policies, workloads and machines.
struct StressCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stress",
        abstract: "Stress-tests load balance: policies under skewed loads, on real processes.",
        discussion: """
            Every cell of policies x workloads x topologies x window lengths runs as the
            processes of `emulate`. The table says how unevenly DIMMs were loaded, what they
            waited for their slowest, what moved, and how long layers and round trips took,
            against perfect division of the same load. Equal arguments, equal bytes under the
            virtual clock. The folder gets stress.csv, stress.json and figures/; an interrupted
            matrix goes on where it was.

            Workloads, each with parameters: uniform, zipf@exponent=1.5, drift@rate=0.01,
            bursts@period=20,duty=0.2, hot-dimm@dimm=1,share=0.7, trace@file=PATH; all but the
            last have density=0.1 and spell=8. See the article Workloads in
            SyntheticActivity.docc. Policies: none, static, window, window-1.15, lpt, and oracle,
            which is window told the next window in advance.

            Examples:
              hermes stress
              hermes stress --topology 4-dimm,rtx4090-8dimm,16-dimm
              hermes stress --workload zipf@exponent=1.5,uniform --window 2,5,10
              hermes stress --slow-dimm 3=2.0 --policy none,window
              hermes stress --clock native --neighbours 2 --sessions 2 --duration 5
              hermes stress --workload hot-dimm --fault kill@token=9
            """)

    @Option(help: "Topologies, with commas between them: files, or names of shipped ones.")
    var topology = "rtx4090-8dimm"

    @Option(
        help: """
            Policies, with commas between them: \
            \(StressPolicy.allCases.map(\.rawValue).joined(separator: ", ")).
            """)
    var policy = "none,static,window,oracle"

    @Option(help: "Workloads, with commas between them.")
    var workload = "uniform,zipf,drift,bursts,hot-dimm"

    @Option(help: "Window lengths in tokens, with commas between them.")
    var window = "5"

    @Option(help: "Model: a catalogue file, or the name of a shipped one.")
    var model = "opt-13b"

    @Option(help: "Layers of the model to run; 0 for all. Each is balanced on its own.")
    var layers = 4

    @Option(help: "Sequences decoded together.")
    var batch = 1

    @Option(help: "Tokens of each prompt.")
    var promptTokens = 32

    @Option(help: "Tokens that each sequence generates at most; the first is the prefill's.")
    var tokens = 65

    @Option(
        help: """
            Ends a cell's decoding after so many seconds: emulated ones, or with --clock native \
            wall ones.
            """)
    var duration: Double?

    @Option(name: .customLong("set"), help: "Override a topology value: path=value.")
    var assignments: [String] = []

    @Option(help: "A DIMM that takes FACTOR times as long: DIMM=FACTOR (repeat for several).")
    var slowDimm: [SlowDIMM] = []

    @Option(
        help: "Sessions at once, each a topology with processes of its own and another seed.")
    var sessions = 1

    @Option(help: "Processes that keep CPUs busy beside; not with --clock virtual.")
    var neighbours = 0

    @Option(help: "Where cold neurons start.")
    var placement = StressPlacement.contiguous

    @Option(
        name: .customLong("adjustment"),
        help: "What speaks for a copy on the GPU: none leaves all to the rebalancer.")
    var hotCriterion = HotCriterion.none

    @Option(help: "Who predicts which neurons are computed; oracle computes just the load.")
    var predictor = PredictorChoice.oracle

    @Option(help: "Seed of the load, of random placement and of faults left open.")
    var seed: UInt64 = 0

    @OptionGroup var time: ClockOptions

    @OptionGroup(title: "Failures") var recovery: RecoveryOptions

    @Option(help: "Folder for results; it is made.")
    var output = "hermes-stress"

    @Flag(inversion: .prefixedNo, help: "Draw the figures (needs gnuplot).")
    var plots = true

    /// `PARENT:CELL:SESSION:FILE`: one session of one cell, for the process that asked.
    @Option(help: .hidden)
    var part: String?

    /// The process whose noisy neighbour this one is.
    @Option(help: .hidden)
    var neighbourOf: Int32?

    @OptionGroup var options: OutputOptions

    /// Beyond this, nobody reads the result.
    private static let cellLimit = 10_000

    func validate() throws {
        for (name, value, allowed) in [
            ("--layers", layers, 0...1000), ("--batch", batch, 1...1024),
            ("--prompt-tokens", promptTokens, 1...1_000_000), ("--tokens", tokens, 2...1_000_000),
            ("--sessions", sessions, 1...64), ("--neighbours", neighbours, 0...1024),
        ] where !allowed.contains(value) {
            throw ValidationError("\(name) must be \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        guard duration ?? 1 > 0, duration ?? 1 <= 1e6 else {
            throw ValidationError("--duration must be above 0 and at most 1000000 seconds")
        }
        guard time.clock != .virtual || neighbours == 0 else {
            throw ValidationError("--neighbours changes nothing in virtual time: choose a --clock")
        }
        guard time.clock != .native || slowDimm.isEmpty else {
            throw ValidationError(
                "--slow-dimm changes emulated time, which --clock native has not: see --fault slow")
        }
        guard Set(slowDimm.map(\.dimm)).count == slowDimm.count else {
            throw ValidationError("--slow-dimm names a DIMM twice")
        }
        guard try cells().count <= Self.cellLimit else {
            throw ValidationError("a matrix has at most \(Self.cellLimit) cells")
        }
    }

    /// The matrix, policies varying fastest.
    func cells() throws -> [StressCell] {
        let policies = try list(policy, "--policy", StressPolicy.init(rawValue:))
        let windows = try list(window, "--window") {
            Int($0).flatMap { EmulationPolicyOptions.windows.contains($0) ? $0 : nil }
        }
        let topologies = try list(topology, "--topology") { $0.isEmpty ? nil : $0 }
        let workloads: [Workload]
        do {
            workloads = try Workload.list(parsing: workload)
        } catch {
            throw ValidationError("--workload: \(error)")
        }
        guard Set(workloads).count == workloads.count else {
            throw ValidationError("--workload names one twice")
        }
        guard workloads.allSatisfy({ $0.kind != .trace }) || batch == 1 else {
            throw ValidationError("a trace has one sequence: leave out --batch")
        }
        return workloads.flatMap { workload in
            topologies.flatMap { topology in
                policies.flatMap { policy in
                    (policy.hasWindow ? windows.map(Optional.some) : [nil]).map {
                        StressCell(
                            policy: policy, workload: workload, topology: topology,
                            windowTokenCount: $0)
                    }
                }
            }
        }
    }

    private func list<Value: Hashable>(
        _ text: String, _ option: String, _ value: (String) -> Value?
    ) throws -> [Value] {
        let values = try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
            guard let value = value(String(part)) else {
                throw ValidationError("\(option): '\(part)' is none")
            }
            return value
        }
        guard Set(values).count == values.count else {
            throw ValidationError("\(option) names one twice")
        }
        return values
    }

    func run() throws {
        if let neighbourOf { try Neighbours.disturb(for: neighbourOf) }
        try StopSignals.install()
        let cells = try cells()
        let runner = StressRunner(
            command: self, model: try shape(), logger: options.logger("hermes.stress"))
        if let part { return try StressPart(part).run(cells, runner) }
        try options.prepare()
        if plots { try FigureFiles.check() }
        let series = StressSeries(
            runner: runner,
            store: try ResultStore(
                folder: output + "/emulations", program: try ModelHash.ofProgram()))
        let outcome = try series.run(cells)
        let report = StressReport(command: self, cells: cells, outcome: outcome)
        let document = report.json()
        try report.write(document, to: output, withFigures: plots)
        if !options.writesJSONToStandardOutput { try Terminal.emit(report.text()) }
        try options.deliver(document)
        Terminal.complain("written: \(output)/stress.csv")
        try report.checkFaithful(limit: time.overrunLimit)
    }

    /// The model's shape, cut to the layers that were asked for.
    private func shape() throws -> StressRunner.Model {
        let (model, path) = try ModelCatalogueFile.load(model)
        // Not again for a part: what asked for it has said so.
        if let remark = try SequenceLength.remark(
            model, promptTokenCount: promptTokens, tokenCount: tokens), part == nil
        {
            Terminal.complain("hermes: \(remark)")
        }
        guard layers <= model.layerCount else {
            throw Failure(
                .usage, "--layers \(layers) is more than the \(model.layerCount) of '\(path)'")
        }
        return layers == 0 ? model : model.keepingLayers(layers)
    }
}

/// `--slow-dimm DIMM=FACTOR`.
struct SlowDIMM: ExpressibleByArgument, Hashable {
    let dimm: Int
    /// How many times longer all that it does takes, 1 to 1000.
    let factor: Double

    init?(argument: String) {
        let sides = argument.split(separator: "=", maxSplits: 1)
        guard sides.count == 2, let dimm = Int(sides[0]), dimm >= 0,
            let factor = Double(sides[1]), (1...1000).contains(factor)
        else { return nil }
        self.dimm = dimm
        self.factor = factor
    }

    /// All of its clocks run slower: those of its DRAM, whose timing is in cycles, of its NDP core
    /// and of its activation unit. The channel to it stays as it is.
    func assignments(for dimm: Topology.DIMM) -> [String] {
        [
            ("dram", dimm.dram.clock.hertz), ("ndp", dimm.ndpCore.clock.hertz),
            ("activation_unit", dimm.activationUnit.clock.hertz),
        ].map { part, hertz in
            let slowed = UInt64((Double(hertz) / factor).rounded())
            return "dimm_overrides.\(self.dimm).\(part).clock=\(slowed) Hz"
        }
    }
}
