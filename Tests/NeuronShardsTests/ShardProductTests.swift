import Glibc
import MappedMemory
import ModelFile
import NeuronShards
import SeededRandom
import TestModels
import Testing
import Transformer
import WeightFormats

/// Products of shards with vectors: parts add up to the whole, and a part is what was asked for.
@Suite struct ShardProductTests {
    private static let dimmCounts = [1, 2, 3, 4, 8, 16]

    private func randomVector(_ count: Int, seed: UInt64) -> [Float] {
        var random = SplitMix64(seed: seed)
        return (0..<count).map { _ in Float(2 * random.nextUnitInterval() - 1) }
    }

    private func product(_ matrix: [[Float]], _ vector: [Double]) -> [Double] {
        matrix.map { zip($0, vector).reduce(0) { $0 + Double($1.0) * $1.1 } }
    }

    private func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

    /// Largest difference, in units of the largest expected value.
    private func relativeError(_ found: [Float], _ expected: [Double]) -> Double {
        let largest = expected.map(abs).max() ?? 0
        return zip(found, expected).map { abs(Double($0) - $1) }.max().map { $0 / largest } ?? 0
    }

    @Test(arguments: WeightFormat.allCases, dimmCounts)
    func `The DIMMs' parts of q, k and v add up to the whole`(
        format: WeightFormat, dimmCount: Int
    ) throws {
        let fixture = try ShardFixture(ShardFixture.tiny(format))
        let shape = fixture.model.shape
        let input = randomVector(shape.hiddenSize, seed: 8)
        for layer in 0..<shape.layerCount {
            var total = [Float](repeating: 0, count: shape.qkvWidth)
            var wideTotal = [Double](repeating: 0, count: shape.qkvWidth)
            for dimm in 0..<dimmCount {
                let neurons = (0..<shape.hiddenSize).filter { $0 % dimmCount == dimm }
                let shard = try fixture.shard(qkv: neurons.map { UInt32($0) }, feedForward: [])
                var part = PartialSum(count: shape.qkvWidth, isWide: false)
                var widePart = PartialSum(count: shape.qkvWidth, isWide: true)
                var coefficients = [Float](repeating: .nan, count: neurons.count)
                let slots = neurons.indices.map { UInt32($0) }
                shard.projectQKV(
                    layer: layer, input: input, slots: slots, count: neurons.count,
                    coefficients: &coefficients, into: &part)
                shard.projectQKV(
                    layer: layer, input: input, slots: slots, count: neurons.count,
                    coefficients: &coefficients, into: &widePart)
                for index in total.indices {
                    total[index] += part.narrow[index]
                    wideTotal[index] += widePart.wide[index]
                }
            }
            let expected = ["attn_q", "attn_k", "attn_v"].flatMap {
                product(fixture.matrix($0, layer: layer), input.map(Double.init))
            }
            #expect(relativeError(total, expected) < 1e-6)
            let largest = expected.map(abs).max() ?? 0
            let differences = zip(wideTotal, expected).map { abs($0 - $1) }
            #expect(differences.allSatisfy { $0 < 1e-13 * largest })
        }
    }

    @Test(arguments: WeightFormat.allCases, dimmCounts)
    func `The DIMMs' parts of the feed-forward block add up to the whole`(
        format: WeightFormat, dimmCount: Int
    ) throws {
        let fixture = try ShardFixture(ShardFixture.tiny(format))
        let shape = fixture.model.shape
        let input = randomVector(shape.hiddenSize, seed: 9)
        for layer in 0..<shape.layerCount {
            var total = [Float](repeating: 0, count: shape.hiddenSize)
            for dimm in 0..<dimmCount {
                let neurons = (0..<shape.feedForwardSize).filter { $0 % dimmCount == dimm }
                let shard = try fixture.shard(qkv: [], feedForward: neurons.map { UInt32($0) })
                var part = PartialSum(count: shape.hiddenSize, isWide: false)
                var scratch = FeedForwardScratch(slotCount: neurons.count)
                let active = shard.feedForward(
                    layer: layer, input: input, slots: neurons.indices.map { UInt32($0) },
                    count: neurons.count, rule: nil, scratch: &scratch, into: &part)
                #expect(active == neurons.count)
                for index in total.indices { total[index] += part.narrow[index] }
            }
            let vector = input.map(Double.init)
            let gates = product(fixture.matrix("ffn_gate", layer: layer), vector)
            let ups = product(fixture.matrix("ffn_up", layer: layer), vector)
            let activations = zip(gates, ups).map { silu($0) * $1 }
            let expected = product(fixture.matrix("ffn_down", layer: layer), activations)
            #expect(relativeError(total, expected) < 2e-6)
        }
    }

