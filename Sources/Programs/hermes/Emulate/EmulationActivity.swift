import ActivationPredictor
import ActivityTrace
import Coordinator
import ModelCatalogue
import PackedSets
import Quantities
import SyntheticActivity

/// Who is active in an emulation, who is whose parent, and how often each neuron is active in the
/// long run: drawn by the family's statistics, or recorded.
struct EmulationActivity {
    private(set) var source: any ActivitySource
    let correlations: CorrelationTable
    /// In how many of ``sampleCount`` samples each neuron was active, [blocks][layers][neurons].
    let counts: [[[UInt32]]]
    let sampleCount: UInt32
    /// What results say of it.
    let description: String

    /// Samples that stand behind the counts of drawn activity: they resolve frequencies to 6 in
    /// 100 000.
    static let drawnSampleCount: UInt32 = 1 << 14

    static func make(_ request: EmulationRequest) throws -> EmulationActivity {
        if let path = request.replay { return try recorded(path, request) }
        if let workload = request.workload { return try StressActivity.make(workload, request) }
        return try drawn(request)
    }

    /// Tells a workload that aims at a DIMM who is at home there.
    mutating func meet(_ placement: ShapePlacement, promptTokenCount: Int) {
        guard var aiming = source as? StressActivity else { return }
        aiming.aim(at: placement, from: promptTokenCount)
        source = aiming
    }

    /// The same activity, so many tokens ahead.
    func ahead(by tokenCount: Int, of request: EmulationRequest) throws -> any ActivitySource {
        // Copies of a recording read on together.
        var ahead: any ActivitySource =
            try request.replay.map { try RecordedActivity(path: $0, model: request.model) }
            ?? source
        for _ in 0..<tokenCount {
            guard ahead.advance() else { break }
        }
        return ahead
    }

    // MARK: Drawn

    private static func drawn(_ request: EmulationRequest) throws -> EmulationActivity {
        let model = request.model
        let shape = ActivityShape(
            layerCount: model.layerCount, neuronCounts: [model.hiddenSize, model.feedForwardSize])
        do {
            let process = try ActivityProcess(
                shape: shape,
                statistics: try model.activity ?? FamilyFile.load(model.family),
                seed: request.seed)
            let table = try CorrelationTable(
                layout: NeuronLayout(
                    layerCount: shape.layerCount, neuronCounts: shape.neuronCounts),
                parents: (0..<shape.layerCount).map { layer in
                    (0..<shape.blockCount).map { process.parentPairs(layer: layer, block: $0) }
                })
            // Another seed than the process's own: the text is not the model.
            let batch = ActivityBatch(
                process: process, sequenceCount: request.batchSize, seed: request.seed &+ 1)
            return EmulationActivity(
                source: DrawnActivity(batch: batch), correlations: table,
                counts: drawnCounts(of: process), sampleCount: drawnSampleCount,
                description: "synthetic \(FamilyFile.title(of: model)), seed \(request.seed)")
        } catch {
            throw Failure(.badInput, "model \(model.name): \(error)")
        }
    }

    static func drawnCounts(of process: ActivityProcess) -> [[[UInt32]]] {
        (0..<process.shape.blockCount).map { block in
            (0..<process.shape.layerCount).map { layer in
                process.expectedFrequencies(layer: layer, block: block).map {
                    UInt32(($0 * Double(drawnSampleCount)).rounded())
                }
            }
        }
    }

    // MARK: Recorded

    private static func recorded(
        _ path: String, _ request: EmulationRequest
    ) throws -> EmulationActivity {
        let model = request.model
        guard request.batchSize == 1 else {
            throw Failure(.usage, "--replay has one sequence: leave out --batch")
        }
        var reader = try TraceFile.open(path)
        let shape = reader.header.shape
        let sizes = ["qkv": model.hiddenSize, "mlp": model.feedForwardSize]
        guard shape.layerCount == model.layerCount, shape.blockIndex(named: "mlp") != nil,
            shape.blocks.allSatisfy({ sizes[$0.name] == $0.neuronCount })
        else {
            throw Failure(
                .badInput,
                "'\(path)' has \(shape.summary), model \(model.name) \(model.layerCount) layers x "
                    + "\(model.hiddenSize) qkv + \(model.feedForwardSize) mlp")
        }
        guard reader.tokenCount >= request.promptTokenCount + request.tokenCount else {
            throw Failure(
                .badInput,
                "'\(path)' has \(reader.tokenCount) tokens, the emulation needs "
                    + "\(request.promptTokenCount) + \(request.tokenCount)")
        }
        let (counts, sampleCount) = try recordedCounts(&reader, path: path, model)
        let measure = request.policy.predictor.parents ?? .jaccard
        let known = try TraceFile.correlations(by: measure, of: &reader, path: path)
        return EmulationActivity(
            source: try RecordedActivity(path: path, model: model),
            correlations: try completed(known, shape, model), counts: counts,
            sampleCount: sampleCount, description: "replayed from \(reader.header.source)")
    }

