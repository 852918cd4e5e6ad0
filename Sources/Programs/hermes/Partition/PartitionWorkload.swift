import ActivityTrace
import HardwareModel
import ModelFile
import NeuronShards
import OfflinePartition
import Quantities
import Topology
import Transformer

/// What is to be placed: blocks of neurons with their sizes and activity, and the memory that is
/// left for them.
struct PartitionWorkload {
    struct Block {
        let name: String
        /// Memory of one neuron's weights.
        let neuronByteCount: Int
        let weightsPerNeuron: Int
        /// In how many samples each neuron was active, [layers][neurons].
        let activationCounts: [[UInt32]]
    }

    /// What the model is called.
    let title: String
    /// What identifies it, for results.
    let identity: JSONValue
    /// SHA-256 of the model file, 32 bytes; empty where there is none.
    var modelHash: [UInt8] = []
    /// Where the activity is from.
    let source: String
    let blocks: [Block]
    let sampleCount: UInt32
    /// Input vector and sums of one sequence, which an NDP core's buffer holds.
    let vectorByteCount: Int
    let gpuMemory: ByteCount
    /// For neurons, [DIMMs].
    let dimmMemory: [ByteCount]

    var layerCount: Int { blocks.first?.activationCounts.count ?? 0 }

    /// The problem with the topology's times.
    func problem(topology: Topology) throws -> PartitionProblem {
        let times = try NeuronTimes(workload: self, topology: topology)
        var steps: [PartitionProblem.Step] = []
        for layer in 0..<layerCount {
            for (index, block) in blocks.enumerated() {
                steps.append(
                    PartitionProblem.Step(
                        activationCounts: block.activationCounts[layer],
                        neuronByteCount: ByteCount(UInt64(block.neuronByteCount)),
                        gpuTime: times.gpu[index], dimmTime: times.dimm[index]))
            }
        }
        do {
            return try PartitionProblem(
                steps: steps, blocksPerLayer: blocks.count, sampleCount: sampleCount,
                gpuMemory: gpuMemory,
                dimms: zip(dimmMemory, times.speeds).map {
                    PartitionProblem.DIMM(memory: $0, speed: $1)
                },
                synchronisationCost: topology.gpu.synchronisationCost,
                hotShare: topology.policy.hotShare)
        } catch {
            throw Failure(.badInput, "\(error)")
        }
    }
}

extension PartitionWorkload {
    /// A real model with the activity of a trace, which must be of that model.
    ///
    /// Counts are those of all tokens, prompt included: more samples, and a prompt's activity is
    /// what the setting would have called active.
    init(model loaded: LoadedModel, trace path: String, topology: Topology) throws {
        let model = loaded.model
        var reader = try TraceFile.open(path)
        try Self.checkTrace(reader.header, tokenCount: reader.tokenCount, path, loaded)
        let counts: [UInt32]
        do {
            counts = try reader.activationCounts(of: .whole)
        } catch {
            throw TraceFile.failure(reading: error)
        }
        let traced = reader.header.shape
        let samples = UInt32(reader.tokenCount)
        func activity(_ name: String, neuronCount: Int) -> [[UInt32]] {
            (0..<model.shape.layerCount).map { layer in
                guard let block = traced.blockIndex(named: name) else {
                    return Array(repeating: samples, count: neuronCount)
                }
                return Array(counts[traced.range(layer: layer, block: block)])
            }
        }
        let plan = ResourcePlan(
            model: model, topology: topology, contextCapacity: model.shape.contextLength,
            isSparse: model.shape.architecture.isGated, isReference: false)
        try plan.checkGPUMemory()
        try self.init(
            model: loaded, plan: plan, topology: topology, source: reader.header.source,
            sampleCount: samples, gpuMemoryByteCount: plan.hotMemoryByteCount,
            feedForwardCounts: activity("mlp", neuronCount: model.shape.feedForwardSize),
            qkvCounts: activity("qkv", neuronCount: model.shape.hiddenSize))
    }

    /// A real model with counts of its activity.
    ///
    /// - Parameters:
    ///   - plan: what memory the run leaves for neurons.
    ///   - gpuMemoryByteCount: for copies of hot neurons.
    ///   - feedForwardCounts: in how many samples each neuron was active, [layers][neurons].
    ///   - qkvCounts: likewise; `nil` for always.
    init(
        model loaded: LoadedModel, plan: ResourcePlan, topology: Topology, source: String,
        sampleCount: UInt32, gpuMemoryByteCount: Int, feedForwardCounts: [[UInt32]],
        qkvCounts: [[UInt32]]? = nil
    ) throws {
        let model = loaded.model
        let hidden = model.shape.hiddenSize
        let always = [UInt32](repeating: sampleCount, count: hidden)
        self.init(
            title: loaded.path,
            identity: ["sha256": .string(try ModelHash.hexadecimal(of: loaded))],
            source: source,
            blocks: [
                Block(
                    name: "qkv", neuronByteCount: model.qkvNeuronByteCount,
                    weightsPerNeuron: model.shape.qkvWidth,
                    activationCounts: qkvCounts
                        ?? Array(repeating: always, count: model.shape.layerCount)),
                Block(
                    name: "mlp", neuronByteCount: model.feedForwardNeuronByteCount,
                    weightsPerNeuron: model.feedForwardNeuronWeightCount,
                    activationCounts: feedForwardCounts),
            ],
            sampleCount: sampleCount,
            vectorByteCount: 4 * (hidden + max(model.shape.qkvWidth, hidden)),
            gpuMemory: ByteCount(UInt64(gpuMemoryByteCount)),
            dimmMemory: topology.dimms.indices.map {
                ByteCount(UInt64(plan.neuronMemoryByteCount(dimm: $0)))
            })
        modelHash = try ModelHash.bytes(of: loaded)
    }

