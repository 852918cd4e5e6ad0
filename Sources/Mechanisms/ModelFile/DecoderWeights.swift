/// The tensors of a decoder model, each checked against the hyperparameters.
///
/// Shapes are named [columns, rows] as in the file: a row (one neuron's inputs) is contiguous.
package struct DecoderWeights: Sendable {
    /// What a norm multiplies by and, in a layer norm, adds; [hidden] each.
    package struct Norm: Sendable {
        package let weight: Tensor
        package let bias: Tensor?

        fileprivate var byteCount: Int { weight.byteCount + (bias?.byteCount ?? 0) }
    }

    /// What is added to the products of a layer.
    package struct Biases: Sendable {
        /// [heads × head size]
        package let query: Tensor
        /// [key/value heads × head size]
        package let key: Tensor
        /// [key/value heads × head size]
        package let value: Tensor
        /// [hidden]
        package let attentionOutput: Tensor
        /// [feed-forward]: one element belongs to a neuron and moves with it.
        package let up: Tensor
        /// [hidden]
        package let down: Tensor
    }

    package struct Layer: Sendable {
        package let attentionNorm: Norm
        /// [hidden, heads × head size]
        package let query: Tensor
        /// [hidden, key/value heads × head size]
        package let key: Tensor
        /// [hidden, key/value heads × head size]
        package let value: Tensor
        /// [heads × head size, hidden]
        package let attentionOutput: Tensor
        package let feedForwardNorm: Norm
        /// [hidden, feed-forward]; `nil` where the architecture is not gated.
        package let gate: Tensor?
        /// [hidden, feed-forward]
        package let up: Tensor
        /// [feed-forward, hidden]: one neuron's outputs are a column, spread over all rows. Where
        /// ``isDownTransposed``, [hidden, feed-forward]: one neuron's outputs are a row.
        package let down: Tensor
        package let isDownTransposed: Bool
        /// `nil` where the architecture has none.
        package let biases: Biases?

        /// What belongs to one neuron each, QKV and feed-forward, in the order of a neuron's use.
        package var neuronTensors: [Tensor] {
            [query, key, value] + feedForwardTensors
        }

        fileprivate var feedForwardTensors: [Tensor] {
            [gate, up, biases?.up, down].compactMap(\.self)
        }

        /// Biases that are added to finished sums and belong to no neuron.
        package var sumBiases: [Tensor] {
            guard let biases else { return [] }
            return [biases.query, biases.key, biases.value, biases.attentionOutput, biases.down]
        }
    }

    package let layers: [Layer]
    /// [hidden, vocabulary]
    package let tokenEmbedding: Tensor
    /// [hidden, context + row offset], where positions are learned.
    package let positionEmbedding: Tensor?
    package let outputNorm: Norm
    /// [hidden, vocabulary]; the token embedding itself where the two are tied.
    package let output: Tensor
    package let isOutputTied: Bool
    /// [rotary dimensions / 2]: each pair's frequency is divided by its factor.
    package let rotaryFactors: Tensor?

    /// Bytes in the file, by group.
    package struct ByteCounts: Equatable, Sendable {
        package var tokenEmbedding = 0
        package var positionEmbedding = 0
        /// 0 where the output is tied to the embedding.
        package var output = 0
        package var queryKeyValue = 0
        package var attentionOutput = 0
        /// With the neurons' own biases.
        package var feedForward = 0
        package var norms = 0
        /// Biases that belong to no neuron.
        package var biases = 0

        package var total: Int {
            tokenEmbedding + positionEmbedding + output + queryKeyValue + attentionOutput
                + feedForward + norms + biases
        }
    }

    /// Tensors do not overlap, so the sums stay below the file's size.
    package var byteCounts: ByteCounts {
        var counts = ByteCounts()
        counts.tokenEmbedding = tokenEmbedding.byteCount
        counts.positionEmbedding = positionEmbedding?.byteCount ?? 0
        counts.output = isOutputTied ? 0 : output.byteCount
        counts.norms = outputNorm.byteCount + (rotaryFactors?.byteCount ?? 0)
        for layer in layers {
            counts.queryKeyValue +=
                layer.query.byteCount + layer.key.byteCount + layer.value.byteCount
            counts.attentionOutput += layer.attentionOutput.byteCount
            counts.feedForward += layer.feedForwardTensors.reduce(0) { $0 + $1.byteCount }
            counts.norms += layer.attentionNorm.byteCount + layer.feedForwardNorm.byteCount
            counts.biases += layer.sumBiases.reduce(0) { $0 + $1.byteCount }
        }
        return counts
    }
}

extension DecoderWeights {
    /// Finds and checks every tensor of the model.
    ///
    /// A tensor that this computation has no place for is refused: to ignore it, a bias for
    /// example, would give wrong text without a word.
    package static func read(
        from file: ModelFile, shape: DecoderShape
    ) throws(ModelFileError) -> DecoderWeights {
        var finder = TensorFinder(file: file, shape: shape)
        let embeddingDimensions = [shape.hiddenSize, shape.vocabularySize]
        let embedding = try finder.matrix("token_embd.weight", embeddingDimensions)
        var positionEmbedding: Tensor?
        if case .learned(let rowOffset) = shape.positions {
            positionEmbedding = try finder.matrix(
                "position_embd.weight", [shape.hiddenSize, shape.contextLength + rowOffset])
        }
        let outputNorm = try finder.norm("output_norm")
        let isTied = !file.hasTensor(named: "output.weight")
        let output = isTied ? embedding : try finder.matrix("output.weight", embeddingDimensions)
        var rotaryFactors: Tensor?
        if let rotary = shape.rotary, file.hasTensor(named: "rope_freqs.weight") {
            rotaryFactors = try finder.vector("rope_freqs.weight", rotary.dimensionCount / 2)
        }
        var layers: [Layer] = []
        for index in 0..<shape.layerCount { layers.append(try finder.layer(index)) }
        try finder.requireNothingLeft()
        return DecoderWeights(
            layers: layers, tokenEmbedding: embedding, positionEmbedding: positionEmbedding,
            outputNorm: outputNorm, output: output, isOutputTied: isTied,
            rotaryFactors: rotaryFactors)
    }
}

