import Kernels
import ModelFile
import NeuronShards
import TestModels
import Testing
import Transformer
import WeightFormats

/// A shard's weights are the file's: each is brought out alone, by unit vectors, where sums are
/// exact. (A product with zero loses the sign of a zero weight, nothing else.)
@Suite struct ShardValuesTests {
    private func unit(_ index: Int, of count: Int) -> [Float] {
        var vector = [Float](repeating: 0, count: count)
        vector[index] = 1
        return vector
    }

    @Test(arguments: WeightFormat.allCases)
    func `Each column of Wq, Wk and Wv is the file's, bit for bit`(format: WeightFormat) throws {
        let fixture = try ShardFixture(ShardFixture.tiny(format))
        let shape = fixture.model.shape
        for neurons in assignments(of: shape.hiddenSize) {
            let shard = try fixture.shard(qkv: neurons, feedForward: [])
            for layer in 0..<shape.layerCount {
                let rows = ["attn_q", "attn_k", "attn_v"].flatMap {
                    fixture.matrix($0, layer: layer)
                }
                var sums = [false, true].map {
                    PartialSum(count: shape.qkvWidth, isWide: $0)
                }
                var coefficients: [Float] = [.nan]
                for (slot, neuron) in neurons.enumerated() {
                    let column = rows.map { $0[Int(neuron)] }
                    for index in sums.indices {
                        shard.projectQKV(
                            layer: layer, input: unit(Int(neuron), of: shape.hiddenSize),
                            slots: [UInt32(slot)], count: 1, coefficients: &coefficients,
                            into: &sums[index])
                    }
                    if sums.contains(where: { $0.rounded != column }) {
                        Issue.record("\(format), layer \(layer), neuron \(neuron)")
                        return
                    }
                }
            }
        }
    }

    /// With gate 0, mean −1 and up 1 a neuron's coefficient is exactly 1.
    @Test(arguments: WeightFormat.allCases)
    func `Each column of down is the file's, bit for bit`(format: WeightFormat) throws {
        var builder = ShardFixture.tiny(format)
        builder.replace("ffn_gate") { _, _ in 0 }
        builder.replace("ffn_up") { _, column in column == 0 ? 1 : 0 }
        let fixture = try ShardFixture(builder)
        for isWide in [false, true] {
            try forEachNeuron(of: fixture, mean: -1, isWide: isWide) { layer, neuron, output in
                let column = fixture.matrix("ffn_down", layer: layer).map { $0[neuron] }
                return output(0) == column
            }
        }
    }

    /// With gate 0, mean −1 and a down column of (1, 0, 0, ...) the output is the up projection.
    @Test(arguments: WeightFormat.allCases)
    func `Each row of up is the file's, bit for bit`(format: WeightFormat) throws {
        var builder = ShardFixture.tiny(format)
        builder.replace("ffn_gate") { _, _ in 0 }
        builder.replace("ffn_down") { row, _ in row == 0 ? 1 : 0 }
        let fixture = try ShardFixture(builder)
        try forEachNeuron(of: fixture, mean: -1) { layer, neuron, output in
            let row = fixture.matrix("ffn_up", layer: layer)[neuron]
            return row.indices.allSatisfy { output($0)[0] == row[$0] }
        }
    }

    /// With up 1, mean 0 and a down column of (1, 0, 0, ...) the output is silu(gate).
    @Test(arguments: WeightFormat.allCases)
    func `Each row of gate is the file's, as far as silu tells`(format: WeightFormat) throws {
        var builder = ShardFixture.tiny(format)
        builder.replace("ffn_up") { _, _ in 1 }
        builder.replace("ffn_down") { row, _ in row == 0 ? 1 : 0 }
        let fixture = try ShardFixture(builder)
        try forEachNeuron(of: fixture, mean: 0) { layer, neuron, output in
            let row = fixture.matrix("ffn_gate", layer: layer)[neuron]
            return row.indices.allSatisfy { output($0)[0] == silu(row[$0]) }
        }
    }

    /// Runs `isRight` for each neuron of several shards; its function gives the neuron's part of
    /// the output for a unit input.
    private func forEachNeuron(
        of fixture: ShardFixture, mean: Float, isWide: Bool = false,
        _ isRight: (_ layer: Int, _ neuron: Int, _ output: (Int) -> [Float]) -> Bool
    ) throws {
        let shape = fixture.model.shape
        for neurons in assignments(of: shape.feedForwardSize) {
            let shard = try fixture.shard(qkv: [], feedForward: neurons)
            let rule = GateRule(
                means: neurons.map { _ in mean }, weights: neurons.map { _ in 1 }, threshold: -1)
            var scratch = FeedForwardScratch(slotCount: neurons.count)
            for layer in 0..<shape.layerCount {
                for (slot, neuron) in neurons.enumerated() where neuron % 5 == 0 {
                    let holds = isRight(layer, Int(neuron)) { input in
                        var sum = PartialSum(count: shape.hiddenSize, isWide: isWide)
                        _ = shard.feedForward(
                            layer: layer, input: unit(input, of: shape.hiddenSize),
                            slots: [UInt32(slot)], count: 1, rule: rule, scratch: &scratch,
                            into: &sum)
                        return sum.rounded
                    }
                    if !holds {
                        Issue.record("layer \(layer), neuron \(neuron) of \(neurons.count)")
                        return
                    }
                }
            }
        }
    }
}