    /// Memory that hot copies take by the bytes of single neurons, without padding.
    func hotByteCount(of hot: NeuronAssignment) -> Int {
        zip(blocks, [hot.qkv, hot.feedForward]).reduce(0) { sum, pair in
            sum + pair.0.neuronByteCount * pair.1.reduce(0) { $0 + $1.count }
        }
    }

    /// Refuses a trace of another model, or without tokens.
    private static func checkTrace(
        _ header: TraceHeader, tokenCount: Int, _ path: String, _ loaded: LoadedModel
    ) throws {
        let shape = loaded.model.shape
        let misfit = "'\(path)' does not fit model file '\(loaded.path)': the header"
        guard tokenCount > 0 else { throw Failure(.badInput, "'\(path)': it has no tokens") }
        guard header.shape.layerCount == shape.layerCount else {
            throw Failure(
                .badInput,
                "\(misfit) has \(header.shape.layerCount) layers, the model \(shape.layerCount)")
        }
        let sizes = ["qkv": shape.hiddenSize, "mlp": shape.feedForwardSize]
        guard header.shape.blockIndex(named: "mlp") != nil else {
            throw Failure(.badInput, "\(misfit) has no block 'mlp'")
        }
        for block in header.shape.blocks {
            guard let size = sizes[block.name] else {
                throw Failure(.badInput, "\(misfit) has a block '\(block.name)', the model none")
            }
            guard block.neuronCount == size else {
                throw Failure(
                    .badInput,
                    "\(misfit) has \(block.neuronCount) neurons in block '\(block.name)', "
                        + "the model \(size)")
            }
        }
        guard !header.modelSHA256.isEmpty else { return }
        let hash = try ModelHash.hexadecimal(of: loaded)
        guard header.modelSHA256 == hash else {
            throw Failure(
                .badInput,
                "\(misfit) names SHA-256 \(header.modelSHA256.prefix(12))..., the model's is "
                    + "\(hash.prefix(12))...")
        }
    }
}

/// Time of one active neuron on each unit, from the hardware model.
private struct NeuronTimes {
    /// [blocks]
    let gpu: [EmulatedDuration]
    /// On the fastest DIMM, [blocks].
    let dimm: [EmulatedDuration]
    /// Against the fastest, over a layer's neurons, [DIMMs].
    let speeds: [Proportion]

    /// A rank has to have work for its time to count as shared with the others; so many neurons
    /// that rounding no longer shows.
    private static let neuronsPerRank = 64

    init(workload: PartitionWorkload, topology: Topology) throws {
        let model = GPUModel(topology.gpu)
        gpu = workload.blocks.map { block in
            // A launch is paid once a block, not once a neuron: T_sync stands for it.
            let kernel = model.kernel(
                byteCount: ByteCount(UInt64(block.neuronByteCount)),
                operationCount: 2 * UInt64(block.weightsPerNeuron))
            return max(kernel.memory, kernel.compute)
        }
        var table = DRAMEfficiencyTable()
        var times: [[UInt64]] = []  // ps, [DIMMs][blocks]
        for dimm in topology.dimms {
            do {
                times.append(
                    try Self.picoseconds(workload, model: DIMMModel(dimm), dimm, &table))
            } catch {
                throw Failure(.badInput, "topology: dimms[\(dimm.index)]: \(error)")
            }
        }
        let perLayer = times.map { times in
            zip(times, workload.blocks).reduce(UInt128(0)) { sum, pair in
                sum + UInt128(pair.0) * UInt128(pair.1.activationCounts.first?.count ?? 0)
            }
        }
        let least = perLayer.min() ?? 0
        let fastest = perLayer.firstIndex(of: least) ?? 0
        dimm = times[fastest].map { EmulatedDuration(picoseconds: $0) }
        speeds = perLayer.map {
            let share = $0 == 0 ? UInt128(Proportion.scale) : least * UInt128(Proportion.scale) / $0
            return Proportion(millionths: max(1, UInt64(share)))
        }
    }

    private static func picoseconds(
        _ workload: PartitionWorkload, model: DIMMModel, _ dimm: Topology.DIMM,
        _ table: inout DRAMEfficiencyTable
    ) throws(HardwareModelError) -> [UInt64] {
        var times: [UInt64] = []
        for block in workload.blocks {
            let work = NeuronWork(
                neuronCountPerRank: Array(repeating: neuronsPerRank, count: dimm.rankCount),
                neuronByteCount: block.neuronByteCount, weightsPerNeuron: block.weightsPerNeuron,
                batchSize: 1,
                vectorByteCountPerSequence: ByteCount(UInt64(workload.vectorByteCount)))
            let total = try model.timing(of: work, using: &table).total.picoseconds
            let count = UInt64(work.neuronCount)
            times.append((total + count - 1) / count)
        }
        return times
    }
}
