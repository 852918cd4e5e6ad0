import MappedMemory
import ModelFile
import NeuronShards
import SeededRandom
import TestModels
import Testing
import Transformer
import WeightFormats

/// Shards of a model without gates: exactly the neurons that ReLU leaves active contribute.
@Suite struct ReLUShardTests {
    private func fixture(_ format: WeightFormat, isDownTransposed: Bool) throws -> ShardFixture {
        try ShardFixture(TinyOPT.builder(format: format, isDownTransposed: isDownTransposed))
    }

    private func randomVector(_ count: Int, seed: UInt64) -> [Float] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in Float(2 * random.nextUnitInterval() - 1) }
    }

    /// up · input + bias of each neuron, in double precision.
    private func sums(_ fixture: ShardFixture, layer: Int, _ input: [Float]) -> [Double] {
        let biases = fixture.vector("ffn_up.bias", layer: layer)
        return fixture.matrix("ffn_up", layer: layer).enumerated().map { neuron, row in
            zip(row, input).reduce(Double(biases[neuron])) {
                $0 + Double($1.0) * Double($1.1)
            }
        }
    }

    /// What neuron `neuron` adds to each output per activation.
    private func outputs(_ fixture: ShardFixture, layer: Int, _ neuron: Int) -> [Float] {
        if fixture.model.weights.layers[layer].isDownTransposed {
            return fixture.matrix("ffn_down_t", layer: layer)[neuron]
        }
        return fixture.matrix("ffn_down", layer: layer).map { $0[neuron] }
    }

    @Test(arguments: WeightFormat.allCases, [false, true])
    func `Any shard computes exactly its active neurons' part`(
        format: WeightFormat, isDownTransposed: Bool
    ) throws {
        let fixture = try fixture(format, isDownTransposed: isDownTransposed)
        let shape = fixture.model.shape
        let input = randomVector(shape.hiddenSize, seed: 20)
        var random = SplitMix64(seed: 21)
        for layer in 0..<shape.layerCount {
            let sums = sums(fixture, layer: layer, input)
            for neurons in assignments(of: shape.feedForwardSize) {
                let shard = try fixture.shard(qkv: [], feedForward: neurons)
                // Not every neuron of the shard is asked for.
                let slots = neurons.indices.filter { _ in random.next() % 4 > 0 }
                let active = slots.filter { sums[Int(neurons[$0])] > 0 }
                var sum = PartialSum(count: shape.hiddenSize, isWide: false)
                var scratch = FeedForwardScratch(slotCount: neurons.count)
                let count = shard.feedForward(
                    layer: layer, input: input, slots: slots.map { UInt32($0) } + [.max],
                    count: slots.count, rule: nil, scratch: &scratch, into: &sum)
                #expect(scratch.active.prefix(count).map(Int.init) == active)
                var expected = [Double](repeating: 0, count: shape.hiddenSize)
                for slot in active {
                    let neuron = Int(neurons[slot])
                    for (index, weight) in outputs(fixture, layer: layer, neuron).enumerated() {
                        expected[index] += sums[neuron] * Double(weight)
                    }
                }
                let largest = expected.map(abs).max() ?? 0
                let errors = zip(sum.rounded, expected).map { abs(Double($0) - $1) }
                #expect(errors.allSatisfy { $0 <= 2e-6 * largest })
            }
        }
    }

    @Test(arguments: WeightFormat.allCases, [false, true])
    func `A shard is as large as was planned, its neurons' biases included`(
        format: WeightFormat, isDownTransposed: Bool
    ) throws {
        let fixture = try fixture(format, isDownTransposed: isDownTransposed)
        let shape = fixture.model.shape
        for neurons in assignments(of: shape.hiddenSize) {
            let assignment = fixture.assignment(qkv: neurons, feedForward: neurons)
            let planned = NeuronShard.byteCount(of: assignment, weights: fixture.model.weights)
            let shard = try fixture.shard(qkv: neurons, feedForward: neurons)
            #expect(shard.storage.byteCount == max(1, planned))
        }
        let everything = fixture.assignment(
            qkv: (0..<shape.hiddenSize).map { UInt32($0) },
            feedForward: (0..<shape.feedForwardSize).map { UInt32($0) })
        let counts = fixture.model.weights.byteCounts
        let inFile = counts.queryKeyValue + counts.feedForward
        let whole = NeuronShard.byteCount(of: everything, weights: fixture.model.weights)
        #expect(whole >= inFile)
        #expect(Double(whole) < 1.5 * Double(inFile))
    }

    @Test func `A rule about gates and a wide sum of rows trap`() async {
        await #expect(processExitsWith: .failure) {
            try Self.feedForward(TinyOPT.builder(), hasRule: true, isWide: false)
        }
        await #expect(processExitsWith: .failure) {
            try Self.feedForward(
                TinyOPT.builder(isDownTransposed: true), hasRule: false, isWide: true)
        }
        await #expect(processExitsWith: .success) {
            try Self.feedForward(
                TinyOPT.builder(isDownTransposed: true), hasRule: false, isWide: false)
            try Self.feedForward(TinyLlama.builder(), hasRule: true, isWide: true)
        }
    }

    private static func feedForward(
        _ builder: GGUFBuilder, hasRule: Bool, isWide: Bool
    ) throws {
        let shard = try ShardFixture(builder).shard(qkv: [], feedForward: [0, 1, 2, 3])
        var sum = PartialSum(count: 64, isWide: isWide)
        var scratch = FeedForwardScratch(slotCount: 4)
        _ = shard.feedForward(
            layer: 0, input: [Float](repeating: 1, count: 64), slots: [0, 1, 2, 3], count: 4,
            rule: hasRule
                ? GateRule(means: [0, 0, 0, 0], weights: [1, 1, 1, 1], threshold: 0) : nil,
            scratch: &scratch, into: &sum)
    }
}
