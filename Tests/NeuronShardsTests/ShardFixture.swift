import ModelFile
import NeuronShards
import SeededRandom
import TestModels
import Transformer
import WeightFormats

/// A tiny model and the values that its file holds, decoded apart from the program's kernels.
struct ShardFixture {
    let model: DecoderModel
    private let builder: GGUFBuilder

    init(_ builder: GGUFBuilder) throws {
        self.builder = builder
        model = try DecoderModel(ModelFile.parse(builder.build(), name: "test"))
    }

    /// A model whose matrices are all of `format`.
    static func tiny(
        _ format: WeightFormat, hidden: Int = 64, feedForward: Int = 96, seed: UInt64 = 1
    ) -> GGUFBuilder {
        TinyLlama.builder(
            hidden: hidden, feedForward: feedForward, format: format, seed: seed,
            embeddingFormat: .f16)
    }

    func shard(qkv: [UInt32], feedForward: [UInt32]) throws -> NeuronShard {
        try NeuronShard(
            loading: assignment(qkv: qkv, feedForward: feedForward), from: model.file,
            weights: model.weights, purpose: "a test's shard")
    }

    /// The same neurons in every layer.
    func assignment(qkv: [UInt32], feedForward: [UInt32]) -> NeuronAssignment {
        let layers = model.shape.layerCount
        return NeuronAssignment(
            qkv: Array(repeating: qkv, count: layers),
            feedForward: Array(repeating: feedForward, count: layers))
    }

    /// A matrix of the file, [rows][columns].
    func matrix(_ name: String, layer: Int) -> [[Float]] {
        let (values, columnCount) = tensor("\(name).weight", layer: layer)
        return stride(from: 0, to: values.count, by: columnCount).map {
            Array(values[$0..<$0 + columnCount])
        }
    }

    /// A vector of the file, by its name with its ending.
    func vector(_ name: String, layer: Int) -> [Float] { tensor(name, layer: layer).values }

    private func tensor(_ name: String, layer: Int) -> (values: [Float], columnCount: Int) {
        let wanted = Array("blk.\(layer).\(name)".utf8)
        guard let tensor = builder.tensors.first(where: { $0.name == wanted }),
            let format = WeightFormat.allCases.first(where: { $0.typeCode == tensor.typeCode })
        else { preconditionFailure("no tensor \(name)") }
        return (format.decode(tensor.bytes), Int(tensor.dimensions[0]))
    }
}

extension PartialSum {
    /// The elements, rounded as the coordinator rounds them.
    var rounded: [Float] {
        var floats = [Float](repeating: .nan, count: count)
        round(into: &floats)
        return floats
    }
}

extension GGUFBuilder {
    /// Replaces a matrix of every layer by float32 values of (row, column).
    mutating func replace(_ name: String, by value: (Int, Int) -> Float) {
        for position in tensors.indices {
            guard
                String(decoding: tensors[position].name, as: UTF8.self).hasSuffix("\(name).weight")
            else { continue }
            let columns = Int(tensors[position].dimensions[0])
            let rows = Int(tensors[position].dimensions[1])
            let values = (0..<rows).flatMap { row in (0..<columns).map { value(row, $0) } }
            tensors[position].typeCode = WeightFormat.f32.typeCode
            tensors[position].bytes = WeightFormat.f32.encode(values)
        }
    }
}

/// Neurons of a shard: none, one, all, DIMM 1 of 4, and sets of no pattern.
func assignments(of neuronCount: Int) -> [[UInt32]] {
    let all = (0..<neuronCount).map { UInt32($0) }
    var random = SplitMix64(seed: 4)
    let scattered = [5, 30, 60].map { percent in
        all.filter { _ in Int.random(in: 0..<100, using: &random) < percent }
    }
    return [[], [0], [UInt32(neuronCount - 1)], all, all.filter { $0 % 4 == 1 }] + scattered
}
