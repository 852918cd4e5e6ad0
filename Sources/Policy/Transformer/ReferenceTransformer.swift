import ModelFile
import Kernels

/// The whole model in one process, FP32 activations: what the sharded system must equal.
///
/// It is also the GPU role's prefill: a batch of prompt tokens, densely, from the mapped file.
/// What the architectures share and where they differ, ``DecoderArchitecture`` says; tensor names
/// and layouts are GGUF's.
package struct ReferenceTransformer: ~Copyable {
    package let model: DecoderModel
    package private(set) var cache: KeyValueCache
    /// Per layer and neuron, in how many of the tokens it was active: by ReLU, or in those seen
    /// densely by the sparse rule. Where gates have no rule, every token counts.
    /// [layers, feedForward]
    package private(set) var activityCounts: [[UInt32]]
    /// Tokens that went through so far: what the counts are out of.
    package private(set) var tokenCount = 0
    private let rule: ActivityRule?
    private let threadCount: Int
    private let rotary: RotaryTable?
    private var scratch: Scratch

    /// Tokens that go through the layers together; bounds the scratch memory.
    package static let batchTokenCount = 128

    /// - Parameters:
    ///   - contextCapacity: positions the KV cache can hold.
    ///   - rule: which neurons count as active, `nil` for the dense model. Only a gated model
    ///     can have one.
    ///   - threadCount: threads for the large products; results do not depend on it.
    package init(
        model: DecoderModel, contextCapacity: Int, rule: ActivityRule?, threadCount: Int
    ) {
        precondition(threadCount >= 1)
        precondition(rule == nil || model.shape.architecture.isGated)
        self.model = model
        self.rule = rule
        self.threadCount = threadCount
        let shape = model.shape
        cache = KeyValueCache(shape: shape, capacity: contextCapacity)
        activityCounts = Array(
            repeating: Array(repeating: 0, count: shape.feedForwardSize), count: shape.layerCount)
        rotary = model.rotaryTable(positionCount: contextCapacity)
        scratch = Scratch(shape: shape, contextCapacity: contextCapacity)
    }

    /// Runs tokens through the model.
    ///
    /// - Parameters:
    ///   - tokens: ids, each below the vocabulary size.
    ///   - position: context position of the first.
    ///   - isDense: whether the feed-forward blocks compute every neuron (prefill) or follow the
    ///     activity rule (decode).
    ///   - observer: sees each layer's projections, for calibration and recording.
    /// - Returns: logits after the last token, [vocabulary].
    package mutating func forward(
        _ tokens: [Int32], at position: Int, isDense: Bool, observer: (any LayerObserver)? = nil
    ) -> [Float] {
        precondition(!tokens.isEmpty)
        precondition(position + tokens.count <= cache.capacity)
        tokenCount += tokens.count
        var first = 0
        while first < tokens.count {
            let end = min(first + Self.batchTokenCount, tokens.count)
            forwardBatch(
                tokens[first..<end], at: position + first, isDense: isDense, observer: observer)
            first = end
        }
        let hidden = model.shape.hiddenSize
        let lastRow = (tokens.count - 1) % Self.batchTokenCount
        return model.logits(
            of: scratch.state.span.extracting(lastRow * hidden..<(lastRow + 1) * hidden),
            threadCount: threadCount)
    }

    private mutating func forwardBatch(
        _ tokens: ArraySlice<Int32>, at position: Int, isDense: Bool,
        observer: (any LayerObserver)?
    ) {
        scratch.resize(tokenCount: tokens.count)
        for (row, token) in tokens.enumerated() {
            model.embed(Int(token), at: position + row, intoRow: row, of: &scratch.state)
        }
        for layer in 0..<model.shape.layerCount {
            attend(
                layer: layer, tokenCount: tokens.count, at: position,
                isWide: rule != nil && !isDense)
            if let rule, !isDense {
                precondition(tokens.count == 1, "sparse steps run one token at a time")
                feedForwardSparsely(layer: layer, rule: rule, observer: observer)
            } else if !model.shape.architecture.isGated {
                feedForwardRectified(layer: layer, tokenCount: tokens.count, observer: observer)
            } else {
                feedForwardDensely(layer: layer, tokenCount: tokens.count, observer: observer)
            }
        }
    }

    // MARK: Attention

    private mutating func attend(
        layer: Int, tokenCount: Int, at position: Int, isWide: Bool
    ) {
        let shape = model.shape
        let weights = model.weights.layers[layer]
        normalise(by: model.norms[layer].attention, tokenCount: tokenCount)
        // Sums over split neurons are wide in a sparse run: see `PartialSum`.
        if isWide {
            model.multiplyWide(weights.query, scratch.normed, into: &scratch.queries)
            model.multiplyWide(weights.key, scratch.normed, into: &scratch.keys)
            model.multiplyWide(weights.value, scratch.normed, into: &scratch.values)
        } else {
            multiply(weights.query, scratch.normed, into: \.queries, tokenCount: tokenCount)
            multiply(weights.key, scratch.normed, into: \.keys, tokenCount: tokenCount)
            multiply(weights.value, scratch.normed, into: \.values, tokenCount: tokenCount)
        }
        let biases = model.biases(layer: layer)
        addBias(biases?.query, toRows: &scratch.queries, rowCount: tokenCount)
        addBias(biases?.key, toRows: &scratch.keys, rowCount: tokenCount)
        addBias(biases?.value, toRows: &scratch.values, rowCount: tokenCount)
        rotateRows(
            &scratch.queries, width: shape.querySize, rowCount: tokenCount,
            headSize: shape.headSize, position: position, table: rotary)
        rotateRows(
            &scratch.keys, width: shape.keyValueSize, rowCount: tokenCount,
            headSize: shape.headSize, position: position, table: rotary)
        for row in 0..<tokenCount {
            cache.store(
                layer: layer, position: position + row, row: row, keys: scratch.keys,
                values: scratch.values)
        }
        for row in 0..<tokenCount {
            attend(layer: layer, row: row, positionCount: position + row + 1)
        }
        multiply(
            weights.attentionOutput, scratch.context, into: \.blockOutput,
            tokenCount: tokenCount)
        addBias(biases?.attentionOutput, toRows: &scratch.blockOutput, rowCount: tokenCount)
        addBlockOutput(tokenCount: tokenCount)
    }

    private mutating func attend(layer: Int, row: Int, positionCount: Int) {
        let groupWidth = model.shape.groupWidth
        for head in 0..<model.shape.keyValueHeadCount {
            let matrix = cache.index(layer: layer, head: head)
            let start = (row * model.shape.keyValueHeadCount + head) * groupWidth
            attendGroup(
                queries: scratch.queries, keys: cache.keys[matrix], values: cache.values[matrix],
                headSize: model.shape.headSize, positionCount: positionCount,
                scale: model.attentionScale, extent: start..<start + groupWidth,
                scores: &scratch.scores, into: &scratch.context)
        }
    }

    // MARK: Feed-forward

    private mutating func feedForwardDensely(
        layer: Int, tokenCount: Int, observer: (any LayerObserver)?
    ) {
        let weights = model.weights.layers[layer]
        guard let gate = weights.gate else { preconditionFailure("a model without gates") }
        normalise(by: model.norms[layer].feedForward, tokenCount: tokenCount)
        multiply(gate, scratch.normed, into: \.gates, tokenCount: tokenCount)
        multiply(weights.up, scratch.normed, into: \.ups, tokenCount: tokenCount)
        count(layer: layer, tokenCount: tokenCount)
        let elementCount = tokenCount * model.shape.feedForwardSize
        observer?.observe(
            layer: layer, tokenCount: tokenCount,
            gates: scratch.gates.span.extracting(0..<elementCount),
            ups: scratch.ups.span.extracting(0..<elementCount))
        activateElements(
            scratch.gates, scratch.ups, into: &scratch.activations, count: elementCount)
        multiply(
            weights.down, scratch.activations, into: \.blockOutput, tokenCount: tokenCount)
        addBlockOutput(tokenCount: tokenCount)
    }

    /// Without gates: max(0, up + bias), whose zeros are the activity.
    private mutating func feedForwardRectified(
        layer: Int, tokenCount: Int, observer: (any LayerObserver)?
    ) {
        let weights = model.weights.layers[layer]
        let biases = model.biases(layer: layer)
        normalise(by: model.norms[layer].feedForward, tokenCount: tokenCount)
        multiply(weights.up, scratch.normed, into: \.ups, tokenCount: tokenCount)
        addBias(biases?.up, toRows: &scratch.ups, rowCount: tokenCount)
        let neuronCount = model.shape.feedForwardSize
        observer?.observe(
            layer: layer, tokenCount: tokenCount, gates: scratch.ups.span.extracting(0..<0),
            ups: scratch.ups.span.extracting(0..<tokenCount * neuronCount))
        rectifyElements(
            scratch.ups, into: &scratch.activations, count: tokenCount * neuronCount)
        for row in 0..<tokenCount {
            for neuron in 0..<neuronCount where scratch.ups[row * neuronCount + neuron] > 0 {
                activityCounts[layer][neuron] += 1
            }
        }
        if weights.isDownTransposed {
            model.accumulateRowSums(
                weights.down, scratch.activations, into: &scratch.blockOutput,
                tokenCount: tokenCount)
        } else {
            multiply(
                weights.down, scratch.activations, into: \.blockOutput, tokenCount: tokenCount)
        }
        addBias(biases?.down, toRows: &scratch.blockOutput, rowCount: tokenCount)
        addBlockOutput(tokenCount: tokenCount)
    }

    private mutating func count(layer: Int, tokenCount: Int) {
        guard let rule else {
            for neuron in activityCounts[layer].indices {
                activityCounts[layer][neuron] += UInt32(tokenCount)
            }
            return
        }
        for row in 0..<tokenCount {
            let active = rule.select(
                layer: layer, gates: scratch.gates, row: row, active: &scratch.activeNeurons,
                deviations: &scratch.deviations)
            for index in 0..<active {
                activityCounts[layer][Int(scratch.activeNeurons[index])] += 1
            }
        }
    }

    private mutating func feedForwardSparsely(
        layer: Int, rule: ActivityRule, observer: (any LayerObserver)?
    ) {
        let weights = model.weights.layers[layer]
        guard let gate = weights.gate else { preconditionFailure("a model without gates") }
        normalise(by: model.norms[layer].feedForward, tokenCount: 1)
        multiply(gate, scratch.normed, into: \.gates, tokenCount: 1)
        observer?.observe(
            layer: layer, tokenCount: 1,
            gates: scratch.gates.span.extracting(0..<model.shape.feedForwardSize),
            ups: scratch.ups.span.extracting(0..<0))
        let activeCount = rule.select(
            layer: layer, gates: scratch.gates, row: 0, active: &scratch.activeNeurons,
            deviations: &scratch.deviations)
        model.multiplySelected(
            weights.up, rows: scratch.activeNeurons, count: activeCount, by: scratch.normed,
            into: &scratch.ups)
        // A neuron's whole contribution is C·u·down (in the shift matrix, active or not) plus
        // (silu(g) − C)·u·down, which an inactive neuron leaves out.
        for neuron in scratch.activations.indices { scratch.activations[neuron] = 0 }
        for index in 0..<activeCount {
            scratch.activations[Int(scratch.activeNeurons[index])] =
                scratch.deviations[index] * scratch.ups[index]
        }
        model.multiplyWide(weights.down, scratch.activations, into: &scratch.blockOutput)
        addBlockOutput(tokenCount: 1)
        rule.applyShift(
            layer: layer, to: scratch.normed, hidden: model.shape.hiddenSize,
            into: &scratch.blockOutput)
        addBlockOutput(tokenCount: 1)
    }

    // MARK: Helpers

    private mutating func normalise(by norm: Norm, tokenCount: Int) {
        normaliseRows(
            scratch.state, by: norm, epsilon: model.shape.normEpsilon, rowCount: tokenCount,
            into: &scratch.normed)
    }

    private mutating func multiply(
        _ tensor: Tensor, _ input: [Float], into output: WritableKeyPath<Scratch, [Float]>,
        tokenCount: Int
    ) {
        model.multiply(
            tensor, input, into: &scratch[keyPath: output], tokenCount: tokenCount,
            threadCount: threadCount)
    }

    private mutating func addBlockOutput(tokenCount: Int) {
        addElements(
            scratch.blockOutput, to: &scratch.state,
            count: tokenCount * model.shape.hiddenSize)
    }
}

