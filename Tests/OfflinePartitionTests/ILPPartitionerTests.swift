import OfflinePartition
import Quantities
import SeededRandom
import Testing

/// The partition by linear programming: never better than possible, never worse than it says.
@Suite struct ILPPartitionerTests {
    /// What the solver's tolerances may hide.
    private static let tolerance = 1e-6

    @Test func `Small problems are solved to the optimum of every possible partition`() throws {
        var infeasibleCount = 0
        for seed in UInt64(0)..<120 {
            let problem = try TestProblems.small(seed: seed)
            let solution = try ILPPartitioner(targetGap: 0).solve(problem)
            guard let minimum = BruteForce(problem: problem).minimum() else {
                infeasibleCount += 1
                if solution.outcome.partition != nil { Issue.record("seed \(seed): a partition") }
                continue
            }
            guard case .optimal(let partition) = solution.outcome else {
                Issue.record("seed \(seed): \(solution.outcome), optimum \(minimum)")
                continue
            }
            let cost = try problem.cost(of: partition).total
            let isRight =
                cost >= minimum && Double(cost) <= Double(minimum) * (1 + Self.tolerance)
                && solution.lowerBound <= minimum && solution.cost?.total == cost
            if !isRight { Issue.record("seed \(seed): \(cost), optimum \(minimum)") }
        }
        #expect(infeasibleCount > 0, "the seeds hold infeasible problems too")
    }

    @Test func `Without the exact program, bound, optimum and result stand in this order`() throws {
        var provenCount = 0
        var looseCount = 0
        for seed in UInt64(0)..<120 {
            let problem = try TestProblems.small(seed: seed)
            guard let minimum = BruteForce(problem: problem).minimum() else { continue }
            let solution = try ILPPartitioner(targetGap: 0, exactColumnLimit: 0).solve(problem)
            let cost = try #require(solution.cost).total
            let gap = try #require(solution.outcome.gap)
            if gap == 0 { provenCount += 1 } else { looseCount += 1 }
            // The bound is kept in whole numbers, rounded down: one off at most.
            let claimed = (Double(solution.lowerBound) + 1) * (1 + gap + Self.tolerance)
            let isRight =
                solution.lowerBound <= minimum && minimum <= cost && Double(cost) <= claimed
                && solution.nodeCount == 0
            if !isRight {
                Issue.record("seed \(seed): \(solution.lowerBound), \(minimum), \(cost), \(gap)")
            }
        }
        #expect(provenCount > 0)
        #expect(looseCount > 0)
    }

    @Test(arguments: [0, 1])
    func `A search cut short still claims nothing false`(nodeLimit: Int) throws {
        var unprovenCount = 0
        for seed in UInt64(0)..<4 {
            let problem = try TestProblems.knotty(seed: seed)
            let minimum = try #require(BruteForce(problem: problem).minimum())
            let partitioner = ILPPartitioner(targetGap: 0, nodeLimit: nodeLimit)
            let solution = try partitioner.solve(problem)
            let cost = try #require(solution.cost).total
            let gap = try #require(solution.outcome.gap)
            if gap > 0 { unprovenCount += 1 }
            let isRight =
                solution.lowerBound <= minimum && minimum <= cost
                && Double(cost) <= Double(minimum) * (1 + gap + Self.tolerance)
            if !isRight { Issue.record("seed \(seed): \(cost), gap \(gap), optimum \(minimum)") }
        }
        #expect(unprovenCount > 0)
    }

    /// As a run of a llama model has it: every QKV neuron active in every token, feed-forward
    /// neurons as drawn, or all active in a dense run.
    private func alwaysActiveQKV(
        dimmCount: Int, isDense: Bool, speeds: [Proportion] = []
    ) throws -> PartitionProblem {
        var shape = TestProblems.Shape.smolLM(dimmCount: dimmCount)
        shape.hotShare = Proportion(millionths: 200_000)
        let drawn = try TestProblems.model(shape, seed: 5, synchronisation: 0)
        return try PartitionProblem(
            steps: drawn.steps.enumerated().map { index, step in
                let isAlways = isDense || index.isMultiple(of: 2)
                return PartitionProblem.Step(
                    activationCounts: isAlways
                        ? Array(repeating: drawn.sampleCount, count: step.neuronCount)
                        : step.activationCounts,
                    neuronByteCount: step.neuronByteCount, gpuTime: step.gpuTime,
                    dimmTime: step.dimmTime)
            }, blocksPerLayer: 2, sampleCount: drawn.sampleCount,
            gpuMemory: ByteCount(1_000_000_000),
            dimms: drawn.dimms.enumerated().map { index, dimm in
                PartitionProblem.DIMM(
                    memory: dimm.memory, speed: index < speeds.count ? speeds[index] : .one)
            }, synchronisationCost: .zero, hotShare: shape.hotShare)
    }

