package import Kernels
package import ModelFile

/// A model file with its shape and tensors: the products every role needs, by tensor.
package struct DecoderModel: Sendable {
    package let file: ModelFile
    package let shape: DecoderShape
    package let weights: DecoderWeights
    package let norms: [LayerNorms]
    /// Per layer; empty where the architecture has none.
    private let layerBiases: [LayerBiases]
    private let outputNorm: Norm
    private let rotaryFactors: [Float]?

    /// Checks architecture, hyperparameters and every tensor. Throws ``ModelFileError``.
    package init(_ file: ModelFile) throws(ModelFileError) {
        self.file = file
        let shape = try DecoderShape.read(from: file)
        let weights = try DecoderWeights.read(from: file, shape: shape)
        self.shape = shape
        self.weights = weights
        norms = try weights.layers.map { (layer) throws(ModelFileError) in
            LayerNorms(
                attention: try Norm(layer.attentionNorm, in: file),
                feedForward: try Norm(layer.feedForwardNorm, in: file))
        }
        let biases = weights.layers.compactMap(\.biases)
        layerBiases = try biases.map { (tensors) throws(ModelFileError) in
            try LayerBiases(tensors, in: file)
        }
        outputNorm = try Norm(weights.outputNorm, in: file)
        rotaryFactors = try weights.rotaryFactors.map { (tensor) throws(ModelFileError) in
            try file.floats(of: tensor)
        }
    }

    /// 1/√headSize, the factor on query·key.
    package var attentionScale: Float { 1 / Float(shape.headSize).squareRoot() }

    /// What is added to a layer's sums, `nil` where the architecture has no biases.
    package func biases(layer: Int) -> LayerBiases? {
        layerBiases.isEmpty ? nil : layerBiases[layer]
    }

    /// Sines and cosines for positions 0..<positionCount; `nil` where positions are learned.
    package func rotaryTable(positionCount: Int) -> RotaryTable? {
        shape.rotary.map {
            RotaryTable(
                dimensionCount: $0.dimensionCount, base: Double($0.base),
                positionCount: positionCount, scale: 1 / Double($0.positionDivisor),
                factors: rotaryFactors ?? [])
        }
    }

    /// The embedding of `token`, dequantised, with its position's where that is learned: [hidden].
    package func embed(
        _ token: Int, at position: Int, into state: inout MutableSpan<Float>
    ) {
        dequantise(weights.tokenEmbedding, row: token, into: &state)
        guard case .learned(let rowOffset) = shape.positions,
            let table = weights.positionEmbedding
        else { return }
        var row = [Float](repeating: 0, count: shape.hiddenSize)
        var span = row.mutableSpan
        dequantise(table, row: position + rowOffset, into: &span)
        add(row.span, to: &state)
    }

    private func dequantise(_ table: Tensor, row: Int, into output: inout MutableSpan<Float>) {
        dequantiseRow(
            weights: file.bytes(of: table), format: table.format, columnCount: table.columnCount,
            row: row, into: &output)
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

    /// Output = input · W for each of `tokenCount` rows: [tokens, rows] to [tokens, columns], of
    /// a matrix whose rows are neurons; those with an activation of zero are not read.
    func accumulateRowSums(
        _ tensor: Tensor, _ input: [Float], into output: inout [Float], tokenCount: Int
    ) {
        var all = output.mutableSpan
        for token in 0..<tokenCount {
            let activations = input[token * tensor.rowCount..<(token + 1) * tensor.rowCount]
            let active = activations.indices.filter { activations[$0] != 0 }
            let rows = active.map { UInt32($0 - activations.startIndex) }
            let coefficients = active.map { activations[$0] }
            var sums = all._mutatingExtracting(
                token * tensor.columnCount..<(token + 1) * tensor.columnCount)
            for column in sums.indices { sums[column] = 0 }
            accumulateRows(
                weights: file.bytes(of: tensor), format: tensor.format,
                columnCount: tensor.columnCount, selected: rows.span,
                coefficients: coefficients.span, into: &sums)
        }
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
        outputNorm.apply(to: state, epsilon: shape.normEpsilon, into: &normedSpan)
        var logits = [Float](repeating: 0, count: shape.vocabularySize)
        var target = logits.mutableSpan
        multiply(
            weights.output, by: normed.span, into: &target, tokenCount: 1,
            threadCount: threadCount)
        return logits
    }
}

extension DecoderShape {
    /// Queries, keys and values of one position in one row.
    package var qkvWidth: Int { querySize + 2 * keyValueSize }

    /// Queries that share a KV head, in one row.
    package var groupWidth: Int { queryGroupSize * headSize }
}
