import OfflinePartition
import Quantities
import Testing

/// Problems and partitions: what is accepted, what it costs, what is refused and why.
@Suite struct PartitionTests {
    private func step(
        _ counts: [UInt32], bytes: UInt64 = 10, gpu: UInt64 = 2, dimm: UInt64 = 5
    ) -> PartitionProblem.Step {
        PartitionProblem.Step(
            activationCounts: counts, neuronByteCount: ByteCount(bytes),
            gpuTime: EmulatedDuration(picoseconds: gpu),
            dimmTime: EmulatedDuration(picoseconds: dimm))
    }

    private func problem(
        steps: [PartitionProblem.Step]? = nil, blocksPerLayer: Int = 1, samples: UInt32 = 10,
        gpuMemory: UInt64 = 20, dimms: [PartitionProblem.DIMM]? = nil, synchronisation: UInt64 = 3,
        hotShare: Proportion = .one
    ) throws(PartitionError) -> PartitionProblem {
        try PartitionProblem(
            steps: steps ?? [step([1, 2, 3]), step([4, 5, 6])], blocksPerLayer: blocksPerLayer,
            sampleCount: samples, gpuMemory: ByteCount(gpuMemory),
            dimms: dimms
                ?? [
                    .init(memory: ByteCount(40)),
                    .init(memory: ByteCount(40), speed: Proportion(millionths: 500_000)),
                ], synchronisationCost: EmulatedDuration(picoseconds: synchronisation),
            hotShare: hotShare)
    }

    private func partition(
        _ hot: [[UInt32]] = [[2], [0]], _ homes: [[UInt16]] = [[0, 1, 0], [1, 0, 1]],
        dimmCount: Int = 2
    ) throws(PartitionError) -> Partition {
        try Partition(
            blocks: zip(hot, homes).map { Partition.Block(hotNeurons: $0, homes: $1) },
            blocksPerLayer: 1, dimmCount: dimmCount)
    }

    @Test func `Cost is the sum of the slower sides, by hand`() throws {
        let cost = try problem().cost(of: partition())
        // GPU: 2 ps × count + 2 × 3 ps × 10 samples. DIMM 0: 5 ps, DIMM 1 at half speed: 10 ps.
        #expect(cost.steps.map(\.gpu) == [66, 68])
        #expect(cost.steps.map(\.dimms) == [[5, 20], [25, 60]])
        #expect(cost.steps.map(\.total) == [66, 68])
        #expect(cost.total == 134)
        #expect(cost.secondsPerToken == 13.4e-12)
        let cold = try problem(synchronisation: 0).cost(of: partition([[], []]))
        #expect(cold.total == 20 + 100)
    }

    @Test func `A partition is found by layer and block`() throws {
        let blocks = (0..<6).map { Partition.Block(hotNeurons: [], homes: [UInt16($0)]) }
        let partition = try Partition(blocks: blocks, blocksPerLayer: 2, dimmCount: 6)
        #expect(partition.layerCount == 3)
        #expect(partition[layer: 2, block: 1].homes == [5])
        #expect(partition[layer: 1, block: 0].neuronCount == 1)
    }