/// Finds tensors by name, checks their shapes, and remembers which were asked for.
private struct TensorFinder {
    let file: ModelFile
    let shape: DecoderShape
    private var found: Set<String> = []

    init(file: ModelFile, shape: DecoderShape) {
        self.file = file
        self.shape = shape
    }

    mutating func layer(_ index: Int) throws(ModelFileError) -> DecoderWeights.Layer {
        let prefix = "blk.\(index)."
        let hidden = shape.hiddenSize
        let neurons = shape.feedForwardSize
        let isGated = shape.architecture.isGated
        // PowerInfer stores OPT's down projection by neurons under a name of its own.
        let isDownTransposed = !isGated && file.hasTensor(named: prefix + "ffn_down_t.weight")
        return DecoderWeights.Layer(
            attentionNorm: try norm(prefix + "attn_norm"),
            query: try matrix(prefix + "attn_q.weight", [hidden, shape.querySize]),
            key: try matrix(prefix + "attn_k.weight", [hidden, shape.keyValueSize]),
            value: try matrix(prefix + "attn_v.weight", [hidden, shape.keyValueSize]),
            attentionOutput: try matrix(prefix + "attn_output.weight", [shape.querySize, hidden]),
            feedForwardNorm: try norm(prefix + "ffn_norm"),
            gate: isGated ? try matrix(prefix + "ffn_gate.weight", [hidden, neurons]) : nil,
            up: try matrix(prefix + "ffn_up.weight", [hidden, neurons]),
            down: isDownTransposed
                ? try matrix(prefix + "ffn_down_t.weight", [hidden, neurons])
                : try matrix(prefix + "ffn_down.weight", [neurons, hidden]),
            isDownTransposed: isDownTransposed,
            biases: shape.architecture.hasBiases ? try biases(prefix) : nil)
    }

    private mutating func biases(
        _ prefix: String
    ) throws(ModelFileError) -> DecoderWeights.Biases {
        DecoderWeights.Biases(
            query: try vector(prefix + "attn_q.bias", shape.querySize),
            key: try vector(prefix + "attn_k.bias", shape.keyValueSize),
            value: try vector(prefix + "attn_v.bias", shape.keyValueSize),
            attentionOutput: try vector(prefix + "attn_output.bias", shape.hiddenSize),
            up: try vector(prefix + "ffn_up.bias", shape.feedForwardSize),
            down: try vector(prefix + "ffn_down.bias", shape.hiddenSize))
    }

    /// The tensors of a norm, `name` without its ending.
    mutating func norm(_ name: String) throws(ModelFileError) -> DecoderWeights.Norm {
        let weight = try vector(name + ".weight", shape.hiddenSize)
        switch shape.architecture.norm {
        case .rootMeanSquare: return DecoderWeights.Norm(weight: weight, bias: nil)
        case .layer:
            return DecoderWeights.Norm(
                weight: weight, bias: try vector(name + ".bias", shape.hiddenSize))
        }
    }

    mutating func matrix(
        _ name: String, _ dimensions: [Int]
    ) throws(ModelFileError) -> Tensor {
        let tensor = try file.tensor(named: name)
        found.insert(name)
        // Some writers pad the list of dimensions with ones.
        let significant = tensor.dimensions.prefix(dimensions.count)
        let rest = tensor.dimensions.dropFirst(dimensions.count)
        guard significant.elementsEqual(dimensions), rest.allSatisfy({ $0 == 1 }) else {
            throw refusal(name, .wrongShape(found: tensor.dimensions, expected: dimensions))
        }
        return tensor
    }

    /// A vector of norm weights, biases or the like, which is never quantised.
    mutating func vector(_ name: String, _ count: Int) throws(ModelFileError) -> Tensor {
        let tensor = try matrix(name, [count])
        try file.requirePlain(tensor)
        return tensor
    }

    func requireNothingLeft() throws(ModelFileError) {
        for name in file.tensorNames where !found.contains(name) {
            // Old converters stored the rotation's frequencies, which the metadata also give.
            if name.hasSuffix(".attn_rot_embd.weight") { continue }
            throw refusal(name, .unexpectedTensor(reason: reason(name)))
        }
    }

    private func reason(_ name: String) -> String {
        let architecture = shape.architecture
        if name.hasSuffix(".bias"), !architecture.hasBiases {
            return "biases are not supported yet"
        }
        let parts = name.split(separator: ".")
        if parts.count > 1, parts[0] == "blk", let layer = Int(parts[1]),
            layer >= shape.layerCount
        {
            return "belongs to layer \(layer), but \(architecture.rawValue).block_count is "
                + "\(shape.layerCount)"
        }
        return "has no place in the \(architecture.rawValue) architecture as computed here"
    }

    private func refusal(_ name: String, _ rule: ModelFileError.Rule) -> ModelFileError {
        ModelFileError(file: file.name, place: .tensor(name), rule: rule)
    }
}
