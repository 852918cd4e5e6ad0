import ActivationPredictor
import ActivityTrace
import Foundation
import SystemPackage
import Transformer

/// Each neuron's parents: from the cache, recorded on the shipped text, or from a trace.
enum Correlations {
    /// - Parameters:
    ///   - rule: what makes a neuron active, `nil` for ReLU; `sparsity` is its share.
    ///   - trace: a trace to take them from instead.
    static func load(
        _ measure: ParentMeasure, for loaded: LoadedModel, rule: ActivityRule?, sparsity: Double?,
        trace: String?, threadCount: Int
    ) throws -> CorrelationTable {
        if let trace { return try read(measure, from: trace, for: loaded) }
        let path = try path(for: loaded, sparsity: sparsity)
        if let known = try? read(measure, from: path, for: loaded) { return known }
        Terminal.complain("hermes: recording the model's activity (once per model) ...")
        _ = try Recording.recordDensely(
            Recording.Request(
                rule: rule, sparsity: sparsity, text: Calibration.shippedText,
                textName: "shipped text"),
            model: loaded, threadCount: threadCount, to: path)
        return try read(measure, from: path, for: loaded)
    }

    /// Where the activity on the shipped text is kept: by model, text and sparsity.
    private static func path(for loaded: LoadedModel, sparsity: Double?) throws -> String {
        let model = try ModelHash.hexadecimal(of: loaded)
        let setting = sparsity.map { "wshift\($0)" } ?? "relu"
        let name = "\(model)-\(Calibration.shippedTextHash)-\(setting).trace"
        return Locations.cacheFolder() + "/activity/" + name
    }

    /// The parents in a trace; sampled from its tokens where it has no table of that measure.
    private static func read(
        _ measure: ParentMeasure, from path: String, for loaded: LoadedModel
    ) throws -> CorrelationTable {
        do {
            var reader = try ActivityTraceReader.open(FilePath(path))
            let expected = Recording.shape(of: loaded)
            let shape = reader.header.shape
            guard shape == expected else {
                throw Failure(
                    .badInput,
                    "trace '\(path)': \(shape.layerCount) layers of \(text(shape.blocks)), the "
                        + "model has \(expected.layerCount) of \(text(expected.blocks))")
            }
            let layout = shape.neuronLayout
            guard reader.parentTableNames.contains(measure.rawValue) else {
                return try sample(measure, &reader, layout, path)
            }
            let table = try reader.parents(named: measure.rawValue)
            return try CorrelationTable(table, shape: shape)
        } catch let error as ActivityTraceError {
            throw Failure(.badInput, error.description)
        } catch let error as PredictorError {
            throw Failure(.badInput, "trace '\(path)': \(error)")
        }
    }

    private static func sample(
        _ measure: ParentMeasure, _ reader: inout ActivityTraceReader, _ layout: NeuronLayout,
        _ path: String
    ) throws -> CorrelationTable {
        var sampler = ParentSampler(layout: layout)
        while let frame = try reader.next() {
            sampler.add(token: (0..<layout.layerCount).map { [frame[layer: $0, block: 0]] })
        }
        guard sampler.tokenCount > 0 else {
            throw Failure(.badInput, "trace '\(path)': no token to sample parents from")
        }
        return sampler.table(by: measure)
    }

    private static func text(_ blocks: [TraceBlock]) -> String {
        blocks.map { "\($0.neuronCount) '\($0.name)' neurons" }.joined(separator: " and ")
    }
}