    @Test func `Partitions beyond a limit have no cost`() throws {
        let problem = try problem(hotShare: Proportion(millionths: 700_000))
        func refusal(_ partition: Partition) -> PartitionError? {
            do {
                _ = try problem.cost(of: partition)
                return nil
            } catch { return error }
        }
        #expect(refusal(try partition()) == nil)
        #expect(
            refusal(try partition([[1, 2], [0]]))
                == .gpuMemoryExceeded(needed: ByteCount(30), available: ByteCount(20)))
        #expect(
            refusal(try partition([[0, 1, 2], []]))
                == .hotShareExceeded(step: 0, hotCount: 3, limit: 2))
        #expect(
            refusal(try partition([[], []], [[1, 1, 1], [1, 1, 0]]))
                == .dimmMemoryExceeded(
                    dimm: 1, needed: ByteCount(50), available: ByteCount(40)))
        #expect(
            refusal(try partition([[]], [[0, 0, 0]]))
                == .stepCountDiffers(found: 1, expected: 2))
        #expect(
            refusal(try partition([[], []], [[0, 0, 0], [0, 0]]))
                == .shapeDiffers(step: 1, found: 2, expected: 3))
        #expect(
            refusal(try partition(dimmCount: 3)) == .dimmCountDiffers(found: 3, expected: 2))
    }

    @Test func `Malformed partitions are refused`() {
        #expect(throws: PartitionError.hotNeuronsNotAscending(step: 1)) {
            try partition([[], [2, 1]])
        }
        #expect(throws: PartitionError.hotNeuronsNotAscending(step: 0)) {
            try partition([[1, 1], []])
        }
        #expect(throws: PartitionError.noSuchNeuron(step: 0, neuron: 3, neuronCount: 3)) {
            try partition([[0, 3], []])
        }
        #expect(
            throws: PartitionError.noSuchDIMM(step: 1, neuron: 2, dimm: 2, dimmCount: 2)
        ) {
            try partition([[], []], [[0, 0, 0], [0, 0, 2]])
        }
        #expect(throws: PartitionError.dimmCountOutOfRange(0)) { try partition(dimmCount: 0) }
        #expect(throws: PartitionError.noSteps) { try partition([], []) }
        #expect(throws: PartitionError.incompleteLayer(stepCount: 3, blocksPerLayer: 2)) {
            try Partition(
                blocks: Array(repeating: .init(hotNeurons: [], homes: []), count: 3),
                blocksPerLayer: 2, dimmCount: 1)
        }
    }

    @Test func `Malformed problems are refused`() {
        #expect(throws: PartitionError.noSteps) { try problem(steps: []) }
        #expect(throws: PartitionError.incompleteLayer(stepCount: 2, blocksPerLayer: 4)) {
            try problem(blocksPerLayer: 4)
        }
        #expect(throws: PartitionError.noSamples) { try problem(samples: 0) }
        #expect(
            throws: PartitionError.tooManyActivations(
                step: 1, neuron: 2, count: 6, sampleCount: 5)
        ) {
            try problem(samples: 5)
        }
        #expect(throws: PartitionError.dimmCountOutOfRange(0)) { try problem(dimms: []) }
        #expect(throws: PartitionError.stoppedDIMM(1)) {
            try problem(dimms: [
                .init(memory: .zero), .init(memory: .zero, speed: .zero),
            ])
        }
    }

    @Test func `Quantities beyond 64-bit sums are refused, not trapped on`() {
        let largest = UInt64.max
        #expect(throws: PartitionError.tooLarge(quantity: "a DIMM's time")) {
            try problem(steps: [step([1], dimm: largest)])
        }
        #expect(throws: PartitionError.tooLarge(quantity: "time × samples")) {
            try problem(steps: [step([1], gpu: largest)])
        }
        #expect(throws: PartitionError.tooLarge(quantity: "time × samples")) {
            try problem(synchronisation: largest)
        }
        #expect(throws: PartitionError.tooLarge(quantity: "memory of all neurons")) {
            try problem(steps: [step([1, 1], bytes: largest)])
        }
    }

    @Test func `Errors name object, place and rule`() {
        let error = PartitionError.gpuMemoryExceeded(
            needed: ByteCount(30), available: ByteCount(20))
        #expect("\(error)" == "partition: hot neurons take 30 B of 20 B GPU memory")
        let all: [PartitionError] = [
            .noSteps, .incompleteLayer(stepCount: 3, blocksPerLayer: 2), .noSamples,
            .tooManyActivations(step: 0, neuron: 1, count: 3, sampleCount: 2),
            .dimmCountOutOfRange(0), .stoppedDIMM(1), .tooLarge(quantity: "neurons"),
            .shapeDiffers(step: 0, found: 1, expected: 2),
            .stepCountDiffers(found: 1, expected: 2), .dimmCountDiffers(found: 1, expected: 2),
            .hotNeuronsNotAscending(step: 0), .noSuchNeuron(step: 0, neuron: 2, neuronCount: 2),
            .noSuchDIMM(step: 0, neuron: 0, dimm: 2, dimmCount: 2),
            .hotShareExceeded(step: 0, hotCount: 2, limit: 1), error,
            .dimmMemoryExceeded(dimm: 0, needed: ByteCount(2), available: ByteCount(1)),
            .notAPartition, .unknownVersion(2), .truncated(byteCount: 3), .trailingBytes(1),
            .checksumMismatch, .strayBits(step: 0), .solverFailed(stage: "packing"),
        ]
        let texts = all.map(\.description)
        #expect(!texts.contains(""))
        #expect(Set(texts).count == all.count)
    }
}
