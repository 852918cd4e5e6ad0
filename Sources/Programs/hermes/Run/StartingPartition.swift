import Coordinator
import ModelFile
import NeuronPlacement
import NeuronShards
import OfflinePartition
import Quantities
import Topology
import Transformer

/// The partition that a run starts with, as results show it.
struct StartingPartition {
    let choice: PartitionChoice
    /// `nil` where neurons are dealt out in turn and the prompt chooses the hot ones.
    let placement: StartingPlacement?
    /// Where the activity behind it is from; `nil` where it rests on none.
    let source: String?
    /// What is proven: no partition is better by more, as a share. `nil` where nothing is.
    var gap: Double?
    /// Wall time of solving.
    var seconds: Double?

    static let roundRobin = StartingPartition(
        choice: .roundRobin, placement: nil, source: "the prompt")

    var json: JSONValue {
        [
            "name": .string(choice.name),
            "source": source.map { .string($0) } ?? .null,
            "gap": gap.map { JSONValue($0) } ?? .null,
            "host": ["seconds": seconds.map { JSONValue($0) } ?? .null],
        ]
    }

    /// `nil` where neurons are dealt out in turn, as most runs do.
    var summaryLine: String? {
        guard placement != nil else { return nil }
        var line = "neurons placed by \(choice.name)"
        if let source { line += " from \(source)" }
        if let gap { line += ", at most \(Text.fixed(100 * gap, 3)) % above the best" }
        if let seconds { line += ", in \(Text.fixed(seconds, 2)) s" }
        return line
    }
}

/// Finds out where neurons are when a run starts.
struct PartitionResolver {
    let loaded: LoadedModel
    let topology: Topology
    let plan: ResourcePlan
    /// Of a random partition.
    let seed: UInt64

    /// What needs no prompt.
    func beforePrompt(_ choice: PartitionChoice) throws -> StartingPartition {
        switch choice {
        case .file(let path):
            return StartingPartition(
                choice: choice, placement: try read(path), source: path)
        case .random:
            // Lots are drawn by counts of neurons alone.
            let shape = loaded.model.shape
            let ones = [UInt32](repeating: 1, count: shape.feedForwardSize)
            return try solved(
                choice, source: nil, counts: Array(repeating: ones, count: shape.layerCount),
                tokenCount: 1)
        case .roundRobin, .frequency, .ilp:
            return .roundRobin
        }
    }

    /// Solved with the prompt's own activity.
    func afterPrompt(
        _ choice: PartitionChoice, prefill: borrowing ReferenceTransformer
    ) throws -> StartingPartition {
        try solved(
            choice, source: "the prompt", counts: prefill.activityCounts,
            tokenCount: prefill.tokenCount)
    }

    // MARK: Solving

    /// - Parameter counts: of feed-forward neurons, [layers][neurons].
    private func solved(
        _ choice: PartitionChoice, source: String?, counts: [[UInt32]], tokenCount: Int
    ) throws -> StartingPartition {
        let clock = ContinuousClock()
        let start = clock.now
        var allowance = plan.hotMemoryByteCount
        while true {
            let workload = try PartitionWorkload(
                model: loaded, plan: plan, topology: topology, source: source ?? "",
                sampleCount: UInt32(tokenCount), gpuMemoryByteCount: allowance,
                feedForwardCounts: counts)
            let outcome = try outcome(of: choice, workload.problem(topology: topology))
            guard let partition = outcome.partition else {
                guard case .infeasible(let reason) = outcome else { continue }
                throw Failure(.badInput, "no placement exists: \(reason)")
            }
            let placement = StartingPlacement(partition)
            // Copies take padding and whole tables of scales, too, which depend on who is hot.
            let byteCount = plan.hotByteCount(of: placement.hot)
            if byteCount <= plan.hotMemoryByteCount {
                return StartingPartition(
                    choice: choice, placement: placement, source: source, gap: outcome.gap,
                    seconds: start.duration(to: clock.now).seconds)
            }
            let planned = workload.hotByteCount(of: placement.hot)
            allowance = max(0, planned - max(byteCount - plan.hotMemoryByteCount, 1))
        }
    }

