import ArgumentParser
import Quantities
import Reporting
import Supervision
import Topology

/// `hermes sweep`: one system over a grid of parameters.
struct SweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep",
        abstract: "Emulates a grid of parameters, with figures and a Pareto front.",
        discussion: """
            Each --sweep is an axis: a path of the topology, as --set takes it, a policy, or
            one of system, model, batch, prompt-tokens, tokens, topology. Several axes form
            a grid. Policies: \(PolicyChanges.names.joined(separator: ", ")).
            Where gpu.memory is swept, gpu.usable_memory follows: what the topology reserves
            stays reserved.

            Prompts have up to \(SequenceLength.rotaryLimit) tokens as in emulate: with a remark
            beyond the context of a model with rotary positions, never beyond learned ones (OPT).

            --energy counts what units read to compute (shared by the sequences of a batch), links
            and the GPU's power. Timing schedules (accelerate, flexgen, dejavu, tensorrt-llm) say
            nothing of their traffic: they get no joules.

            The folder gets sweep.csv, sweep.json and figures/: lines over the first axis,
            and tokens/s against --cost. An interrupted sweep goes on where it was.

            Examples:
              hermes sweep --model llama2-70b --sweep gpu.memory=8GB,16GB,24GB
              hermes sweep --model opt-66b --sweep topology=rtx4090-8dimm,16-dimm \\
                --sweep batch=1,4,16 --cost dimms
              hermes sweep --model llama2-13b --sweep prompt-tokens=128,1024,8192
              hermes sweep --model opt-66b --sweep batch=1,4,16 --energy paper-parts \\
                --cost energy
              hermes sweep --model opt-13b --sweep policy.rebalance=none,window,lpt
              hermes sweep --model llama2-70b --sweep attention.split=heads,sequence
              hermes sweep --model opt-13b --sweep policy.window=2,5,10
            """)

    /// What a point costs, from its topology or its result.
    enum Cost: String, ExpressibleByArgument, CaseIterable {
        case gpuMemory = "gpu-memory"
        case dimms
        case dimmMemory = "dimm-memory"
        /// Joules of a generated token; needs ``SweepCommand/energy``.
        case energy

        var label: String {
            switch self {
            case .gpuMemory: "GPU memory, GB"
            case .dimms: "NDP-DIMMs"
            case .dimmMemory: "memory of all NDP-DIMMs, GB"
            case .energy: "energy of a token, J"
            }
        }
    }

    @Option(help: "Axis: PARAMETER=VALUE,VALUE,... (repeat for a grid).")
    var sweep: [String]

    @Option(help: "System to emulate.")
    var system = EmulatedSystem.hermes

    @Option(help: "Model of the catalogue, or a catalogue file.")
    var model = "llama2-70b"

    @Option(help: "Sequences that are decoded together.")
    var batch = 1

    @Option(help: "Tokens of each prompt.")
    var promptTokens = 128

    @Option(help: "Tokens that each sequence generates.")
    var tokens = 128

    @Option(help: "Topology: a file, or the name of a shipped one.")
    var topology = "rtx4090-8dimm"

    @Option(name: .customLong("set"), help: "Override a topology value: path=value.")
    var assignments: [String] = []

    @Option(help: "Seed of the synthetic activity.")
    var seed: UInt64 = 0

    @Option(help: "What the Pareto plot holds throughput against.")
    var cost = Cost.gpuMemory

    @Option(
        help: """
            Energies of the parts: a file, or paper-parts. Adds joules per token, but for schedules.
            """)
    var energy: String?

    @Option(help: "Folder for results; it is made.")
    var output = "hermes-sweep"

    @Flag(inversion: .prefixedNo, help: "Draw the figures (needs gnuplot).")
    var plots = true

    @OptionGroup var options: OutputOptions

    /// Beyond this, nobody reads the result.
    private static let pointLimit = 10_000

    func validate() throws {
        guard cost != .energy || energy != nil else {
            throw ValidationError("--cost energy needs --energy")
        }
        let axes = try self.axes()
        guard Set(axes.map(\.name)).count == axes.count else {
            throw ValidationError("two axes have one name")
        }
        for axis in axes where axis.name == "system" {
            for value in axis.values where EmulatedSystem(rawValue: value) == nil {
                throw ValidationError("there is no system '\(value)'")
            }
        }
        guard axes.reduce(1, { min(Self.pointLimit + 1, $0 * $1.values.count) }) <= Self.pointLimit
        else { throw ValidationError("a sweep has at most \(Self.pointLimit) points") }
        for (name, value, limit) in [
            ("--batch", batch, 1024), ("--prompt-tokens", promptTokens, 1_000_000),
            ("--tokens", tokens, 1_000_000),
        ] where !(1...limit).contains(value) {
            throw ValidationError("\(name) must be 1 to \(limit)")
        }
    }

    private func axes() throws -> [SweepAxis] {
        guard !sweep.isEmpty else { throw ValidationError("give at least one --sweep") }
        return try sweep.map { argument in
            guard let axis = SweepAxis(argument: argument) else {
                throw ValidationError(
                    "--sweep \(argument): expected PARAMETER=VALUE,VALUE,... with different values")
            }
            guard axis.name.contains(".") || SweepAxis.requestNames.contains(axis.name) else {
                throw ValidationError(
                    "--sweep \(axis.name): neither a path of the topology nor one of "
                        + SweepAxis.requestNames.joined(separator: ", "))
            }
            return axis
        }
    }

    func run() throws {
        try StopSignals.install()
        try options.prepare()
        if plots { try FigureFiles.check() }
        let energies = try energy.map { try EnergyFile.load($0) }
        let grid = SweepGrid(
            axes: try axes(),
            base: PlannedEmulation(
                system: system.rawValue, model: model, batchSize: batch,
                promptTokenCount: promptTokens, tokenCount: tokens, topology: topology,
                settings: assignments, seed: seed))
        let combinations = grid.combinations
        let planned = try combinations.map { try emulation($0, grid) }
        let series = EmulationSeries(
            backend: .processes(logger: options.logger("hermes")),
            store: try ResultStore(
                folder: output + "/emulations", program: try ModelHash.ofProgram()))
        let outcome = try series.run(planned)
        let records = try zip(combinations, planned).map { values, emulation in
            guard let answer = outcome.answers[emulation] else {
                throw Failure(.internalFault, "no answer for \(emulation.description)")
            }
            return SweepRecord(
                values: values, answer: answer, cost: try price(emulation, answer, energies))
        }
        let report = SweepReport(
            grid: grid, records: records, cost: cost, energies: energies, outcome: outcome,
            seed: seed)
        try report.write(to: output, withFigures: plots)
        if !options.writesJSONToStandardOutput { try Terminal.emit(report.text()) }
        try options.deliver(report.json())
        Terminal.complain("written: \(output)/sweep.csv")
    }

    private func emulation(_ values: [String], _ grid: SweepGrid) throws -> PlannedEmulation {
        do throws(SweepError) {
            return try reserving(grid.emulation(values))
        } catch {
            throw Failure(.usage, error.description)
        }
    }

    /// A smaller GPU memory would be less than what the topology calls usable: the difference
    /// between both stays as it is.
    private func reserving(_ planned: PlannedEmulation) -> PlannedEmulation {
        func value(_ path: String) -> String? {
            planned.settings.last { $0.hasPrefix(path + "=") }.map {
                String($0.dropFirst(path.count + 1))
            }
        }
        guard let memory = value("gpu.memory"), value("gpu.usable_memory") == nil,
            let bytes = (try? ByteCount(parsing: memory))?.bytes,
            let (base, _) = try? TopologyFile.load(planned.topology, assignments: [])
        else { return planned }
        let reserve = base.gpu.memoryCapacity.bytes - base.gpu.usableMemory.bytes
        var changed = planned
        changed.settings.append("gpu.usable_memory=\(bytes - min(bytes, reserve)) B")
        return changed
    }

    /// The cost of a point, from its topology or its result.
    private func price(
        _ planned: PlannedEmulation, _ answer: EmulationAnswer, _ energies: EnergyModel?
    ) throws -> Double? {
        let (topology, _) = try TopologyFile.load(
            planned.topology, assignments: PolicyChanges(planned.settings).ofTopology)
        return switch cost {
        case .gpuMemory: Double(topology.gpu.memoryCapacity.bytes) / 1e9
        case .dimms: Double(topology.dimms.count)
        case .dimmMemory:
            topology.dimms.reduce(0) { $0 + Double($1.memoryCapacity.bytes) } / 1e9
        case .energy:
            if case .timed(let figures) = answer {
                energies?.joulesPerToken(of: figures)
            } else {
                nil
            }
        }
    }
}
