package import Kernels
package import ModelFile

/// A model file with its shape and tensors: the products every role needs, by tensor.
package struct LlamaModel: Sendable {
    package let file: ModelFile
    package let shape: LlamaShape
    package let weights: LlamaWeights
    /// Norm weights of each layer, [hidden] each.
    package let norms: [LayerNorms]
    private let outputNorm: [Float]
    private let rotaryFactors: [Float]?

    /// Checks architecture, hyperparameters and every tensor. Throws ``ModelFileError``.
    package init(_ file: ModelFile) throws(ModelFileError) {
        self.file = file
        let shape = try LlamaShape.read(from: file)
        let weights = try LlamaWeights.read(from: file, shape: shape)
        self.shape = shape
        self.weights = weights
        norms = try weights.layers.map { (layer) throws(ModelFileError) in
            LayerNorms(
                attention: try file.floats(of: layer.attentionNorm),
                feedForward: try file.floats(of: layer.feedForwardNorm))
        }
        outputNorm = try file.floats(of: weights.outputNorm)
        rotaryFactors = try weights.rotaryFactors.map { (tensor) throws(ModelFileError) in
            try file.floats(of: tensor)
        }
    }

    /// 1/√headSize, the factor on query·key.
    package var attentionScale: Float { 1 / Float(shape.headSize).squareRoot() }

    /// Sines and cosines for positions 0..<positionCount.
    package func rotaryTable(positionCount: Int) -> RotaryTable {
        RotaryTable(
            dimensionCount: shape.rotaryDimensionCount, base: Double(shape.rotaryBase),
            positionCount: positionCount, scale: 1 / Double(shape.rotaryPositionDivisor),
            factors: rotaryFactors ?? [])
    }

    /// The embedding of `token`, dequantised: [hidden].
    package func embed(_ token: Int, into state: inout MutableSpan<Float>) {
        let table = weights.tokenEmbedding
        dequantiseRow(
            weights: file.bytes(of: table), format: table.format, columnCount: table.columnCount,
            row: token, into: &state)
    }

    /// Output = input · Wᵀ for `tokenCount` rows: [tokens, columns] to [tokens, rows].
    package func multiply(
        _ tensor: Tensor, by input: Span<Float>, into output: inout MutableSpan<Float>,
        tokenCount: Int, threadCount: Int
    ) {
        if tokenCount == 1 {
            multiplyRows(
                weights: file.bytes(of: tensor), format: tensor.format,
                columnCount: tensor.columnCount, rows: 0..<tensor.rowCount, by: input,
                into: &output, threadCount: threadCount)
        } else {
            multiplyRowsBatch(
                weights: file.bytes(of: tensor), format: tensor.format,
                columnCount: tensor.columnCount, rowCount: tensor.rowCount, tokenCount: tokenCount,
                by: input, into: &output, threadCount: threadCount)
        }
    }

    /// As ``multiply(_:by:into:tokenCount:threadCount:)`` between buffers that may be longer.
    package func multiply(
        _ tensor: Tensor, _ input: [Float], into output: inout [Float], tokenCount: Int,
        threadCount: Int
    ) {
        var all = output.mutableSpan
        var target = all._mutatingExtracting(0..<tokenCount * tensor.rowCount)
        multiply(
            tensor, by: input.span.extracting(0..<tokenCount * tensor.columnCount),
            into: &target, tokenCount: tokenCount, threadCount: threadCount)
    }

    /// As ``multiplySelected(_:rows:by:into:)`` for the first `count` rows named.
    func multiplySelected(
        _ tensor: Tensor, rows: [UInt32], count: Int, by input: [Float], into output: inout [Float]
    ) {
        var all = output.mutableSpan
        var target = all._mutatingExtracting(0..<count)
        multiplySelected(
            tensor, rows: rows.span.extracting(0..<count),
            by: input.span.extracting(0..<tensor.columnCount), into: &target)
    }

    /// One row as ``multiply(_:_:into:tokenCount:threadCount:)``, summed in double.
    func multiplyWide(_ tensor: Tensor, _ input: [Float], into output: inout [Float]) {
        var all = output.mutableSpan
        var target = all._mutatingExtracting(0..<tensor.rowCount)
        multiplyRowsWide(
            weights: file.bytes(of: tensor), format: tensor.format,
            columnCount: tensor.columnCount, by: input.span.extracting(0..<tensor.columnCount),
            into: &target)
    }

    /// Output[k] = row `rows[k]` of the tensor · input.
    package func multiplySelected(
        _ tensor: Tensor, rows: Span<UInt32>, by input: Span<Float>,
        into output: inout MutableSpan<Float>
    ) {
        multiplySelectedRows(
            weights: file.bytes(of: tensor), format: tensor.format,
            columnCount: tensor.columnCount, selected: rows, by: input, into: &output)
    }

    /// Final norm and output head: [hidden] to logits [vocabulary].
    package func logits(of state: Span<Float>, threadCount: Int) -> [Float] {
        var normed = [Float](repeating: 0, count: shape.hiddenSize)
        var normedSpan = normed.mutableSpan
        rmsNorm(
            state, weight: outputNorm.span, epsilon: shape.normEpsilon, into: &normedSpan)
        var logits = [Float](repeating: 0, count: shape.vocabularySize)
        var target = logits.mutableSpan
        multiply(
            weights.output, by: normed.span, into: &target, tokenCount: 1,
            threadCount: threadCount)
        return logits
    }
}

/// The norm weights of one layer, [hidden] each.
package struct LayerNorms: Sendable {
    package let attention: [Float]
    package let feedForward: [Float]
}

extension LlamaShape {
    /// Queries, keys and values of one position in one row.
    package var qkvWidth: Int { querySize + 2 * keyValueSize }

    /// Queries that share a KV head, in one row.
    package var groupWidth: Int { queryGroupSize * headSize }
}

extension LlamaModel {
    /// Bytes of one QKV neuron's weights, its share of scales included, rounded up.
    package var qkvNeuronByteCount: Int {
        guard let layer = weights.layers.first else { return 0 }
        return [layer.query, layer.key, layer.value].reduce(0) { $0 + $1.columnByteCount }
    }

    /// Bytes of one MLP neuron's weights: gate and up row, down column.
    package var feedForwardNeuronByteCount: Int {
        guard let layer = weights.layers.first else { return 0 }
        return layer.gate.rowByteCount + layer.up.rowByteCount + layer.down.columnByteCount
    }
}

extension Tensor {
    /// Bytes of one column with its share of the rows' scales, rounded up.
    fileprivate var columnByteCount: Int { (byteCount + columnCount - 1) / columnCount }
}