    @Test(arguments: WeightFormat.allCases)
    func `Any slots of any shard give those neurons' part`(format: WeightFormat) throws {
        let fixture = try ShardFixture(ShardFixture.tiny(format))
        let shape = fixture.model.shape
        let input = randomVector(shape.hiddenSize, seed: 10)
        var random = SplitMix64(seed: 12)
        let (query, key, value) = (
            fixture.matrix("attn_q", layer: 1), fixture.matrix("attn_k", layer: 1),
            fixture.matrix("attn_v", layer: 1)
        )
        for neurons in assignments(of: shape.hiddenSize) {
            let shard = try fixture.shard(qkv: neurons, feedForward: [])
            let slots = neurons.indices.map { UInt32($0) }.filter { _ in random.next() % 2 == 0 }
            var masked = [Double](repeating: 0, count: shape.hiddenSize)
            for slot in slots {
                let neuron = Int(neurons[Int(slot)])
                masked[neuron] = Double(input[neuron])
            }
            // What follows the count is not looked at; the buffers may be longer than needed.
            var sum = PartialSum(count: shape.qkvWidth, isWide: false)
            var coefficients = [Float](repeating: .nan, count: neurons.count + 1)
            shard.projectQKV(
                layer: 1, input: input, slots: slots + [.max], count: slots.count,
                coefficients: &coefficients, into: &sum)
            let expected = [query, key, value].flatMap { product($0, masked) }
            if slots.isEmpty {
                #expect(sum.rounded.allSatisfy { $0 == 0 })
            } else {
                #expect(relativeError(sum.rounded, expected) < 1e-6)
            }
        }
    }

    @Test(arguments: WeightFormat.allCases)
    func `A rule picks the active slots, and they alone add their deviation`(
        format: WeightFormat
    ) throws {
        let fixture = try ShardFixture(ShardFixture.tiny(format))
        let shape = fixture.model.shape
        let input = randomVector(shape.hiddenSize, seed: 11)
        let vector = input.map(Double.init)
        let gates = product(fixture.matrix("ffn_gate", layer: 0), vector)
        let ups = product(fixture.matrix("ffn_up", layer: 0), vector)
        for neurons in assignments(of: shape.feedForwardSize) {
            let means = neurons.map { 0.1 * Float($0 % 7) - 0.3 }
            let weights = neurons.map { 0.5 + 0.25 * Float($0 % 4) }
            let deviations = neurons.indices.map {
                silu(gates[Int(neurons[$0])]) - Double(means[$0])
            }
            let spread = deviations.indices.map { abs(deviations[$0]) * Double(weights[$0]) }
            // Between two neighbours, so that rounding cannot decide.
            let sorted = spread.sorted()
            let middle = sorted.count / 2
            let threshold =
                sorted.count < 2
                ? 0.0 : (sorted[middle - 1] + sorted[middle]) / 2
            let active = neurons.indices.filter { spread[$0] > threshold }
            var activations = [Double](repeating: 0, count: shape.feedForwardSize)
            for slot in active {
                let neuron = Int(neurons[slot])
                activations[neuron] = deviations[slot] * ups[neuron]
            }
            let shard = try fixture.shard(qkv: [], feedForward: neurons)
            var scratch = FeedForwardScratch(slotCount: neurons.count)
            var sum = PartialSum(count: shape.hiddenSize, isWide: true)
            let count = shard.feedForward(
                layer: 0, input: input, slots: neurons.indices.map { UInt32($0) },
                count: neurons.count,
                rule: GateRule(means: means, weights: weights, threshold: Float(threshold)),
                scratch: &scratch, into: &sum)
            #expect(scratch.active.prefix(count).map(Int.init) == active)
            if active.isEmpty {
                #expect(sum.rounded.allSatisfy { $0 == 0 })
            } else {
                // A deviation is a difference of numbers near 1, so its error does not shrink
                // with it.
                let expected = product(fixture.matrix("ffn_down", layer: 0), activations)
                let errors = zip(sum.rounded, expected).map { abs(Double($0) - $1) }
                #expect(errors.allSatisfy { $0 < 1e-6 })
            }
        }
    }