    private static func recordedCounts(
        _ reader: inout ActivityTraceReader, path: String, _ model: ModelSpecification
    ) throws -> (counts: [[[UInt32]]], sampleCount: UInt32) {
        let shape = reader.header.shape
        let samples = UInt32(reader.tokenCount)
        let all = try TraceFile.reading { () throws(ActivityTraceError) in
            try reader.activationCounts(of: .whole)
        }
        let counts = [("qkv", model.hiddenSize), ("mlp", model.feedForwardSize)].map {
            name, neuronCount in
            (0..<model.layerCount).map { layer in
                guard let block = shape.blockIndex(named: name) else {
                    return Array(repeating: samples, count: neuronCount)
                }
                return Array(all[shape.range(layer: layer, block: block)])
            }
        }
        return (counts, samples)
    }

    /// Parents of both blocks: a block that was not recorded is always active, whoever its parents.
    private static func completed(
        _ known: CorrelationTable, _ shape: TraceShape, _ model: ModelSpecification
    ) throws -> CorrelationTable {
        let sizes = [("qkv", model.hiddenSize), ("mlp", model.feedForwardSize)]
        return try CorrelationTable(
            layout: NeuronLayout(
                layerCount: model.layerCount, neuronCounts: sizes.map(\.1)),
            parents: (0..<model.layerCount).map { layer in
                sizes.map { name, neuronCount in
                    if let block = shape.blockIndex(named: name) {
                        return known.parents(layer: layer, block: block)
                    }
                    return layer == 0 ? [] : Array(repeating: 0, count: 2 * neuronCount)
                }
            })
    }
}

/// Texts of a family's statistics.
private struct DrawnActivity: ActivitySource {
    var batch: ActivityBatch

    var sequenceCount: Int { batch.sequences.count }

    func activeNeurons(sequence: Int, layer: Int, block: Int) -> PackedSet {
        batch.sequences[sequence].activeNeurons(layer: layer, block: block)
    }

    mutating func advance() -> Bool {
        batch.advance()
        return true
    }
}

/// A trace, token by token; ends with it.
private struct RecordedActivity: ActivitySource {
    private let reader: TraceCursor
    private let blockIndices: [Int?]  // QKV, MLP
    private let everyone: [PackedSet]
    private var sets: [[PackedSet]]  // [layers][blocks of the trace]

    init(path: String, model: ModelSpecification) throws {
        reader = TraceCursor(try TraceFile.open(path))
        let shape = reader.shape
        blockIndices = ["qkv", "mlp"].map { shape.blockIndex(named: $0) }
        everyone = [model.hiddenSize, model.feedForwardSize].map { .full(elementCount: $0) }
        sets = try reader.next() ?? []
    }

    var sequenceCount: Int { 1 }

    func activeNeurons(sequence: Int, layer: Int, block: Int) -> PackedSet {
        guard let index = blockIndices[block] else { return everyone[block] }
        return sets[layer][index]
    }

    /// A file that turns out damaged midway ends the activity; opening it checked its header.
    mutating func advance() -> Bool {
        guard let next = try? reader.next() else { return false }
        sets = next
        return true
    }
}

/// Where a trace is read; a class, so that copies of a source read on together.
private final class TraceCursor {
    private var reader: ActivityTraceReader
    let shape: TraceShape

    init(_ reader: consuming ActivityTraceReader) {
        shape = reader.header.shape
        self.reader = reader
    }

    func next() throws -> [[PackedSet]]? {
        let frame = try TraceFile.reading { () throws(ActivityTraceError) in
            try reader.next()
        }
        return frame.map { shape.byLayer($0.sets) }
    }
}
