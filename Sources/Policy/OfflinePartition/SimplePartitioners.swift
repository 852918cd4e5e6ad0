import LinearPrograms
import Quantities
import SeededRandom

/// The most frequent neurons are hot, as many as GPU memory and hot share allow.
///
/// Whether the GPU thereby becomes the slower side is not asked.
package struct FrequencyPartitioner: OfflinePartitioner {
    /// How neurons get their homes.
    package enum Homes: Sendable {
        /// Neuron i on DIMM i mod J.
        case roundRobin
        /// So that the DIMMs' cold activity balances.
        case balanced
    }

    package let homes: Homes

    package init(homes: Homes) { self.homes = homes }

    package func partition(
        _ problem: PartitionProblem
    ) throws(PartitionError) -> PartitionOutcome {
        let curves = problem.steps.map { FrequencyCurve($0.activationCounts) }
        let isHot = hotRanks(problem, curves)
        switch homes {
        case .balanced:
            let solver = CBCSolver(nodeLimit: 10_000)
            switch try HomeBudget.plan(problem, solver: solver) {
            case .infeasible(let reason): return .infeasible(reason)
            case .fits(let budget):
                let partition = try problem.partition(
                    isHot: isHot, curves: curves, budget: budget)
                return .best(partition, gap: nil)
            }
        case .roundRobin:
            return try dealt(problem, curves, isHot)
        }
    }

    /// By count over all steps, ties by step and index; the same choice for either kind of homes.
    private func hotRanks(_ problem: PartitionProblem, _ curves: [FrequencyCurve]) -> [[Bool]] {
        var isHot = curves.map { Array(repeating: false, count: $0.neuronCount) }
        var keys: [UInt64] = []
        var places: [(step: Int, rank: Int)] = []
        for (step, curve) in curves.enumerated() {
            // Ranks are ordered by count, then index, so a running number keeps both.
            for rank in 0..<problem.hotLimit(ofStep: step) where curve.counts[rank] > 0 {
                keys.append(UInt64(~curve.counts[rank]) << 32 | UInt64(places.count))
                places.append((step, rank))
            }
        }
        keys.sort()
        var left = problem.gpuMemory.bytes
        for key in keys {
            let (step, rank) = places[Int(UInt32(truncatingIfNeeded: key))]
            let bytes = problem.steps[step].neuronByteCount.bytes
            guard bytes <= left else { continue }
            left -= bytes
            isHot[step][rank] = true
        }
        return isHot
    }

    private func dealt(
        _ problem: PartitionProblem, _ curves: [FrequencyCurve], _ isHot: [[Bool]]
    ) throws(PartitionError) -> PartitionOutcome {
        let dimmCount = problem.dimms.count
        var used = [UInt64](repeating: 0, count: dimmCount)
        var blocks: [Partition.Block] = []
        for (step, curve) in curves.enumerated() {
            let homes = (0..<curve.neuronCount).map { UInt16($0 % dimmCount) }
            for home in homes {
                used[Int(home)] += problem.steps[step].neuronByteCount.bytes
            }
            let hot = isHot[step].indices.filter { isHot[step][$0] }.map { curve.order[$0] }
            blocks.append(Partition.Block(hotNeurons: hot.sorted(), homes: homes))
        }
        if let dimm = used.indices.first(where: { used[$0] > problem.dimms[$0].memory.bytes }) {
            return .infeasible(.roundRobinOverfills(dimm: dimm))
        }
        return .best(
            try Partition(
                blocks: blocks, blocksPerLayer: problem.blocksPerLayer, dimmCount: dimmCount),
            gap: nil)
    }
}

/// Hot neurons and homes by lot, within memories and hot share: what any policy must beat.
package struct RandomPartitioner: OfflinePartitioner {
    package let seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    package func partition(
        _ problem: PartitionProblem
    ) throws(PartitionError) -> PartitionOutcome {
        let solver = CBCSolver(nodeLimit: 10_000)
        var budget: HomeBudget
        switch try HomeBudget.plan(problem, solver: solver) {
        case .infeasible(let reason): return .infeasible(reason)
        case .fits(let plan): budget = plan
        }
        var random = SplitMix64(seed: seed)
        let hotNeurons = drawHotNeurons(problem, &random)
        var blocks: [Partition.Block] = []
        for (step, hot) in hotNeurons.enumerated() {
            let quotas = budget.quotas(ofStep: step)
            // Places, not DIMMs, are drawn, so that roomier DIMMs are drawn more often.
            var places = quotas.enumerated().flatMap { dimm, quota in
                Array(repeating: UInt16(dimm), count: quota)
            }
            places.shuffle(using: &random)
            let homes = Array(places.prefix(problem.steps[step].neuronCount))
            budget.commit(homes, ofStep: step)
            blocks.append(Partition.Block(hotNeurons: hot.sorted(), homes: homes))
        }
        return .best(
            try Partition(
                blocks: blocks, blocksPerLayer: problem.blocksPerLayer,
                dimmCount: problem.dimms.count), gap: nil)
    }

    private func drawHotNeurons(
        _ problem: PartitionProblem, _ random: inout SplitMix64
    ) -> [[UInt32]] {
        var hotNeurons = problem.steps.map { _ in [UInt32]() }
        var candidates: [(step: Int, neuron: UInt32)] = []
        for (step, block) in problem.steps.enumerated() {
            var neurons = (0..<UInt32(block.neuronCount)).map { $0 }
            neurons.shuffle(using: &random)
            candidates += neurons.prefix(problem.hotLimit(ofStep: step)).map { (step, $0) }
        }
        candidates.shuffle(using: &random)
        var left = problem.gpuMemory.bytes
        for (step, neuron) in candidates {
            let bytes = problem.steps[step].neuronByteCount.bytes
            guard bytes <= left else { continue }
            left -= bytes
            hotNeurons[step].append(neuron)
        }
        return hotNeurons
    }
}
