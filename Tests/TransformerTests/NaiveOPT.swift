import Glibc
import TestModels
import WeightFormats

/// The OPT architecture written down once more, in double precision, from the file's tensors by
/// name, as ``NaiveLlama``.
struct NaiveOPT {
    struct Sizes {
        var layers = 2
        var hidden = 64
        var heads = 4
        var feedForward = 96
    }

    let sizes: Sizes
    private var matrices: [String: [[Double]]] = [:]
    private var vectors: [String: [Double]] = [:]
    /// [layers][heads][positions][headSize]
    private(set) var keys: [[[[Double]]]]
    private(set) var values: [[[[Double]]]]
    /// max(0, up + bias) of every token, [layers][tokens][feedForward].
    private(set) var activations: [[[Double]]]

    private var headSize: Int { sizes.hidden / sizes.heads }

    init(_ builder: GGUFBuilder, _ sizes: Sizes) {
        self.sizes = sizes
        let noHeads = [[[Double]]](repeating: [], count: sizes.heads)
        keys = Array(repeating: noHeads, count: sizes.layers)
        values = keys
        activations = Array(repeating: [], count: sizes.layers)
        for tensor in builder.tensors {
            guard
                let format = WeightFormat.allCases.first(where: {
                    $0.typeCode == tensor.typeCode
                })
            else { preconditionFailure("a tensor of unknown type") }
            let elements = format.decode(tensor.bytes).map(Double.init)
            let name = String(decoding: tensor.name, as: UTF8.self)
            guard tensor.dimensions.count == 2 else {
                vectors[name] = elements
                continue
            }
            let columns = Int(tensor.dimensions[0])
            matrices[name] = stride(from: 0, to: elements.count, by: columns).map {
                Array(elements[$0..<$0 + columns])
            }
        }
    }

    /// Runs the next token; its logits.
    mutating func step(_ token: Int) -> [Double] {
        let embedding = matrix("token_embd")
        let position = keys[0][0].count
        // Row 0 and row 1 belong to no position.
        var state = sum(embedding[token], matrix("position_embd")[position + 2])
        for layer in 0..<sizes.layers {
            state = sum(state, attention(normed(state, "blk.\(layer).attn_norm"), layer: layer))
            state = sum(state, feedForward(normed(state, "blk.\(layer).ffn_norm"), layer: layer))
        }
        return product(embedding, normed(state, "output_norm"))
    }

    // MARK: Blocks

    private mutating func attention(_ input: [Double], layer: Int) -> [Double] {
        let query = affine("blk.\(layer).attn_q", input)
        let key = affine("blk.\(layer).attn_k", input)
        let value = affine("blk.\(layer).attn_v", input)
        var context: [Double] = []
        for head in 0..<sizes.heads {
            let part = head * headSize..<(head + 1) * headSize
            keys[layer][head].append(Array(key[part]))
            values[layer][head].append(Array(value[part]))
            let scores = keys[layer][head].map {
                dot($0, Array(query[part])) / Double(headSize).squareRoot()
            }
            let largest = scores.max() ?? 0
            let powers = scores.map { exp($0 - largest) }
            let total = powers.reduce(0, +)
            for element in 0..<headSize {
                context.append(
                    zip(powers, values[layer][head]).reduce(0) {
                        $0 + $1.0 / total * $1.1[element]
                    })
            }
        }
        return affine("blk.\(layer).attn_output", context)
    }

    private mutating func feedForward(_ input: [Double], layer: Int) -> [Double] {
        let activation = affine("blk.\(layer).ffn_up", input).map { max(0, $0) }
        activations[layer].append(activation)
        let name = "blk.\(layer).ffn_down"
        guard let rows = matrices["\(name)_t.weight"] else { return affine(name, activation) }
        var output = vectors["\(name).bias"] ?? []
        for (neuron, row) in rows.enumerated() {
            for index in row.indices { output[index] += activation[neuron] * row[index] }
        }
        return output
    }

    // MARK: Mathematics

    private func matrix(_ name: String) -> [[Double]] { matrices["\(name).weight"] ?? [] }

    private func affine(_ name: String, _ vector: [Double]) -> [Double] {
        sum(product(matrix(name), vector), vectors["\(name).bias"] ?? [])
    }

    private func normed(_ state: [Double], _ name: String) -> [Double] {
        guard let weight = vectors["\(name).weight"], let bias = vectors["\(name).bias"]
        else { preconditionFailure() }
        let mean = state.reduce(0, +) / Double(state.count)
        let deviations = state.map { $0 - mean }
        let variance = dot(deviations, deviations) / Double(state.count)
        // The file holds the epsilon as a float.
        let factor = 1 / (variance + Double(Float(1e-5))).squareRoot()
        return state.indices.map { deviations[$0] * factor * weight[$0] + bias[$0] }
    }

    private func sum(_ left: [Double], _ right: [Double]) -> [Double] {
        precondition(left.count == right.count)
        return zip(left, right).map { $0 + $1 }
    }
}
