/// The tensors of a llama-architecture model, each checked against the hyperparameters.
///
/// Shapes are named [columns, rows] as in the file: a row (one neuron's inputs) is contiguous.
package struct LlamaWeights: Sendable {
    package struct Layer: Sendable {
        /// [hidden]
        package let attentionNorm: Tensor
        /// [hidden, heads × head size]
        package let query: Tensor
        /// [hidden, key/value heads × head size]
        package let key: Tensor
        /// [hidden, key/value heads × head size]
        package let value: Tensor
        /// [heads × head size, hidden]
        package let attentionOutput: Tensor
        /// [hidden]
        package let feedForwardNorm: Tensor
        /// [hidden, feed-forward]
        package let gate: Tensor
        /// [hidden, feed-forward]
        package let up: Tensor
        /// [feed-forward, hidden]: one neuron's outputs are a column, spread over all rows.
        package let down: Tensor
    }

    package let layers: [Layer]
    /// [hidden, vocabulary]
    package let tokenEmbedding: Tensor
    /// [hidden]
    package let outputNorm: Tensor
    /// [hidden, vocabulary]; the token embedding itself where the two are tied.
    package let output: Tensor
    package let isOutputTied: Bool
    /// [rotary dimensions / 2]: each pair's frequency is divided by its factor.
    package let rotaryFactors: Tensor?

    /// Bytes in the file, by group.
    package struct ByteCounts: Equatable, Sendable {
        package var tokenEmbedding = 0
        /// 0 where the output is tied to the embedding.
        package var output = 0
        package var queryKeyValue = 0
        package var attentionOutput = 0
        package var feedForward = 0
        package var norms = 0

        package var total: Int {
            tokenEmbedding + output + queryKeyValue + attentionOutput + feedForward + norms
        }
    }

    /// Tensors do not overlap, so the sums stay below the file's size.
    package var byteCounts: ByteCounts {
        var counts = ByteCounts()
        counts.tokenEmbedding = tokenEmbedding.byteCount
        counts.output = isOutputTied ? 0 : output.byteCount
        counts.norms = outputNorm.byteCount + (rotaryFactors?.byteCount ?? 0)
        for layer in layers {
            counts.queryKeyValue +=
                layer.query.byteCount + layer.key.byteCount + layer.value.byteCount
            counts.attentionOutput += layer.attentionOutput.byteCount
            counts.feedForward += layer.gate.byteCount + layer.up.byteCount + layer.down.byteCount
            counts.norms += layer.attentionNorm.byteCount + layer.feedForwardNorm.byteCount
        }
        return counts
    }
}

extension LlamaWeights {
    /// Finds and checks every tensor of the model.
    ///
    /// A tensor that this computation has no place for is refused: to ignore it, a bias for
    /// example, would give wrong text without a word.
    package static func read(
        from file: ModelFile, shape: LlamaShape
    ) throws(ModelFileError) -> LlamaWeights {
        var finder = TensorFinder(file: file)
        let embeddingDimensions = [shape.hiddenSize, shape.vocabularySize]
        let embedding = try finder.matrix("token_embd.weight", embeddingDimensions)
        let outputNorm = try finder.vector("output_norm.weight", shape.hiddenSize)
        let isTied = !file.hasTensor(named: "output.weight")
        let output = isTied ? embedding : try finder.matrix("output.weight", embeddingDimensions)
        var rotaryFactors: Tensor?
        if file.hasTensor(named: "rope_freqs.weight") {
            rotaryFactors = try finder.vector("rope_freqs.weight", shape.rotaryDimensionCount / 2)
        }
        var layers: [Layer] = []
        for index in 0..<shape.layerCount {
            layers.append(try finder.layer(index, shape))
        }
        try finder.requireNothingLeft(layerCount: shape.layerCount)
        return LlamaWeights(
            layers: layers, tokenEmbedding: embedding, outputNorm: outputNorm, output: output,
            isOutputTied: isTied, rotaryFactors: rotaryFactors)
    }
}

/// Finds tensors by name, checks their shapes, and remembers which were asked for.
private struct TensorFinder {
    let file: ModelFile
    private var found: Set<String> = []

    init(file: ModelFile) { self.file = file }

    mutating func layer(
        _ index: Int, _ shape: LlamaShape
    ) throws(ModelFileError) -> LlamaWeights.Layer {
        let prefix = "blk.\(index)."
        let hidden = shape.hiddenSize
        let neurons = shape.feedForwardSize
        return LlamaWeights.Layer(
            attentionNorm: try vector(prefix + "attn_norm.weight", hidden),
            query: try matrix(prefix + "attn_q.weight", [hidden, shape.querySize]),
            key: try matrix(prefix + "attn_k.weight", [hidden, shape.keyValueSize]),
            value: try matrix(prefix + "attn_v.weight", [hidden, shape.keyValueSize]),
            attentionOutput: try matrix(prefix + "attn_output.weight", [shape.querySize, hidden]),
            feedForwardNorm: try vector(prefix + "ffn_norm.weight", hidden),
            gate: try matrix(prefix + "ffn_gate.weight", [hidden, neurons]),
            up: try matrix(prefix + "ffn_up.weight", [hidden, neurons]),
            down: try matrix(prefix + "ffn_down.weight", [neurons, hidden]))
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

    /// A vector of norm weights or the like, which is never quantised.
    mutating func vector(_ name: String, _ count: Int) throws(ModelFileError) -> Tensor {
        let tensor = try matrix(name, [count])
        try file.requirePlain(tensor)
        return tensor
    }

    func requireNothingLeft(layerCount: Int) throws(ModelFileError) {
        for name in file.tensorNames where !found.contains(name) {
            // Old converters stored the rotation's frequencies, which the metadata also give.
            if name.hasSuffix(".attn_rot_embd.weight") { continue }
            throw refusal(name, .unexpectedTensor(reason: reason(name, layerCount)))
        }
    }

    private func reason(_ name: String, _ layerCount: Int) -> String {
        if name.hasSuffix(".bias") { return "biases are not supported yet" }
        let parts = name.split(separator: ".")
        if parts.count > 1, parts[0] == "blk", let layer = Int(parts[1]), layer >= layerCount {
            return "belongs to layer \(layer), but llama.block_count is \(layerCount)"
        }
        return "has no place in the llama architecture as computed here"
    }

    private func refusal(_ name: String, _ rule: ModelFileError.Rule) -> ModelFileError {
        ModelFileError(file: file.name, place: .tensor(name), rule: rule)
    }
}
