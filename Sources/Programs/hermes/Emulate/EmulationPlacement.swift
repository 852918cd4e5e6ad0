import ActivationPredictor
import BaselineTiming
import Coordinator
import ModelCatalogue
import OfflinePartition
import PackedSets
import Quantities
import Scheduling
import Topology

/// What a system of the Hermes family does of its own; `nil` for the others.
struct FamilyTraits {
    var partition = PartitionCommand.Method.ilp
    var hotCriterion = HotCriterion.both
    var rebalancing = RebalanceChoice.none
    /// Every neuron is computed, and a layer's QKV and MLP are hot or cold as a whole.
    var isDense = false
    /// The host CPU in place of the DIMMs.
    var usesHost = false

    init?(_ system: EmulatedSystem) {
        switch system {
        case .hermes: rebalancing = .window
        case .hermesHost:
            // All but the unit that computes cold neurons is Hermes: while the GPU computes the
            // projection a host is as idle as DIMMs are, so copies move.
            usesHost = true
            partition = .frequency
        case .hermesBase:
            isDense = true
            hotCriterion = .none
        case .hermesRandom:
            partition = .random
            hotCriterion = .none
        case .hermesPartition: hotCriterion = .none
        case .hermesTokenAdjustment: hotCriterion = .token
        case .hermesLayerAdjustment: hotCriterion = .layer
        case .hermesAdjustment: break
        case .accelerate, .flexgen, .dejavu, .tensorRTLLM: return nil
        }
    }

    /// With what was asked for in its place.
    init?(_ request: EmulationRequest) {
        guard var traits = FamilyTraits(request.system) else { return nil }
        if let partition = request.policy.partition { traits.partition = partition }
        if let criterion = request.policy.hotCriterion { traits.hotCriterion = criterion }
        if let rebalancing = request.policy.rebalancing { traits.rebalancing = rebalancing }
        if traits.usesHost {
            // It is one unit, with none to exchange with; only the hot set is to be chosen.
            traits.partition = .frequency
            traits.rebalancing = .none
        }
        self = traits
    }
}

/// Where the neurons of a shape start, decided before the run.
struct EmulationPlacement {
    let request: EmulationRequest
    let traits: FamilyTraits

    private var model: ModelSpecification { request.model }
    private var topology: Topology { request.topology }

    /// What the machine is too small for; `nil` when all fits.
    ///
    /// The DIMMs, or the host in their place, hold every weight, also those that the GPU has copies
    /// of, and keys and values.
    ///
    /// - Parameter hostMemory: of a host that computes in place of the DIMMs.
    func shortage(hostMemory: ByteCount?) -> String? {
        let usable = Int(clamping: topology.gpu.usableMemory.bytes)
        guard model.denseByteCount <= usable else {
            return "the GPU's \(topology.gpu.usableMemory) of usable memory are less than the "
                + "\(ByteCount(UInt64(model.denseByteCount))) of projections, embeddings and head"
        }
        let needed = ModelResidence.neededByteCount(model: model, workload: generated)
        let available =
            hostMemory
            ?? topology.dimms.reduce(ByteCount(0)) { $0 + $1.memoryCapacity }
        guard needed <= available else {
            return "the \(hostMemory == nil ? "DIMMs'" : "host's") \(available) are less than the "
                + "\(needed) of weights, keys and values"
        }
        return nil
    }

    private var generated: BaselineTiming.Workload {
        BaselineTiming.Workload(
            batchSize: request.batchSize, promptTokenCount: request.promptTokenCount,
            tokenCount: request.tokenCount)
    }

    /// GPU memory that is left for neurons.
    var neuronMemoryByteCount: Int {
        Int(clamping: topology.gpu.usableMemory.bytes) - model.denseByteCount
    }

    func solve(_ activity: EmulationActivity) throws -> ShapePlacement {
        if traits.isDense { return wholeBlocks }
        let problem = try workload(activity).problem(topology: topology)
        let partition = try PartitionSolving(
            problem: problem, method: traits.partition, seed: request.seed
        ).place()
        let counts = [model.hiddenSize, model.feedForwardSize]
        let given = startingHomes
        return ShapePlacement(
            homes: (0..<model.layerCount).map { layer in
                counts.indices.map { block in
                    traits.usesHost
                        ? Array(repeating: 0, count: counts[block])
                        : given?[layer][block] ?? partition[layer: layer, block: block].homes
                }
            },
            hot: (0..<model.layerCount).map { layer in
                counts.indices.map { block in
                    PackedSet(
                        elementCount: counts[block],
                        members: partition[layer: layer, block: block].hotNeurons
                            .map { Int($0) })
                }
            })
    }

    /// Homes that only indices decide, where such are asked for.
    private var startingHomes: [[[UInt16]]]? {
        let layout = NeuronLayout(
            layerCount: model.layerCount, neuronCounts: [model.hiddenSize, model.feedForwardSize])
        return request.startingHomes?.homes(
            layout: layout, dimmCount: topology.dimms.count,
            frequencies: PrefillActivity(layout: layout),
            hot: layout.map { _, block in PackedSet(elementCount: layout.neuronCounts[block]) })
    }

    private func workload(_ activity: EmulationActivity) -> PartitionWorkload {
        let dimms = topology.dimms
        // DIMMs also hold what the GPU has copies of, and keys and values, in equal parts.
        let cached = ModelResidence.keyValueByteCount(model: model, workload: generated)
        let other = UInt64((model.denseByteCount + cached) / dimms.count)
        return PartitionWorkload(
            title: model.name, identity: .string(model.name), source: activity.description,
            blocks: [
                PartitionWorkload.Block(
                    name: "qkv", neuronByteCount: model.qkvNeuronByteCount,
                    weightsPerNeuron: model.qkvWidth, activationCounts: activity.counts[0]),
                PartitionWorkload.Block(
                    name: "mlp", neuronByteCount: model.feedForwardNeuronByteCount,
                    weightsPerNeuron: model.feedForwardNeuronWeightCount,
                    activationCounts: activity.counts[1]),
            ],
            sampleCount: activity.sampleCount,
            vectorByteCount: model.bytesPerActivation
                * (model.hiddenSize + max(model.qkvWidth, model.hiddenSize)),
            gpuMemory: ByteCount(UInt64(neuronMemoryByteCount)),
            dimmMemory: dimms.map {
                ByteCount($0.memoryCapacity.bytes - min(other, $0.memoryCapacity.bytes))
            })
    }

    /// Layer by layer, QKV and MLP on the GPU if they fit there, the others dealt to the DIMMs in
    /// turn.
    private var wholeBlocks: ShapePlacement {
        let dimmCount = topology.dimms.count
        let counts = [model.hiddenSize, model.feedForwardSize]
        let sizes = [
            model.hiddenSize * model.qkvNeuronByteCount,
            model.feedForwardSize * model.feedForwardNeuronByteCount,
        ]
        var room = neuronMemoryByteCount
        return ShapePlacement(
            homes: Array(
                repeating: counts.map { count in
                    (0..<count).map { UInt16($0 % dimmCount) }
                }, count: model.layerCount),
            hot: (0..<model.layerCount).map { _ in
                zip(counts, sizes).map { count, size in
                    guard size <= room else { return PackedSet(elementCount: count) }
                    room -= size
                    return .full(elementCount: count)
                }
            })
    }
}
