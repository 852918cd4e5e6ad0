package import PackedSets

/// One token's activity.
package struct TraceFrame: Equatable, Sendable {
    /// 0 for the first token of the trace.
    package internal(set) var tokenIndex: Int
    /// The token that the step consumed: the model's vocabulary index.
    package internal(set) var tokenID: Int
    /// Whether the token belongs to the prefill.
    package internal(set) var isPrefill: Bool
    /// Active neurons, by layer, then by block: [layers × blocks].
    package internal(set) var sets: [PackedSet]
    private let blockCount: Int

    /// A frame without activity, to be filled by ``ActivityTraceReader/readNext(into:)``.
    package init(shape: TraceShape) {
        tokenIndex = 0
        tokenID = 0
        isPrefill = false
        blockCount = shape.blocks.count
        let layer = shape.blocks.map { PackedSet(elementCount: $0.neuronCount) }
        sets = (0..<shape.layerCount).flatMap { _ in layer }
    }

    /// The active neurons of one block of one layer.
    package subscript(layer layer: Int, block block: Int) -> PackedSet {
        precondition(block >= 0 && block < blockCount)
        return sets[layer * blockCount + block]
    }

    /// Whether the frame has room for the tokens of a trace.
    func fits(_ shape: TraceShape) -> Bool {
        sets.count == shape.layerCount * shape.blocks.count
            && sets.indices.allSatisfy {
                sets[$0].elementCount == shape.blocks[$0 % shape.blocks.count].neuronCount
            }
    }

    /// Takes over a token's words, of which no bit names a neuron past the last.
    mutating func fill(
        from words: [UInt64], tokenIndex: Int, tokenID: Int, isPrefill: Bool
    ) {
        self.tokenIndex = tokenIndex
        self.tokenID = tokenID
        self.isPrefill = isPrefill
        var position = 0
        for index in sets.indices {
            for word in 0..<sets[index].words.count {
                sets[index].setWord(words[position], at: word)
                position += 1
            }
        }
    }
}
