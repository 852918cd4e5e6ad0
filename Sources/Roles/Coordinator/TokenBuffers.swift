import Messages
import ModelFile
import NeuronShards
import Transformer

/// The GPU role's vectors of one token, float32.
struct TokenBuffers {
    var state: [Float]  // [hidden]: the residual stream
    private(set) var normed: [Float]  // [hidden]
    /// Shares of q, k and v, or of the feed-forward block, before rounding.
    var sum: PartialSum
    private(set) var qkv: [Float]  // [qkvWidth]: q, k, v
    var context: [Float]  // [heads, headSize]
    var blockOutput: [Float]  // [hidden]
    private var shift: [Float]  // [hidden]

    init(model: DecoderModel, isWide: Bool) {
        let shape = model.shape
        sum = PartialSum(count: max(shape.qkvWidth, shape.hiddenSize), isWide: isWide)
        state = Array(repeating: 0, count: shape.hiddenSize)
        normed = state
        blockOutput = state
        shift = state
        qkv = Array(repeating: 0, count: shape.qkvWidth)
        context = Array(repeating: 0, count: shape.headCount * shape.headSize)
    }

    mutating func normalise(by norm: Norm, epsilon: Float) {
        normaliseRows(state, by: norm, epsilon: epsilon, rowCount: 1, into: &normed)
    }

    mutating func embed(_ token: Int, at position: Int, model: DecoderModel) {
        var span = state.mutableSpan
        model.embed(token, at: position, into: &span)
    }

    /// All shares of q, k and v are in; what belongs to no neuron is added once.
    mutating func finishQKV(_ biases: LayerBiases?) {
        sum.round(into: &qkv)
        if let biases { addElements(biases.qkv, to: &qkv, count: qkv.count) }
    }

    /// All shares of the feed-forward block are in: adds them to the residual stream.
    mutating func finishFeedForward(_ biases: LayerBiases?) {
        sum.round(into: &blockOutput)
        addBlockOutput(biases?.down)
    }

    /// Output projection of the attention context, added to the residual stream.
    mutating func projectAttention(
        _ tensor: Tensor, _ biases: LayerBiases?, model: DecoderModel
    ) {
        model.multiply(tensor, context, into: &blockOutput, tokenCount: 1, threadCount: 1)
        addBlockOutput(biases?.attentionOutput)
    }

    /// What all neurons contribute whether active or not, added to the residual stream.
    mutating func addShift(_ rule: ActivityRule, layer: Int) {
        rule.applyShift(layer: layer, to: normed, hidden: normed.count, into: &shift)
        addElements(shift, to: &state, count: shift.count)
    }

    private mutating func addBlockOutput(_ bias: [Float]?) {
        if let bias { addElements(bias, to: &blockOutput, count: bias.count) }
        addElements(blockOutput, to: &state, count: state.count)
    }

    /// For each head, ascending: queries [group, headSize], key [headSize], value [headSize],
    /// behind the message's header.
    func writeHeads(_ heads: [Int], shape: DecoderShape, into message: inout MutableRawSpan) {
        let queryWidth = shape.headCount * shape.headSize
        let kvWidth = shape.keyValueHeadCount * shape.headSize
        var offset = MessageHeader.byteCount
        for head in heads {
            let parts = [
                (head * shape.groupWidth, shape.groupWidth),
                (queryWidth + head * shape.headSize, shape.headSize),
                (queryWidth + kvWidth + head * shape.headSize, shape.headSize),
            ]
            for (start, count) in parts {
                message.store(qkv.span.extracting(start..<start + count), at: offset)
                offset += 4 * count
            }
        }
    }
}