    @Test(arguments: [1, 2, 3, 4, 5, 8, 13, 16], [false, true])
    func `Equally frequent neurons are proven within 0.1 % on any number of DIMMs`(
        dimmCount: Int, isDense: Bool
    ) throws {
        let problem = try alwaysActiveQKV(dimmCount: dimmCount, isDense: isDense)
        let solution = try ILPPartitioner(exactColumnLimit: 0).solve(problem)
        #expect(try #require(solution.outcome.gap) <= 0.001)
        let cost = try #require(solution.cost).total
        #expect(solution.lowerBound <= cost)
    }

    @Test func `The bound of equally frequent neurons is never above the optimum`() throws {
        var random = SplitMix64(seed: 31)
        var tightCount = 0
        for _ in 0..<60 {
            let neuronCount = Int.random(in: 1...6, using: &random)
            let problem = try PartitionProblem(
                steps: [
                    PartitionProblem.Step(
                        activationCounts: Array(repeating: 3, count: neuronCount),
                        neuronByteCount: ByteCount(10),
                        gpuTime: EmulatedDuration(
                            picoseconds: UInt64.random(in: 0...20, using: &random)),
                        dimmTime: EmulatedDuration(
                            picoseconds: UInt64.random(in: 1...20, using: &random)))
                ], blocksPerLayer: 1, sampleCount: 4,
                gpuMemory: ByteCount(UInt64.random(in: 0...60, using: &random)),
                dimms: (0..<Int.random(in: 1...2, using: &random)).map { _ in
                    .init(
                        memory: ByteCount(60),
                        speed: Proportion(
                            millionths: UInt64.random(in: 300_000...1_000_000, using: &random)))
                },
                synchronisationCost: EmulatedDuration(
                    picoseconds: UInt64.random(in: 0...10, using: &random)),
                hotShare: Proportion(millionths: UInt64.random(in: 0...1_000_000, using: &random)))
            let minimum = try #require(BruteForce(problem: problem).minimum())
            let solution = try ILPPartitioner(exactColumnLimit: 0).solve(problem)
            #expect(solution.lowerBound <= minimum)
            if solution.lowerBound + 1 >= minimum { tightCount += 1 }
        }
        #expect(tightCount > 20, "\(tightCount)")
    }

