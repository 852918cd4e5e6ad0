import ActivationPredictor
import ActivityTrace
import PackedSets
import SystemPackage

/// Writes a trace token by token, wherever the activity comes from, and samples the parents of
/// the correlation tables on the way: from the tokens after the prompt, or from all where there
/// are no others.
struct TraceRecorder: ~Copyable {
    private let header: TraceHeader
    private var writer: ActivityTraceWriter
    private var sampler: ParentSampler
    private var activeCount = 0
    private let samplesPrompt: Bool

    /// - Parameters:
    ///   - path: an older file of that name is replaced when all is written.
    ///   - samplesPrompt: whether parents come from the prompt, too.
    init(path: String, header: TraceHeader, samplesPrompt: Bool = false) throws {
        self.header = header
        self.samplesPrompt = samplesPrompt
        for block in header.shape.blocks {
            let allowed = CorrelationTable.parentCount...CorrelationTable.neuronLimit
            guard allowed.contains(block.neuronCount) else {
                throw Failure(
                    .badInput,
                    "'\(header.source)': block '\(block.name)' has \(block.neuronCount) neurons; "
                        + "correlation tables need \(allowed.lowerBound) to \(allowed.upperBound)")
            }
        }
        writer = try TraceFile.writing {
            () throws(ActivityTraceError) in
            try ActivityTraceWriter.create(FilePath(path), header: header)
        }
        sampler = ParentSampler(layout: header.shape.neuronLayout)
    }

    /// - Parameter sets: active neurons, by layer, then by block: [layers × blocks].
    mutating func append(tokenID: Int, sets: [PackedSet]) throws {
        if samplesPrompt || writer.tokenCount >= header.prefillTokenCount {
            sampler.add(token: header.shape.byLayer(sets))
        }
        activeCount += sets.reduce(0) { $0 + $1.memberCount }
        do {
            try writer.append(tokenID: tokenID, sets: sets)
        } catch {
            throw TraceFile.failure(writing: error)
        }
    }

    /// Samples the parents and completes the file.
    consuming func finish() throws -> RecordedTrace {
        var tables: [ParentTable] = []
        for measure in ParentMeasure.allCases {
            try Interruption.check()
            tables.append(ParentTable(sampler.table(by: measure), name: measure.rawValue))
        }
        let tokenCount = writer.tokenCount
        do {
            return RecordedTrace(
                header: header, summary: try writer.finish(parents: tables),
                density: Double(activeCount)
                    / Double(max(1, tokenCount * header.shape.neuronCount)),
                parentTableNames: tables.map(\.name))
        } catch {
            throw TraceFile.failure(writing: error)
        }
    }
}

/// What a ``TraceRecorder`` wrote.
struct RecordedTrace {
    let header: TraceHeader
    let summary: TraceSummary
    /// Share of the neurons that were active, over all tokens.
    let density: Double
    let parentTableNames: [String]
}
