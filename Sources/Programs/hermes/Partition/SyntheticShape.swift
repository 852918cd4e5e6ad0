import ArgumentParser
import ModelCatalogue
import Quantities
import SyntheticActivity
import Topology

/// The shape of a model of which there are no weights, FP16 as in the paper.
struct SyntheticShape: ParsableArguments {
    @Option(help: "Layers.")
    var layers: Int?

    @Option(help: "Size of the hidden state: QKV neurons of a layer.")
    var hidden: Int?

    @Option(help: "MLP neurons of a layer.")
    var mlp: Int?

    @Option(help: "Query, key and value elements together (default: 3 x hidden).")
    var qkvWidth: Int?

    @Option(help: "Tokens of the vocabulary (default: the family's).")
    var vocabulary: Int?

    @Option(help: "Positions that the KV caches hold (default: 256).")
    var context: Int?

    var isEmpty: Bool {
        [layers, hidden, mlp, qkvWidth, vocabulary, context].allSatisfy { $0 == nil }
    }

    func check(family: ModelFamily) throws {
        let sizes = [
            ("--layers", layers, 1...1024), ("--hidden", hidden, 16...65536),
            ("--mlp", mlp, 16...262_144),
        ]
        for (name, value, allowed) in sizes where !allowed.contains(value ?? 0) {
            throw ValidationError(
                "--synthetic needs \(name), \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        let width = (hidden ?? 0)...3 * (hidden ?? 0)
        guard width.contains(qkvWidth ?? width.upperBound) else {
            throw ValidationError(
                "--qkv-width must be \(width.lowerBound) to \(width.upperBound): queries as wide "
                    + "as the state, keys and values at most so")
        }
        for (name, value) in [("--vocabulary", vocabulary), ("--context", context)]
        where !(1...1_000_000).contains(value ?? 1) {
            throw ValidationError("\(name) must be 1 to 1000000")
        }
    }

    /// Samples that stand behind the counts: they resolve frequencies to 6 in 100 000.
    private static let sampleCount: UInt32 = 1 << 14

    /// The shape's neurons with the family's long-run frequencies.
    ///
    /// - Precondition: ``check(family:)`` passed.
    func workload(
        family: ModelFamily, topology: Topology, seed: UInt64
    ) throws -> PartitionWorkload {
        let (layers, hidden, mlp) = (layers ?? 1, hidden ?? 1, mlp ?? 1)
        let width = qkvWidth ?? 3 * hidden
        let process = try process(family, layers: layers, neuronCounts: [hidden, mlp], seed: seed)
        let matrices = family == .llama2 ? 3 : 2  // gate, up and down; others have no gate
        let memory = try memory(family, layers, hidden, keyValueWidth: width - hidden, topology)
        let counts = (0..<2).map { block in
            (0..<layers).map { layer in
                process.expectedFrequencies(layer: layer, block: block).map {
                    UInt32(($0 * Double(Self.sampleCount)).rounded())
                }
            }
        }
        return PartitionWorkload(
            title: "\(layers) layers, hidden \(hidden), MLP \(mlp), FP16",
            identity: [
                "layers": .integer(layers), "hidden": .integer(hidden), "mlp": .integer(mlp),
                "qkv_width": .integer(width),
            ],
            source: "synthetic \(family.rawValue), seed \(seed)",
            blocks: [
                PartitionWorkload.Block(
                    name: "qkv", neuronByteCount: 2 * width, weightsPerNeuron: width,
                    activationCounts: counts[0]),
                PartitionWorkload.Block(
                    name: "mlp", neuronByteCount: 2 * matrices * hidden,
                    weightsPerNeuron: matrices * hidden, activationCounts: counts[1]),
            ],
            sampleCount: Self.sampleCount, vectorByteCount: 2 * (hidden + max(width, hidden)),
            gpuMemory: memory.gpu, dimmMemory: memory.dimms)
    }

    private func process(
        _ family: ModelFamily, layers: Int, neuronCounts: [Int], seed: UInt64
    ) throws -> ActivityProcess {
        let statistics = try FamilyFile.load(family)
        do {
            return try ActivityProcess(
                shape: ActivityShape(layerCount: layers, neuronCounts: neuronCounts),
                statistics: statistics, seed: seed)
        } catch {
            throw Failure(.badInput, "family \(family.rawValue): \(error)")
        }
    }

    /// What output projections, embedding and head leave on the GPU, and KV caches on the DIMMs.
    private func memory(
        _ family: ModelFamily, _ layers: Int, _ hidden: Int, keyValueWidth: Int,
        _ topology: Topology
    ) throws -> (gpu: ByteCount, dimms: [ByteCount]) {
        // LLaMA's head is a matrix of its own; the others use the embedding again.
        let (vocabulary, copies) =
            switch family {
            case .opt: (self.vocabulary ?? 50_272, 1)
            case .llama2: (self.vocabulary ?? 32_000, 2)
            case .falcon: (self.vocabulary ?? 65_024, 1)
            }
        let dense = UInt64(2 * hidden * (layers * hidden + copies * vocabulary))
        let usable = topology.gpu.usableMemory
        guard dense <= usable.bytes else {
            throw Failure(
                .badInput,
                "topology '\(topology.name)': gpu usable memory \(usable) is less than the "
                    + "\(dense) bytes of the model's dense part")
        }
        let keyValues = 2 * layers * keyValueWidth * (context ?? 256)
        let share = UInt64((keyValues + topology.dimms.count - 1) / topology.dimms.count)
        return (
            ByteCount(usable.bytes - dense),
            topology.dimms.map {
                ByteCount($0.memoryCapacity.bytes - min(share, $0.memoryCapacity.bytes))
            }
        )
    }
}
