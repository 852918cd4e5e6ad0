import ActivationPredictor
import ActivityTrace
import PackedSets
import SystemPackage

/// Opens traces for the commands that read them; whatever is wrong with one ends with exit 65.
enum TraceFile {
    static func open(_ path: String) throws -> ActivityTraceReader {
        do {
            return try ActivityTraceReader.open(FilePath(path))
        } catch {
            throw failure(reading: error)
        }
    }

    /// The parents that were sampled for `trace` by one measure.
    ///
    /// - Parameter path: for messages.
    static func correlations(
        by measure: ParentMeasure, of trace: inout ActivityTraceReader, path: String
    ) throws -> CorrelationTable {
        let table: ParentTable
        do {
            table = try trace.parents(named: measure.rawValue)
        } catch {
            throw failure(reading: error)
        }
        do {
            return try CorrelationTable(table, shape: trace.header.shape)
        } catch {
            throw Failure(.badInput, "'\(path)': table '\(table.name)': \(error)")
        }
    }

    // MARK: Errors

    /// Does what reads a trace or an archive.
    static func reading<Value>(
        _ body: () throws(ActivityTraceError) -> Value
    ) throws -> Value {
        do { return try body() } catch { throw failure(reading: error) }
    }

    /// What is wrong with a file that is read is the input's.
    static func failure(reading error: ActivityTraceError) -> Failure {
        Failure(.badInput, error.description)
    }

    /// What the system refuses is the machine's; what the format refuses came with the input.
    static func failure(writing error: ActivityTraceError) -> Failure {
        switch error {
        case .system: Failure(.machineLacks, error.description)
        case .refused: Failure(.badInput, error.description)
        }
    }

    static func writing(
        _ body: () throws(ActivityTraceError) -> ActivityTraceWriter
    ) throws -> ActivityTraceWriter {
        do { return try body() } catch { throw failure(writing: error) }
    }
}

extension TraceShape {
    var neuronLayout: NeuronLayout {
        NeuronLayout(layerCount: layerCount, neuronCounts: blocks.map(\.neuronCount))
    }

    /// One token's sets, [layers × blocks], as [layers][blocks].
    func byLayer(_ sets: [PackedSet]) -> [[PackedSet]] {
        (0..<layerCount).map {
            Array(sets[$0 * blocks.count..<($0 + 1) * blocks.count])
        }
    }

    /// `30 layers x 576 qkv + 1536 mlp neurons`
    var summary: String {
        let counts = blocks.map { "\($0.neuronCount) \($0.name)" }.joined(separator: " + ")
        return "\(layerCount) layers x \(counts) neurons"
    }
}

extension TraceHeader {
    /// What results say of a trace.
    func json(tokenCount: Int) -> JSONValue {
        .object([
            "model": .object([
                "name": .string(modelName),
                "sha256": modelSHA256.isEmpty ? .null : .string(modelSHA256),
            ]),
            "source": .string(source), "layers": .integer(shape.layerCount),
            "blocks": .array(
                shape.blocks.map {
                    .object(["name": .string($0.name), "neurons": .integer($0.neuronCount)])
                }),
            "tokens": .integer(tokenCount), "prefill_tokens": .integer(prefillTokenCount),
        ])
    }
}

// MARK: - Parents, as files and as predictors have them

extension ParentTable {
    init(_ table: CorrelationTable, name: String) {
        let layout = table.layout
        var parents: [UInt32] = []
        parents.reserveCapacity(CorrelationTable.parentCount * layout.neuronCount)
        for layer in 0..<layout.layerCount {
            for block in 0..<layout.blockCount {
                let known = table.parents(layer: layer, block: block)
                parents += known.map(UInt32.init)
                let missing =
                    CorrelationTable.parentCount * layout.neuronCounts[block] - known.count
                parents += repeatElement(ParentTable.none, count: missing)
            }
        }
        self.init(name: name, parents: parents)
    }
}

extension CorrelationTable {
    /// - Throws: `Failure` where a neuron above layer 0 lacks a parent or a block is too large.
    init(_ table: ParentTable, shape: TraceShape) throws {
        for block in shape.blocks where block.neuronCount > Self.neuronLimit {
            throw Failure(
                .badInput,
                "block '\(block.name)' has \(block.neuronCount) neurons, at most "
                    + "\(Self.neuronLimit) can be predicted")
        }
        var parents: [[[UInt16]]] = []
        for layer in 0..<shape.layerCount {
            var lists: [[UInt16]] = []
            for (block, facts) in shape.blocks.enumerated() {
                let range = shape.range(layer: layer, block: block)
                let stored = table.parents[2 * range.lowerBound..<2 * range.upperBound]
                guard layer == 0 || !stored.contains(ParentTable.none) else {
                    throw Failure(
                        .badInput,
                        "a neuron of layer \(layer), block '\(facts.name)', lacks a parent")
                }
                lists.append(layer == 0 ? [] : stored.map { UInt16($0) })
            }
            parents.append(lists)
        }
        try self.init(layout: shape.neuronLayout, parents: parents)
    }
}
