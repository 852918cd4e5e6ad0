import ActivationPredictor
import ActivityTrace
import ArgumentParser
import Quantities
import Scheduling
import Supervision

/// `hermes policy`: scores predictors and rebalancers on recorded activity.
struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Scores predictors and rebalancers on a recorded trace.",
        discussion: """
            Predictors: the paper's rule with parents by conditional probability (its own
            choice) and by Jaccard index, its parts alone, and what they are held against.
            Overall figures leave out layer 0, which has no parents and is computed in
            full. Give --parents-from a trace of another text: parents that were sampled
            on the scored text know too much.

            Rebalancers: how evenly the cold neurons fall on the DIMMs, from several
            initial placements; active neurons of the busiest DIMM over the mean.

            Examples:
              hermes policy alice.trace --parents-from gpl3.trace
              hermes policy alice.trace --feedback observed \\
                --policy.predictor.threshold 9 --policy.predictor.unobserved held
              hermes policy alice.trace --dimms 4 --json -
            """)

    @Argument(help: "Trace to score on.")
    var trace: String

    @Option(help: "Trace whose correlation tables are used (default: the scored trace).")
    var parentsFrom: String?

    @Option(help: "How many DIMMs share the cold neurons.")
    var dimms = 8

    @Option(help: "Share of each layer's neurons that are hot: the GPU computes them.")
    var hotShare = Proportion(millionths: 200_000)

    @Option(help: "What predictors learn of a token: full, or observed (computed neurons only).")
    var feedback = Feedback.full

    @Option(help: "Seed of the random placement.")
    var seed: UInt64 = 0

    @OptionGroup var policy: ScoringOptions
    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (1...1024).contains(dimms) else {
            throw ValidationError("--dimms must be 1 to 1024")
        }
    }

    func run() throws {
        try StopSignals.install()
        try options.prepare()
        var reader = try TraceFile.open(trace)
        try checkContent(reader.header, tokenCount: reader.tokenCount)
        let tables = try correlations(of: &reader)
        var scoring = PolicyScoring(
            layout: reader.header.shape.neuronLayout,
            prefillTokenCount: reader.header.prefillTokenCount, feedback: feedback,
            constants: try policy.constants(), conditional: tables.conditional,
            jaccard: tables.jaccard)
        scoring.addRebalancers(
            dimmCount: dimms, hotShare: hotShare, seed: seed, windowTokenCount: policy.window,
            minimumLoadPercent: policy.minimumLoadPercent)
        var frame = TraceFrame(shape: reader.header.shape)
        do {
            while try reader.readNext(into: &frame) {
                try Interruption.check()
                try scoring.add(token: reader.header.shape.byLayer(frame.sets))
            }
        } catch let error as ActivityTraceError {
            throw TraceFile.failure(reading: error)
        }
        let report = PolicyReport(
            command: self, header: reader.header, tokenCount: reader.tokenCount,
            predictors: scoring.predictorResults, rebalance: scoring.rebalanceResults)
        if !options.writesJSONToStandardOutput { try Terminal.emit(report.text()) }
        try options.deliver(report.json())
    }

    /// Refuses a trace in which there is nothing to score.
    private func checkContent(_ header: TraceHeader, tokenCount: Int) throws {
        guard header.shape.layerCount >= 2 else {
            throw Failure(
                .badInput,
                "'\(trace)': the header has 1 layer; predictors need the layer below: at least 2")
        }
        guard tokenCount > header.prefillTokenCount else {
            throw Failure(
                .badInput,
                "'\(trace)': all \(tokenCount) tokens belong to the prompt; scoring needs at "
                    + "least one after it")
        }
    }

    private func correlations(
        of scored: inout ActivityTraceReader
    ) throws -> (conditional: CorrelationTable, jaccard: CorrelationTable) {
        guard let parentsFrom else { return try Self.tables(of: &scored, path: trace) }
        var other = try TraceFile.open(parentsFrom)
        guard other.header.shape == scored.header.shape else {
            throw Failure(
                .badInput,
                "'\(parentsFrom)': the header has \(other.header.shape.summary), but '\(trace)' "
                    + "has \(scored.header.shape.summary)")
        }
        let hashes = [other.header.modelSHA256, scored.header.modelSHA256]
        guard hashes.contains("") || hashes[0] == hashes[1] else {
            throw Failure(
                .badInput,
                "'\(parentsFrom)': the header names another model file than '\(trace)' does: "
                    + "SHA-256 \(hashes[0].prefix(12))..., not \(hashes[1].prefix(12))...")
        }
        return try Self.tables(of: &other, path: parentsFrom)
    }

    private static func tables(
        of reader: inout ActivityTraceReader, path: String
    ) throws -> (conditional: CorrelationTable, jaccard: CorrelationTable) {
        (
            try TraceFile.correlations(by: .conditional, of: &reader, path: path),
            try TraceFile.correlations(by: .jaccard, of: &reader, path: path)
        )
    }
}