    @Test(arguments: WeightFormat.allCases)
    func `A shard is as large as was planned, and as the file's share or little more`(
        format: WeightFormat
    ) throws {
        let fixture = try ShardFixture(ShardFixture.tiny(format))
        let shape = fixture.model.shape
        for neurons in assignments(of: shape.hiddenSize) {
            let assignment = fixture.assignment(qkv: neurons, feedForward: neurons)
            let planned = NeuronShard.byteCount(of: assignment, weights: fixture.model.weights)
            let shard = try fixture.shard(qkv: neurons, feedForward: neurons)
            // A mapping cannot be empty.
            #expect(shard.storage.byteCount == max(1, planned))
            #expect(shard.layers.map(\.qkvNeurons) == [neurons, neurons])
            #expect(shard.layers.map(\.feedForwardNeurons) == [neurons, neurons])
        }
        let everything = fixture.assignment(
            qkv: (0..<shape.hiddenSize).map { UInt32($0) },
            feedForward: (0..<shape.feedForwardSize).map { UInt32($0) })
        let counts = fixture.model.weights.byteCounts
        let inFile = counts.queryKeyValue + counts.feedForward
        let whole = NeuronShard.byteCount(of: everything, weights: fixture.model.weights)
        // 12 matrices of 64 or 32 outputs: those of 32 fill half a tile, each ends on a line.
        #expect(whole >= inFile)
        #expect(Double(whole) < 1.5 * Double(inFile))
    }

    @Test func `Layers may hold different neurons`() throws {
        let fixture = try ShardFixture(ShardFixture.tiny(.q4_1))
        let assignment = NeuronAssignment(qkv: [[3, 40], []], feedForward: [[], [1, 2, 95]])
        let shard = try NeuronShard(
            loading: assignment, from: fixture.model.file, weights: fixture.model.weights,
            purpose: "a test's shard")
        var sum = PartialSum(count: fixture.model.shape.qkvWidth, isWide: false)
        var coefficients: [Float] = [0, 0]
        var input = [Float](repeating: 0, count: 64)
        input[40] = 1
        shard.projectQKV(
            layer: 0, input: input, slots: [0, 1], count: 2, coefficients: &coefficients,
            into: &sum)
        let rows = ["attn_q", "attn_k", "attn_v"].flatMap { fixture.matrix($0, layer: 0) }
        #expect(sum.rounded == rows.map { $0[40] })
        shard.projectQKV(
            layer: 1, input: input, slots: [], count: 0, coefficients: &coefficients, into: &sum)
        #expect(sum.rounded.allSatisfy { $0 == 0 })
    }

    @Test func `A rule of unequal tables and neurons out of order trap`() async {
        await #expect(processExitsWith: .failure) {
            _ = GateRule(means: [1], weights: [], threshold: 0)
        }
        await #expect(processExitsWith: .failure) {
            _ = NeuronAssignment(qkv: [[]], feedForward: [])
        }
        await #expect(processExitsWith: .failure) {
            _ = try ShardFixture(ShardFixture.tiny(.q8_0)).shard(qkv: [3, 2], feedForward: [])
        }
    }
}