    private func outcome(
        of choice: PartitionChoice, _ problem: PartitionProblem
    ) throws -> PartitionOutcome {
        let partitioner: any OfflinePartitioner =
            switch choice {
            case .random: RandomPartitioner(seed: seed)
            case .frequency: FrequencyPartitioner(homes: .balanced)
            // The exact program takes too long for the start of a run.
            default: ILPPartitioner(exactColumnLimit: 0)
            }
        do {
            return try partitioner.partition(problem)
        } catch {
            throw Failure(.internalFault, "\(error)")
        }
    }

    // MARK: Reading

    private func read(_ path: String) throws -> StartingPlacement {
        let bytes = try WholeFile.read(path, what: "partition file")
        let partition: Partition
        do {
            partition = try Partition(decoding: bytes)
        } catch {
            throw Failure(.badInput, "'\(path)': \(error)")
        }
        if let misfit = try misfit(of: partition) {
            throw Failure(.badInput, "partition file '\(path)': \(misfit)")
        }
        let placement = StartingPlacement(partition)
        let byteCount = plan.hotByteCount(of: placement.hot)
        guard byteCount <= plan.hotMemoryByteCount else {
            throw Failure(
                .badInput,
                "partition file '\(path)': its hot neurons take \(byteCount) bytes, topology "
                    + "'\(topology.name)' leaves \(plan.hotMemoryByteCount) of the GPU's memory")
        }
        return placement
    }

    /// The first rule that a partition breaks; `nil` where it fits model and topology.
    private func misfit(of partition: Partition) throws -> String? {
        let shape = loaded.model.shape
        let sizes = [("QKV", shape.hiddenSize), ("MLP", shape.feedForwardSize)]
        if partition.blocksPerLayer != sizes.count {
            return "\(partition.blocksPerLayer) blocks a layer, the model has QKV and MLP"
        }
        if partition.layerCount != shape.layerCount {
            return "made for \(partition.layerCount) layers, the model has \(shape.layerCount)"
        }
        if partition.dimmCount != topology.dimms.count {
            return "made for \(partition.dimmCount) DIMMs, topology '\(topology.name)' has "
                + "\(topology.dimms.count)"
        }
        for layer in 0..<shape.layerCount {
            for (index, (name, neuronCount)) in sizes.enumerated() {
                let block = partition[layer: layer, block: index]
                if block.neuronCount != neuronCount {
                    return "made for \(block.neuronCount) \(name) neurons in layer \(layer), the "
                        + "model has \(neuronCount)"
                }
                let limit = Int(topology.policy.hotShare.roundingDown(UInt64(neuronCount)))
                if block.hotNeurons.count > limit {
                    return "\(block.hotNeurons.count) hot \(name) neurons in layer \(layer), "
                        + "policy.hot_share allows \(limit)"
                }
            }
        }
        if !partition.modelHash.isEmpty,
            partition.modelHash != (try ModelHash.bytes(of: loaded))
        {
            return "made for a model of another SHA-256 than '\(loaded.path)'"
        }
        return nil
    }
}

extension StartingPlacement {
    /// - Parameter partition: of two blocks a layer, QKV and MLP.
    init(_ partition: Partition) {
        let layers = 0..<partition.layerCount
        func homes(_ block: Int) -> [HomeMap] {
            layers.map {
                HomeMap(
                    dimms: partition[layer: $0, block: block].homes,
                    dimmCount: partition.dimmCount)
            }
        }
        self.init(
            homes: HomePlan(qkv: homes(0), feedForward: homes(1)),
            hot: NeuronAssignment(
                qkv: layers.map { partition[layer: $0, block: 0].hotNeurons },
                feedForward: layers.map { partition[layer: $0, block: 1].hotNeurons }))
    }
}

extension ResourcePlan {
    /// The same run with what is known of the homes.
    func with(_ partition: StartingPartition, of choice: PartitionChoice) -> ResourcePlan {
        guard let placement = partition.placement else { return self }
        var source = choice.name
        if case .file(let path) = choice { source = path }
        return with(homes: .planned(placement.homes, source: source))
    }
}
