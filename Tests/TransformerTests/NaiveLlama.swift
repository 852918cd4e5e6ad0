import Glibc
import TestModels
import WeightFormats

/// The llama architecture written down once more, in double precision, from the file's tensors
/// by name: no batch, no kernel, no cache but lists.
struct NaiveLlama {
    struct Sizes {
        var layers = 2
        var hidden = 64
        var heads = 4
        var kvHeads = 2
        var feedForward = 96
        var rotaryDimensions: Int?
        var rotaryDivisor = 1.0
        var rotaryFactors: [Double]?
    }

    /// When a neuron counts as active, and its usual activation: [layers][feedForward].
    struct Rule {
        let means: [[Float]]
        let weights: [[Float]]
        let thresholds: [Float]
    }

    let sizes: Sizes
    private var matrices: [String: [[Double]]] = [:]
    private var norms: [String: [Double]] = [:]
    /// Rotated keys and plain values, [layers][kvHeads][positions][headSize].
    private(set) var keys: [[[[Double]]]]
    private(set) var values: [[[[Double]]]]
    /// Gate and up projections of every token, [layers][tokens][feedForward].
    private(set) var gates: [[[Double]]]
    private(set) var ups: [[[Double]]]

    private var headSize: Int { sizes.hidden / sizes.heads }

    init(_ builder: GGUFBuilder, _ sizes: Sizes) {
        self.sizes = sizes
        let noHeads = [[[Double]]](repeating: [], count: sizes.kvHeads)
        keys = Array(repeating: noHeads, count: sizes.layers)
        values = keys
        gates = Array(repeating: [], count: sizes.layers)
        ups = gates
        for tensor in builder.tensors {
            guard
                let format = WeightFormat.allCases.first(where: {
                    $0.typeCode == tensor.typeCode
                })
            else { preconditionFailure("a tensor of unknown type") }
            let elements = format.decode(tensor.bytes).map(Double.init)
            let name = String(decoding: tensor.name, as: UTF8.self)
            guard tensor.dimensions.count == 2 else {
                norms[name] = elements
                continue
            }
            let columns = Int(tensor.dimensions[0])
            matrices[name] = stride(from: 0, to: elements.count, by: columns).map {
                Array(elements[$0..<$0 + columns])
            }
        }
    }

    /// Runs the next token; its logits. With a rule, only active neurons and the shift count.
    mutating func step(_ token: Int, rule: Rule? = nil) -> [Double] {
        guard let embedding = matrices["token_embd.weight"] else { preconditionFailure() }
        var state = embedding[token]
        for layer in 0..<sizes.layers {
            add(attention(normed(state, "blk.\(layer).attn_norm"), layer: layer), to: &state)
            add(
                feedForward(normed(state, "blk.\(layer).ffn_norm"), layer: layer, rule: rule),
                to: &state)
        }
        let output = matrices["output.weight"] ?? embedding
        return product(output, normed(state, "output_norm"))
    }

    /// Runs tokens; the last one's logits.
    mutating func run(_ tokens: [Int32]) -> [Double] {
        var logits: [Double] = []
        for token in tokens { logits = step(Int(token)) }
        return logits
    }

    // MARK: Blocks

    private mutating func attention(_ input: [Double], layer: Int) -> [Double] {
        let position = keys[layer][0].count
        let query = multiply("blk.\(layer).attn_q", input)
        let key = multiply("blk.\(layer).attn_k", input)
        let value = multiply("blk.\(layer).attn_v", input)
        for head in 0..<sizes.kvHeads {
            keys[layer][head].append(rotated(part(key, head), position))
            values[layer][head].append(part(value, head))
        }
        var context: [Double] = []
        for head in 0..<sizes.heads {
            let shared = head / (sizes.heads / sizes.kvHeads)
            let turned = rotated(part(query, head), position)
            let scores = keys[layer][shared].map { dot($0, turned) / Double(headSize).squareRoot() }
            let largest = scores.max() ?? 0
            let powers = scores.map { exp($0 - largest) }
            let total = powers.reduce(0, +)
            for element in 0..<headSize {
                context.append(
                    zip(powers, values[layer][shared]).reduce(0) {
                        $0 + $1.0 / total * $1.1[element]
                    })
            }
        }
        return multiply("blk.\(layer).attn_output", context)
    }

    private mutating func feedForward(
        _ input: [Double], layer: Int, rule: Rule?
    ) -> [Double] {
        let gate = multiply("blk.\(layer).ffn_gate", input)
        let up = multiply("blk.\(layer).ffn_up", input)
        gates[layer].append(gate)
        ups[layer].append(up)
        let activations = gate.indices.map { neuron in
            guard let rule else { return silu(gate[neuron]) * up[neuron] }
            let mean = Double(rule.means[layer][neuron])
            let deviation = silu(gate[neuron]) - mean
            let spread = Double(rule.weights[layer][neuron]) * abs(deviation)
            let isActive = spread > Double(rule.thresholds[layer])
            return (isActive ? silu(gate[neuron]) : mean) * up[neuron]
        }
        return multiply("blk.\(layer).ffn_down", activations)
    }

    /// W·|silu(gate) − C| of every token so far, [tokens][feedForward].
    func spreads(layer: Int, rule: Rule) -> [[Double]] {
        gates[layer].map { gate in
            gate.indices.map {
                Double(rule.weights[layer][$0])
                    * abs(silu(gate[$0]) - Double(rule.means[layer][$0]))
            }
        }
    }

    // MARK: Mathematics

    func matrix(_ name: String) -> [[Double]] { matrices["\(name).weight"] ?? [] }

    private func multiply(_ name: String, _ vector: [Double]) -> [Double] {
        product(matrix(name), vector)
    }

    /// Interleaved pairs (2 i, 2 i + 1) of the leading dimensions turn.
    private func rotated(_ head: [Double], _ position: Int) -> [Double] {
        var turned = head
        let dimensions = sizes.rotaryDimensions ?? headSize
        for pair in 0..<dimensions / 2 {
            var angle = Double(position) / sizes.rotaryDivisor
            angle *= pow(10_000, -2 * Double(pair) / Double(dimensions))
            if let factors = sizes.rotaryFactors { angle /= factors[pair] }
            let (a, b) = (head[2 * pair], head[2 * pair + 1])
            turned[2 * pair] = a * cos(angle) - b * sin(angle)
            turned[2 * pair + 1] = a * sin(angle) + b * cos(angle)
        }
        return turned
    }

    private func normed(_ state: [Double], _ name: String) -> [Double] {
        guard let weight = norms["\(name).weight"] else { preconditionFailure() }
        let mean = dot(state, state) / Double(state.count)
        // The file holds the epsilon as a float.
        let factor = 1 / (mean + Double(Float(1e-5))).squareRoot()
        return state.indices.map { state[$0] * factor * weight[$0] }
    }

    private func part(_ vector: [Double], _ head: Int) -> [Double] {
        Array(vector[head * headSize..<(head + 1) * headSize])
    }

    private func add(_ vector: [Double], to state: inout [Double]) {
        for index in state.indices { state[index] += vector[index] }
    }
}

func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

func product(_ matrix: [[Double]], _ vector: [Double]) -> [Double] {
    matrix.map { dot($0, vector) }
}

func dot(_ left: [Double], _ right: [Double]) -> Double {
    precondition(left.count == right.count)
    var sum = 0.0
    for index in left.indices { sum += left[index] * right[index] }
    return sum
}
