import LinearPrograms
import Quantities

/// The paper's offline partition: minimises Σ max(GPU, slowest DIMM) and proves how good it is.
///
/// <doc:OfflinePartition> says how the bound holds for the problem of single neurons.
///
/// - Source: arXiv 2502.16963, offline partition.
package struct ILPPartitioner: OfflinePartitioner {
    /// Above this gap the exact program is tried too, where it is small enough.
    package let targetGap: Double
    /// Limit of the exact program's search tree.
    package let nodeLimit: Int
    /// Wall time of one solver call; nil keeps the outcome independent of the machine.
    package let secondLimit: Double?
    /// Integer columns up to which the exact program is tried.
    package let exactColumnLimit: Int

    package init(
        targetGap: Double = 0.001, nodeLimit: Int = 10_000, secondLimit: Double? = nil,
        exactColumnLimit: Int = 2_000
    ) {
        precondition(targetGap >= 0)
        precondition(nodeLimit >= 0)
        precondition(secondLimit.map { $0 > 0 } ?? true)
        precondition(exactColumnLimit >= 0)
        self.targetGap = targetGap
        self.nodeLimit = nodeLimit
        self.secondLimit = secondLimit
        self.exactColumnLimit = exactColumnLimit
    }

    package func partition(
        _ problem: PartitionProblem
    ) throws(PartitionError) -> PartitionOutcome {
        try solve(problem).outcome
    }

    /// Solves, and says how.
    package func solve(_ problem: PartitionProblem) throws(PartitionError) -> ILPSolution {
        let solver = CBCSolver(nodeLimit: nodeLimit, secondLimit: secondLimit)
        let budget: HomeBudget
        switch try HomeBudget.plan(problem, solver: solver) {
        case .fits(let plan): budget = plan
        case .infeasible(let reason): return ILPSolution(outcome: .infeasible(reason))
        }
        let curves = problem.steps.map { FrequencyCurve($0.activationCounts) }
        let timings = curves.indices.map {
            StepTiming(problem: problem, step: $0, curve: curves[$0])
        }
        var model = RelaxedModel(problem: problem, curves: curves, timings: timings)
        let relaxed = try model.solve(solver)
        var choice = HotChoice(problem: problem, curves: curves, timings: timings)
        let isHot = choice.choose(target: relaxed.hotActivity)
        let partition = try problem.partition(isHot: isHot, curves: curves, budget: budget)
        var best = Candidate(partition: partition, cost: try problem.cost(of: partition))
        var lowerBound = relaxed.lowerBound
        var nodeCount = 0
        let size = ExactModel.columnCount(problem: problem, curves: curves)
        if best.gap(above: lowerBound) > targetGap, size <= exactColumnLimit,
            let result = ExactModel(problem: problem, curves: curves, timings: timings)
                .solve(solver)
        {
            nodeCount = result.nodeCount
            let holdsLimits = result.partition.map { best.improve($0, problem) } ?? false
            let isProven = result.isOptimal && holdsLimits
            let proven = isProven ? Double(best.cost.total) : result.lowerBound
            lowerBound = max(lowerBound, proven * (1 - Self.tolerance / 2))
        }
        return ILPSolution(
            best, lowerBound: lowerBound, tolerance: Self.tolerance, relaxed: relaxed,
            nodeCount: nodeCount)
    }

    /// The solver's, as a share of the cost.
    private static let tolerance = 1e-6
}

/// A partition with its cost.
struct Candidate {
    private(set) var partition: Partition
    private(set) var cost: PartitionCost

    /// (cost - bound) / bound; an unbounded share when the bound is zero and the cost is not.
    func gap(above bound: Double) -> Double {
        let excess = Double(cost.total) - bound
        return excess <= 0 ? 0 : excess / max(bound, 0)
    }

    /// Takes over `other` if it is cheaper.
    ///
    /// - Returns: whether `other` holds all limits, which the solver's tolerances do not warrant.
    mutating func improve(_ other: Partition, _ problem: PartitionProblem) -> Bool {
        guard let otherCost = try? problem.cost(of: other) else { return false }
        if otherCost.total < cost.total { (partition, cost) = (other, otherCost) }
        return true
    }
}

/// An outcome with its proof.
package struct ILPSolution: Equatable, Sendable {
    package let outcome: PartitionOutcome
    /// Cost of the outcome's partition.
    package let cost: PartitionCost?
    /// What no partition undercuts, ps × samples; zero when infeasible.
    package let lowerBound: UInt64
    /// How often the linear program was refined and solved.
    package let roundCount: Int
    /// Size of the last linear program.
    package let columnCount: Int
    package let rowCount: Int
    /// Nodes of the exact program's search tree; zero when it was not needed.
    package let nodeCount: Int

    init(outcome: PartitionOutcome) {
        self.outcome = outcome
        cost = nil
        lowerBound = 0
        roundCount = 0
        columnCount = 0
        rowCount = 0
        nodeCount = 0
    }

    init(
        _ best: Candidate, lowerBound: Double, tolerance: Double, relaxed: RelaxedModel.Result,
        nodeCount: Int
    ) {
        let bound = min(max(0, lowerBound), Double(best.cost.total))
        let gap = best.gap(above: bound)
        outcome =
            gap <= tolerance ? .optimal(best.partition) : .best(best.partition, gap: gap)
        cost = best.cost
        self.lowerBound = min(UInt64(bound), best.cost.total)
        roundCount = relaxed.roundCount
        columnCount = relaxed.columnCount
        rowCount = relaxed.rowCount
        self.nodeCount = nodeCount
    }
}

extension PartitionProblem {
    /// Gives every neuron a home, DIMMs balanced, and assembles the partition.
    ///
    /// - Parameter isHot: by rank, [steps][neurons].
    func partition(
        isHot: [[Bool]], curves: [FrequencyCurve], budget: HomeBudget
    ) throws(PartitionError) -> Partition {
        var budget = budget
        var blocks: [Partition.Block] = []
        for (step, curve) in curves.enumerated() {
            let hotRanks = isHot[step].indices.filter { isHot[step][$0] }
            let hotActivity = hotRanks.reduce(UInt64(0)) { $0 + UInt64(curve.counts[$1]) }
            var assignment = HomeAssignment(
                curve: curve, isHot: isHot[step], times: dimmPicoseconds[step],
                quotas: budget.quotas(ofStep: step))
            let homes = assignment.balanced(
                goal: hotActivity * steps[step].gpuTime.picoseconds + synchronisationFloor)
            budget.commit(homes, ofStep: step)
            blocks.append(
                Partition.Block(hotNeurons: hotRanks.map { curve.order[$0] }.sorted(), homes: homes)
            )
        }
        return try Partition(
            blocks: blocks, blocksPerLayer: blocksPerLayer, dimmCount: dimms.count)
    }
}