    @Test(arguments: [Proportion.one, Proportion(millionths: 200_000)])
    func `LLaMA2-70B on eight DIMMs is proven within 0.1 %`(hotShare: Proportion) throws {
        var shape = TestProblems.Shape.llama70B
        shape.hotShare = hotShare
        let problem = try TestProblems.model(shape, seed: 70)
        let solution = try ILPPartitioner().solve(problem)
        let gap = try #require(solution.outcome.gap)
        #expect(gap <= 0.001)
        #expect(solution.nodeCount == 0)
        let partition = try #require(solution.outcome.partition)
        let cost = try problem.cost(of: partition)
        #expect(cost == solution.cost)
        #expect(cost.total >= solution.lowerBound)
        #expect(Double(cost.total) <= Double(solution.lowerBound) * 1.001)
        for other in Self.others {
            let outcome = try other.partition(problem)
            let otherCost = try problem.cost(of: #require(outcome.partition))
            #expect(otherCost.total >= solution.lowerBound)
        }
    }

    private static let others: [any OfflinePartitioner] = [
        FrequencyPartitioner(homes: .roundRobin), FrequencyPartitioner(homes: .balanced),
        RandomPartitioner(seed: 1),
    ]

    @Test(arguments: [2, 4, 8], [0, 4_400_000])
    func `SmolLM's shape is proven within 0.1 %`(
        dimmCount: Int, synchronisation: UInt64
    ) throws {
        let shape = TestProblems.Shape.smolLM(dimmCount: dimmCount)
        let problem = try TestProblems.model(shape, seed: 135, synchronisation: synchronisation)
        let solution = try ILPPartitioner().solve(problem)
        #expect(try #require(solution.outcome.gap) <= 0.001)
        for other in Self.others {
            let outcome = try other.partition(problem)
            let otherCost = try problem.cost(of: #require(outcome.partition))
            #expect(otherCost.total >= solution.lowerBound)
        }
    }

    @Test func `DIMMs of different speed share the load by speed`() throws {
        var random = SplitMix64(seed: 5)
        let step = PartitionProblem.Step(
            activationCounts: TestProblems.activity(
                neuronCount: 2000, sampleCount: 1000, random: &random),
            neuronByteCount: ByteCount(100), gpuTime: EmulatedDuration(picoseconds: 100),
            dimmTime: EmulatedDuration(picoseconds: 1000))
        let memory = ByteCount(200_000)
        let problem = try PartitionProblem(
            steps: [step], blocksPerLayer: 1, sampleCount: 1000, gpuMemory: .zero,
            dimms: [
                .init(memory: memory),
                .init(memory: memory, speed: Proportion(millionths: 500_000)),
            ], synchronisationCost: .zero)
        let solution = try ILPPartitioner().solve(problem)
        #expect(try #require(solution.outcome.gap) <= 0.001)
        let times = try #require(solution.cost).steps[0].dimms
        #expect(abs(Double(times[0]) / Double(times[1]) - 1) < 0.001)
    }

    @Test func `A tight GPU holds the hottest neurons, an empty one none`() throws {
        let step = PartitionProblem.Step(
            activationCounts: [1, 9, 5, 9], neuronByteCount: ByteCount(10),
            gpuTime: EmulatedDuration(picoseconds: 1),
            dimmTime: EmulatedDuration(picoseconds: 100))
        for (memory, hot) in [(0, []), (9, []), (25, [1, 3]), (40, [0, 1, 2, 3])]
            as [(UInt64, [UInt32])]
        {
            let problem = try PartitionProblem(
                steps: [step], blocksPerLayer: 1, sampleCount: 10, gpuMemory: ByteCount(memory),
                dimms: [.init(memory: ByteCount(40))], synchronisationCost: .zero)
            let outcome = try ILPPartitioner(targetGap: 0).partition(problem)
            #expect(outcome.partition?.blocks[0].hotNeurons == hot)
        }
    }

    @Test func `The hot share bounds each step`() throws {
        let step = PartitionProblem.Step(
            activationCounts: Array(1...10), neuronByteCount: ByteCount(1),
            gpuTime: .zero, dimmTime: EmulatedDuration(picoseconds: 100))
        for (share, count) in [(0, 0), (99_999, 0), (100_000, 1), (290_000, 2)] as [(UInt64, Int)] {
            let problem = try PartitionProblem(
                steps: [step, step], blocksPerLayer: 2, sampleCount: 10,
                gpuMemory: ByteCount(100),
                dimms: [.init(memory: ByteCount(20)), .init(memory: ByteCount(20))],
                synchronisationCost: .zero, hotShare: Proportion(millionths: share))
            let outcome = try ILPPartitioner().partition(problem)
            let hotCounts = outcome.partition?.blocks.map(\.hotNeurons.count)
            #expect(hotCounts == [count, count])
        }
    }

    @Test func `Steps without neurons, or without activity, cost their synchronisation`() throws {
        let steps = [[], [0, 0, 0]].map { counts in
            PartitionProblem.Step(
                activationCounts: counts, neuronByteCount: ByteCount(8),
                gpuTime: EmulatedDuration(picoseconds: 1),
                dimmTime: EmulatedDuration(picoseconds: 2))
        }
        let problem = try PartitionProblem(
            steps: steps, blocksPerLayer: 2, sampleCount: 7, gpuMemory: ByteCount(8),
            dimms: [.init(memory: ByteCount(24))],
            synchronisationCost: EmulatedDuration(picoseconds: 11))
        let solution = try ILPPartitioner().solve(problem)
        guard case .optimal = solution.outcome else {
            Issue.record("\(solution.outcome)")
            return
        }
        #expect(solution.cost?.total == 2 * 2 * 11 * 7)
        #expect(solution.lowerBound == 2 * 2 * 11 * 7)
    }

    @Test func `Neurons that pack only one way are packed that way`() throws {
        // Two DIMMs of 10: 6 + 4 and 5 + 5, of sizes in proportion 3 : 2 and 1 : 1.
        func problem(memories: [UInt64]) throws -> PartitionProblem {
            let steps = [(1, 6), (1, 4), (2, 5)].map { count, bytes in
                PartitionProblem.Step(
                    activationCounts: Array(repeating: 1, count: count),
                    neuronByteCount: ByteCount(bytes), gpuTime: .zero,
                    dimmTime: EmulatedDuration(picoseconds: 1))
            }
            return try PartitionProblem(
                steps: steps, blocksPerLayer: 1, sampleCount: 1, gpuMemory: .zero,
                dimms: memories.map { .init(memory: ByteCount($0)) },
                synchronisationCost: .zero)
        }
        let outcome = try ILPPartitioner().partition(problem(memories: [10, 10]))
        let homes = try #require(outcome.partition).blocks.map(\.homes)
        #expect(homes[0] == homes[1])
        #expect(homes[2][0] == homes[2][1])
        #expect(homes[2][0] != homes[0][0])
        #expect(
            try ILPPartitioner().partition(problem(memories: [12, 8]))
                == .infeasible(.neuronsDoNotPack))
        #expect(
            try ILPPartitioner().partition(problem(memories: [10, 9]))
                == .infeasible(.dimmsTooSmall(needed: ByteCount(20), available: ByteCount(19))))
    }

    @Test func `Equal problems give equal solutions, alone and at once`() async throws {
        let small = try TestProblems.small(seed: 10)
        let large = try TestProblems.model(.smolLM(dimmCount: 4), seed: 3, synchronisation: 0)
        let partitioner = ILPPartitioner(targetGap: 0)
        for problem in [small, large] {
            let first = try partitioner.solve(problem)
            #expect(try partitioner.solve(problem) == first)
            let others = try await withThrowingTaskGroup(of: ILPSolution.self) { group in
                for _ in 0..<6 { group.addTask { try partitioner.solve(problem) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(others.allSatisfy { $0 == first })
        }
    }
}
