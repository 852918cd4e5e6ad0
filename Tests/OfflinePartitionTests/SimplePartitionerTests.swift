import OfflinePartition
import Quantities
import Testing

/// The partitioners that the optimal one is compared to.
@Suite struct SimplePartitionerTests {
    private func problem(
        _ counts: [[UInt32]], gpuMemory: UInt64 = 30, dimmMemories: [UInt64] = [1000, 1000],
        hotShare: Proportion = .one
    ) throws -> PartitionProblem {
        try PartitionProblem(
            steps: counts.map {
                PartitionProblem.Step(
                    activationCounts: $0, neuronByteCount: ByteCount(10),
                    gpuTime: EmulatedDuration(picoseconds: 1),
                    dimmTime: EmulatedDuration(picoseconds: 8))
            }, blocksPerLayer: 1, sampleCount: 100, gpuMemory: ByteCount(gpuMemory),
            dimms: dimmMemories.map { .init(memory: ByteCount($0)) },
            synchronisationCost: .zero, hotShare: hotShare)
    }

    @Test(arguments: [FrequencyPartitioner.Homes.roundRobin, .balanced])
    func `The most frequent neurons are hot, ties by place`(
        homes: FrequencyPartitioner.Homes
    ) throws {
        let partitioner = FrequencyPartitioner(homes: homes)
        let problem = try problem([[7, 9, 1, 0], [9, 2, 7, 7]])
        let outcome = try partitioner.partition(problem)
        #expect(outcome.partition?.blocks.map(\.hotNeurons) == [[0, 1], [0]])
        #expect(outcome.gap == nil)
    }

    @Test func `The hot share and silence bound the hot set`() throws {
        let partitioner = FrequencyPartitioner(homes: .roundRobin)
        let shared = try problem(
            [[7, 9, 1, 0], [1, 2, 3, 3]], hotShare: Proportion(millionths: 250_000))
        #expect(
            try partitioner.partition(shared).partition?.blocks.map(\.hotNeurons) == [[1], [2]])
        let silent = try problem([[0, 0, 4, 0]])
        #expect(try partitioner.partition(silent).partition?.blocks[0].hotNeurons == [2])
    }

    @Test func `Round-robin deals in turn, and reports the DIMM that overflows`() throws {
        let partitioner = FrequencyPartitioner(homes: .roundRobin)
        let fitting = try problem([[1, 2, 3, 4, 5]], dimmMemories: [30, 20])
        #expect(try partitioner.partition(fitting).partition?.blocks[0].homes == [0, 1, 0, 1, 0])
        let overfull = try problem([[1, 2, 3, 4, 5]], dimmMemories: [20, 30])
        #expect(
            try partitioner.partition(overfull) == .infeasible(.roundRobinOverfills(dimm: 0)))
    }

    @Test func `Balanced homes even out what round-robin leaves uneven`() throws {
        let counts: [UInt32] = [90, 10, 80, 20, 70, 30, 60, 40]
        let problem = try problem([counts], gpuMemory: 0)
        let dealt = try FrequencyPartitioner(homes: .roundRobin).partition(problem)
        let balanced = try FrequencyPartitioner(homes: .balanced).partition(problem)
        #expect(try problem.cost(of: #require(dealt.partition)).steps[0].dimms == [2400, 800])
        #expect(
            try problem.cost(of: #require(balanced.partition)).steps[0].dimms == [1600, 1600])
    }

    @Test func `DIMMs too small for all neurons are reported by all`() throws {
        let problem = try problem([[1, 2, 3]], dimmMemories: [10, 10])
        let reason = InfeasibilityReason.dimmsTooSmall(
            needed: ByteCount(30), available: ByteCount(20))
        #expect(
            "\(reason)" == "the DIMMs must hold all neurons, 30 B, but have 20 B")
        let partitioners: [any OfflinePartitioner] = [
            FrequencyPartitioner(homes: .balanced), RandomPartitioner(seed: 1),
            ILPPartitioner(),
        ]
        for partitioner in partitioners {
            #expect(try partitioner.partition(problem) == .infeasible(reason))
        }
    }

    @Test func `Random partitions repeat by seed and hold every limit`() throws {
        for seed in UInt64(0)..<100 {
            let problem = try TestProblems.small(seed: seed)
            let outcome = try RandomPartitioner(seed: seed).partition(problem)
            #expect(try RandomPartitioner(seed: seed).partition(problem) == outcome)
            guard let partition = outcome.partition else { continue }
            _ = try problem.cost(of: partition)
        }
        let large = try TestProblems.model(.smolLM(dimmCount: 4), seed: 1)
        let first = try #require(RandomPartitioner(seed: 1).partition(large).partition)
        let second = try #require(RandomPartitioner(seed: 2).partition(large).partition)
        #expect(first.blocks[0].hotNeurons != second.blocks[0].hotNeurons)
        #expect(first.blocks[0].homes != second.blocks[0].homes)
        #expect(Set(first.blocks[0].homes) == [0, 1, 2, 3])
    }
}
