import ArgumentParser
import ModelCatalogue
import OfflinePartition
import Supervision
import SyntheticActivity
import Topology

/// `hermes partition`: decides before a run where every neuron lives, and says how good that is.
struct PartitionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "partition",
        abstract: "Places neurons on GPU and DIMMs before a run (ILP), or shows a placement.",
        discussion: """
            How often neurons are active comes from a trace of the model, or from the
            statistics of a model family (--synthetic, with a shape and FP16 weights). The
            objective is the mean time of a token's sparse blocks: the sum over layers and
            blocks of the slower of GPU and DIMMs. Whatever the method, it stands beside a
            bound that no placement undercuts. What a llama model's QKV reads is never
            zero: all its neurons count as always active, unless the trace has a block
            'qkv'.

            Examples:
              hermes partition --trace alice.trace --output alice.partition
              hermes partition --trace alice.trace --method random
              hermes partition --show alice.partition
              hermes partition --synthetic llama2 --layers 80 --hidden 8192 --mlp 28672 \\
                --qkv-width 10240 --topology rtx4090-8dimm
            """)

    enum Method: String, ExpressibleByArgument, CaseIterable {
        case ilp, frequency, random
    }

    @Option(help: "GGUF model file (default: the default model).")
    var model: String?

    @Option(help: "Topology: a file, or the name of a shipped one.")
    var topology = TopologyFile.standard

    @Option(name: .customLong("set"), help: "Override a topology value: path=value.")
    var assignments: [String] = []

    @Option(help: "Activity trace of the model.")
    var trace: String?

    @Option(help: "Solver: ilp (the paper's), frequency (greedy), random.")
    var method = Method.ilp

    @Option(help: "Seed of the random method and of synthetic activity.")
    var seed: UInt64 = 0

    @Option(help: "File to write the placement to.")
    var output: String?

    @Option(help: "Show a placement that was written, and do nothing else.")
    var show: String?

    @Option(help: "Instead of model and trace, a family's statistics: opt, llama2 or falcon.")
    var synthetic: ModelFamily?

    @OptionGroup(title: "Shape of a synthetic model") var shape: SyntheticShape
    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard [show, trace, synthetic?.rawValue].count(where: { $0 != nil }) == 1 else {
            throw ValidationError("give one of --trace FILE, --synthetic FAMILY, --show FILE")
        }
        guard show == nil || output == nil else {
            throw ValidationError("--show writes no placement: leave out --output")
        }
        guard synthetic == nil || model == nil else {
            throw ValidationError("--synthetic needs no --model")
        }
        guard synthetic != nil || shape.isEmpty else {
            throw ValidationError("a shape (--layers, --hidden, ...) goes with --synthetic only")
        }
        if let synthetic { try shape.check(family: synthetic) }
    }

    func run() throws {
        try StopSignals.install()
        try options.prepare()
        if let output { try WholeFile.prepare(output) }
        if let show { return try showPartition(show) }
        let (topology, _) = try TopologyFile.load(topology, assignments: assignments)
        let workload =
            if let synthetic {
                try shape.workload(family: synthetic, topology: topology, seed: seed)
            } else {
                try PartitionWorkload(
                    model: LoadedModel(path: model), trace: trace ?? "", topology: topology)
            }
        let problem = try workload.problem(topology: topology)
        let solved = try PartitionSolving(problem: problem, method: method, seed: seed).solve()
        if let output {
            let partition = solved.partition.of(modelHash: workload.modelHash)
            try WholeFile.write(partition.encoded(), to: output)
        }
        let report = PartitionReport(
            workload: workload, topology: topology, problem: problem, method: method,
            solved: solved)
        if !options.writesJSONToStandardOutput { try Terminal.emit(report.text()) }
        try options.deliver(report.json())
        if let output { Terminal.complain("written: \(output)") }
    }

    private func showPartition(_ path: String) throws {
        let bytes = try WholeFile.read(path, what: "partition file")
        let partition: Partition
        do {
            partition = try Partition(decoding: bytes)
        } catch {
            throw Failure(.badInput, "'\(path)': \(error)")
        }
        let summary = PartitionSummary(partition: partition, blockNames: nil)
        if !options.writesJSONToStandardOutput { try Terminal.emit(summary.text()) }
        try options.deliver(.object(summary.members))
    }
}

extension ModelFamily: ExpressibleByArgument {}

/// One problem, one method, and the bound that any method is held against.
struct PartitionSolving {
    let problem: PartitionProblem
    let method: PartitionCommand.Method
    let seed: UInt64

    struct Result {
        let partition: Partition
        let cost: PartitionCost
        /// What no placement undercuts, ps × samples.
        let lowerBound: UInt64
        let isProvenOptimal: Bool
        /// Wall time of the method alone.
        let seconds: Double

        /// Cost over bound, less one; nil where the bound is zero and the cost is not.
        var gap: Double? {
            let excess = Double(cost.total - min(lowerBound, cost.total))
            if excess == 0 { return 0 }
            return lowerBound == 0 ? nil : excess / Double(lowerBound)
        }
    }

    func solve() throws -> Result {
        do {
            return try solving()
        } catch let error as PartitionError {
            throw Failure(.internalFault, error.description)
        }
    }

    /// The placement alone, without a bound for the methods that have none.
    func place() throws -> Partition {
        do {
            let outcome: PartitionOutcome
            switch method {
            case .ilp: outcome = try ILPPartitioner().solve(problem).outcome
            case .frequency: outcome = try FrequencyPartitioner(homes: .balanced).partition(problem)
            case .random: outcome = try RandomPartitioner(seed: seed).partition(problem)
            }
            try Interruption.check()
            switch outcome {
            case .infeasible(let reason):
                throw Failure(.badInput, "no placement exists: \(reason)")
            case .optimal(let partition), .best(let partition, _): return partition
            }
        } catch let error as PartitionError {
            throw Failure(.internalFault, error.description)
        }
    }

    private func solving() throws -> Result {
        let clock = ContinuousClock()
        let start = clock.now
        let bounding: ILPSolution
        let outcome: PartitionOutcome
        let span: Duration
        switch method {
        case .ilp:
            bounding = try ILPPartitioner().solve(problem)
            outcome = bounding.outcome
            span = start.duration(to: clock.now)
        case .frequency, .random:
            let partitioner: any OfflinePartitioner =
                method == .random
                ? RandomPartitioner(seed: seed) : FrequencyPartitioner(homes: .balanced)
            outcome = try partitioner.partition(problem)
            span = start.duration(to: clock.now)
            bounding = try ILPPartitioner(exactColumnLimit: 0).solve(problem)
        }
        try Interruption.check()
        switch outcome {
        case .infeasible(let reason):
            throw Failure(.badInput, "no placement exists: \(reason)")
        case .optimal(let partition), .best(let partition, _):
            let cost = try problem.cost(of: partition)
            return Result(
                partition: partition, cost: cost, lowerBound: bounding.lowerBound,
                isProvenOptimal: outcome.gap == 0, seconds: span.seconds)
        }
    }
}