/// Sees the projections of every layer's feed-forward block before the activation.
package protocol LayerObserver: AnyObject {
    /// - Parameters:
    ///   - gates: [tokenCount, feedForward]; empty where the architecture has no gates.
    ///   - ups: the same, biases included; empty in a step that skips inactive neurons, which
    ///     does not know them all.
    func observe(layer: Int, tokenCount: Int, gates: Span<Float>, ups: Span<Float>)
}

/// Buffers between the steps of a forward pass, float32, rows = tokens of the batch.
private struct Scratch {
    private let shape: DecoderShape
    var state: [Float] = []  // [tokens, hidden]: the residual stream
    var normed: [Float] = []  // [tokens, hidden]
    var queries: [Float] = []  // [tokens, heads, headSize]
    var keys: [Float] = []  // [tokens, KV heads, headSize]
    var values: [Float] = []  // [tokens, KV heads, headSize]
    var context: [Float] = []  // [tokens, heads, headSize]
    var gates: [Float] = []  // [tokens, feedForward]
    var ups: [Float] = []  // [tokens, feedForward]
    var activations: [Float] = []  // [tokens, feedForward]
    var blockOutput: [Float] = []  // [tokens, hidden]
    var scores: [Float]  // [group, context capacity]
    var activeNeurons: [UInt32]  // [feedForward]
    var deviations: [Float]  // [feedForward]: silu(gate) − mean, per active neuron

    init(shape: DecoderShape, contextCapacity: Int) {
        self.shape = shape
        let group = shape.headCount / shape.keyValueHeadCount
        scores = Array(repeating: 0, count: group * contextCapacity)
        activeNeurons = Array(repeating: 0, count: shape.feedForwardSize)
        deviations = Array(repeating: 0, count: shape.feedForwardSize)
    }

    /// Makes room for `tokenCount` rows; the content is unspecified afterwards.
    mutating func resize(tokenCount: Int) {
        guard state.count != tokenCount * shape.hiddenSize else { return }
        let queryWidth = shape.headCount * shape.headSize
        let kvWidth = shape.keyValueHeadCount * shape.headSize
        state = Array(repeating: 0, count: tokenCount * shape.hiddenSize)
        normed = state
        blockOutput = state
        queries = Array(repeating: 0, count: tokenCount * queryWidth)
        context = queries
        keys = Array(repeating: 0, count: tokenCount * kvWidth)
        values = keys
        gates = Array(repeating: 0, count: tokenCount * shape.feedForwardSize)
        ups = gates
        activations = gates
    }
}
