import Messages
import NeuronPlacement

/// Which heads and positions of a model's attention one DIMM holds, and what that means for the
/// sizes of messages.
struct AttentionShare {
    private let shape: ShapeConfiguration
    /// KV heads that the DIMM attends for, [layers].
    private let headCounts: [Int]

    init(_ shape: ShapeConfiguration) {
        self.shape = shape
        switch shape.attentionSplit {
        case .heads:
            let map = HeadMap(
                keyValueHeadCount: shape.keyValueHeadCount, dimmCount: shape.dimmCount)
            headCounts = (0..<shape.layerCount).map {
                map.heads(layer: $0, dimm: shape.dimmIndex).count
            }
        case .sequence:
            headCounts = Array(repeating: shape.keyValueHeadCount, count: shape.layerCount)
        }
    }

    private var groupSize: Int { shape.queryHeadCount / shape.keyValueHeadCount }

    /// How many of the first `end` positions the DIMM holds.
    func positionCount(before end: Int) -> Int {
        switch shape.attentionSplit {
        case .heads: end
        case .sequence:
            (end + shape.dimmCount - 1 - shape.dimmIndex) / shape.dimmCount
        }
    }

    /// Bytes of keys and values of one position, of all sequences.
    func rowByteCount(headCount: Int) -> Int {
        shape.batchSize * headCount * 2 * shape.headSize * shape.bytesPerActivation
    }

    /// Bytes of keys and values in all layers when the context is full.
    var capacityByteCount: Int {
        rowByteCount(headCount: headCounts.reduce(0, +))
            * positionCount(before: shape.contextCapacity)
    }

    /// Bytes of what the queries of `headCount` KV heads give, of all sequences.
    ///
    /// Positions that are spread over DIMMs give an unfinished context: with each head the
    /// greatest score and the sum of the weights, from which the GPU merges them.
    func contextByteCount(headCount: Int) -> Int {
        let extra = shape.attentionSplit == .sequence ? 2 : 0
        return shape.batchSize * headCount * groupSize * (shape.headSize + extra)
            * shape.bytesPerActivation
    }

    /// Of the layer that has the longest.
    var longestContextByteCount: Int {
        contextByteCount(headCount: headCounts.max() ?? 0)
    }

    private func headCount(_ layer: Int) throws(LinkError) -> Int {
        guard headCounts[layer] > 0 else {
            throw .peerCorrupt("no head of layer \(layer) is at home here")
        }
        return headCounts[layer]
    }

    /// Checks rows of the prefill: `count` of those that the DIMM holds, from its row `position`.
    func checkRows(_ message: RawSpan, _ header: MessageHeader) throws(LinkError) {
        let headCount = try headCount(header.layer)
        let (first, end) = (header.position, header.position + header.count)
        let capacity = positionCount(before: shape.contextCapacity)
        guard end <= capacity else { throw .peerCorrupt("rows \(first)..<\(end) of \(capacity)") }
        let byteCount = header.count * rowByteCount(headCount: headCount)
        guard message.byteCount == MessageHeader.byteCount + byteCount else {
            throw .peerCorrupt("\(header.count) rows in \(message.byteCount) bytes")
        }
    }

    /// What a request for attention asks for: how many KV heads, over how many positions.
    func work(
        _ message: RawSpan, _ header: MessageHeader
    ) throws(LinkError) -> (headCount: Int, positionCount: Int) {
        let headCount = try headCount(header.layer)
        guard header.position < shape.contextCapacity else {
            throw .peerCorrupt("position \(header.position) of \(shape.contextCapacity)")
        }
        let held = positionCount(before: header.position + 1)
        let isHeld = held > positionCount(before: header.position)
        let queries =
            shape.batchSize * headCount * groupSize * shape.headSize * shape.bytesPerActivation
        let byteCount = queries + (isHeld ? rowByteCount(headCount: headCount) : 0)
        guard header.count == headCount,
            message.byteCount == MessageHeader.byteCount + byteCount
        else {
            throw .peerCorrupt("\(header.count) heads in \(message.byteCount) bytes")
        }
        return (headCount, held)
    }
}

extension ShapeConfiguration {
    /// Refuses sizes that no machine works on: their products would leave 64 bits.
    func checkSizes(_ attention: AttentionShare, messageLimit: Int) throws(LinkError) {
        for block in blocks {
            let weights = Self.product(block.slotCount, batchSize, block.weightsPerNeuron)
            let bytes = Self.product(block.slotCount, block.neuronByteCount, layerCount)
            guard block.slotCount * layerCount <= 1 << 26, weights <= 1 << 48, bytes <= 1 << 48
            else {
                throw .peerCorrupt(
                    "\(block.slotCount) neurons of \(block.neuronByteCount) bytes are absurd")
            }
        }
        let rows = Self.product(batchSize, contextCapacity, layerCount)
        let row = Self.product(queryHeadCount, headSize, bytesPerActivation)
        guard row <= 1 << 31, Self.product(rows, row) <= 1 << 48 else {
            throw .peerCorrupt("\(contextCapacity) positions of \(batchSize) sequences are absurd")
        }
        for block in blocks {
            let setByteCount = 8 * ((block.slotCount + 63) / 64)
            let sums = batchSize * (block.sumByteCount + setByteCount)
            guard WorkerPort.payloadOffset + sums <= messageLimit else {
                throw .peerCorrupt("sums of \(sums) bytes are more than the link carries")
            }
        }
        let context = attention.longestContextByteCount
        guard WorkerPort.payloadOffset + context <= messageLimit else {
            throw .peerCorrupt("contexts of \(context) bytes are more than the link carries")
        }
    }

    /// The largest number when it is more.
    private static func product(_ factors: Int...) -> Int {
        factors.reduce(1) {
            let (product, overflow) = $0.multipliedReportingOverflow(by: $1)
            return overflow ? .max : product
        }
    }
}
