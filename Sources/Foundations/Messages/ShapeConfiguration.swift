/// What a worker needs to know of a model of which there is only the shape; payload of
/// ``MessageKind/configureShape``.
///
/// Such a worker receives the same requests, with the same lists of neurons and the same sizes, and
/// derives the same times; values are neither sent nor computed: the bytes of inputs, sums, keys,
/// contexts and weights in its messages are unspecified.
///
/// Payloads of its requests, in elements of ``bytesPerActivation`` where not bytes; *heads* are the
/// KV heads that the DIMM attends for in the layer: its own, or all where positions are split.
///
/// * ``MessageKind/projectQKV``, ``MessageKind/feedForward``: a bit set of the block's slots for
///   each sequence, then batch x ``Block/inputByteCount`` bytes. Reply: batch x
///   ``Block/sumByteCount`` bytes, then as many bytes as the sets have; `count` = elements of the
///   sums, `auxiliary` = neurons that any sequence needs.
/// * ``MessageKind/attend``, `count` = heads: batch x heads x (group + 2) x head size; without the
///   2 (key and value) where another DIMM holds the position. Reply: batch x heads x group x head
///   size, or head size + 2 where positions are split, for the maximum and the sum to merge by.
/// * ``MessageKind/storeKeysAndValues``, `count` of the positions that the DIMM holds, from its
///   number `position` on: count x batch x heads x 2 x head size. Where positions are split a
///   DIMM holds those with position % DIMMs = its index, else all.
/// * Requests that move neurons have the block in `position`, as has
///   ``MessageKind/neuronTransfer``;
///   the neuron numbers of ``MessageKind/takeNeurons`` are not read.
///
/// Byte layout, little-endian: the fields in the order of ``fields`` as UInt64, then for each layer
/// and block the neurons that the DIMM starts with as UInt32, then the topology as UTF-8 YAML.
package struct ShapeConfiguration: Equatable, Sendable {
    /// QKV and MLP.
    package static let blockCount = 2
    private static let fieldCount = 15 + 5 * blockCount
    private static let fixedByteCount = 8 * fieldCount

    /// One kind of sparse operator.
    package struct Block: Equatable, Sendable {
        /// Slots of one layer, filled or not.
        package var slotCount: Int
        package var neuronByteCount: Int
        package var weightsPerNeuron: Int
        /// Of one sequence: what a request carries beside its sets, and what a reply does.
        package var inputByteCount: Int
        package var sumByteCount: Int

        package init(
            slotCount: Int, neuronByteCount: Int, weightsPerNeuron: Int, inputByteCount: Int,
            sumByteCount: Int
        ) {
            self.slotCount = slotCount
            self.neuronByteCount = neuronByteCount
            self.weightsPerNeuron = weightsPerNeuron
            self.inputByteCount = inputByteCount
            self.sumByteCount = sumByteCount
        }

        fileprivate var fields: [Int] {
            [slotCount, neuronByteCount, weightsPerNeuron, inputByteCount, sumByteCount]
        }
    }

    /// How the attention of one layer is divided among the DIMMs.
    package enum AttentionSplit: Int, Sendable {
        /// By KV heads, as in a run of a real model.
        case heads = 0
        /// By positions, which DIMMs hold in turn; each attends over its own for all heads.
        case sequence = 1
    }

    /// A host CPU in place of an NDP core: rates that it reaches, and a fixed cost of each step.
    package struct Host: Equatable, Sendable {
        package var weightBytesPerSecond: UInt64
        package var keyValueBytesPerSecond: UInt64
        package var stepPicoseconds: UInt64

        package init(
            weightBytesPerSecond: UInt64, keyValueBytesPerSecond: UInt64, stepPicoseconds: UInt64
        ) {
            self.weightBytesPerSecond = weightBytesPerSecond
            self.keyValueBytesPerSecond = keyValueBytesPerSecond
            self.stepPicoseconds = stepPicoseconds
        }
    }

    package var dimmIndex: Int
    package var dimmCount: Int
    package var layerCount: Int
    /// Sequences decoded together: a request has one set of slots for each.
    package var batchSize: Int
    package var contextCapacity: Int
    /// Whether emulated time is kept; a native run has none.
    package var isTimed: Bool
    /// Of the whole model.
    package var queryHeadCount: Int
    package var keyValueHeadCount: Int
    package var headSize: Int
    package var bytesPerActivation: Int
    package var attentionSplit: AttentionSplit
    /// Memory that requests really read, round and round, where time is wall time; 0 for none.
    package var arenaByteCount: Int
    /// `nil` for an NDP-DIMM.
    package var host: Host?
    /// QKV, MLP.
    package var blocks: [Block]
    /// Slots that hold a neuron at the start, the first ones, [layers][blocks].
    package var filledSlotCounts: [[Int]]
    package var topologyText: String

    package init(
        dimmIndex: Int, dimmCount: Int, layerCount: Int, batchSize: Int, contextCapacity: Int,
        isTimed: Bool, queryHeadCount: Int, keyValueHeadCount: Int, headSize: Int,
        bytesPerActivation: Int, attentionSplit: AttentionSplit, arenaByteCount: Int, host: Host?,
        blocks: [Block], filledSlotCounts: [[Int]], topologyText: String
    ) {
        precondition(blocks.count == Self.blockCount)
        precondition(filledSlotCounts.count == layerCount)
        precondition(filledSlotCounts.allSatisfy { $0.count == Self.blockCount })
        self.dimmIndex = dimmIndex
        self.dimmCount = dimmCount
        self.layerCount = layerCount
        self.batchSize = batchSize
        self.contextCapacity = contextCapacity
        self.isTimed = isTimed
        self.queryHeadCount = queryHeadCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.bytesPerActivation = bytesPerActivation
        self.attentionSplit = attentionSplit
        self.arenaByteCount = arenaByteCount
        self.host = host
        self.blocks = blocks
        self.filledSlotCounts = filledSlotCounts
        self.topologyText = topologyText
    }

    // MARK: Wire

    package var byteCount: Int {
        Self.fixedByteCount + 4 * layerCount * Self.blockCount + topologyText.utf8.count
    }

    private var fields: [UInt64] {
        let numbers =
            [
                dimmIndex, dimmCount, layerCount, batchSize, contextCapacity, isTimed ? 1 : 0,
                queryHeadCount, keyValueHeadCount, headSize, bytesPerActivation,
                attentionSplit.rawValue, arenaByteCount,
            ] + blocks.flatMap(\.fields)
        return numbers.map { UInt64($0) } + [
            host?.weightBytesPerSecond ?? 0, host?.keyValueBytesPerSecond ?? 0,
            host?.stepPicoseconds ?? 0,
        ]
    }

    package func encode(into message: inout MutableRawSpan) {
        var offset = MessageHeader.byteCount
        for field in fields {
            message.storeBytes(of: field, toByteOffset: offset, as: UInt64.self)
            offset += 8
        }
        for count in filledSlotCounts.joined() {
            message.storeBytes(of: UInt32(count), toByteOffset: offset, as: UInt32.self)
            offset += 4
        }
        let text = Array(topologyText.utf8)
        unsafe message.store(bytes: text.span.bytes, at: offset)
    }

    /// Reads and checks a configuration behind the header of `message`.
    package init(decoding message: RawSpan) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard message.byteCount >= base + Self.fixedByteCount else {
            throw .peerCorrupt("a shape of \(message.byteCount) bytes")
        }
        let words = (0..<Self.fieldCount).map { message.word64(at: base + 8 * $0) }
        // Counts and sizes of any model, and products of two of them, stay far below 64 bits.
        let limit = UInt64(1) << 31
        guard words.dropLast(3).allSatisfy({ $0 < limit }) else {
            throw .peerCorrupt("a shape with a size of 2 Gi or more")
        }
        let numbers = words.dropLast(3).map { Int($0) }
        dimmIndex = numbers[0]
        dimmCount = numbers[1]
        layerCount = numbers[2]
        batchSize = numbers[3]
        contextCapacity = numbers[4]
        isTimed = numbers[5] != 0
        queryHeadCount = numbers[6]
        keyValueHeadCount = numbers[7]
        headSize = numbers[8]
        bytesPerActivation = numbers[9]
        guard let split = AttentionSplit(rawValue: numbers[10]) else {
            throw .peerCorrupt("attention split \(numbers[10]) is unknown")
        }
        attentionSplit = split
        arenaByteCount = numbers[11]
        blocks = (0..<Self.blockCount).map { block in
            let first = 12 + 5 * block
            return Block(
                slotCount: numbers[first], neuronByteCount: numbers[first + 1],
                weightsPerNeuron: numbers[first + 2], inputByteCount: numbers[first + 3],
                sumByteCount: numbers[first + 4])
        }
        let rates = Array(words.suffix(3))
        host =
            rates[0] == 0
            ? nil
            : Host(
                weightBytesPerSecond: rates[0], keyValueBytesPerSecond: rates[1],
                stepPicoseconds: rates[2])
        filledSlotCounts = []
        topologyText = ""
        try check()
        try decodeRest(of: message, at: base + Self.fixedByteCount)
    }

    private mutating func decodeRest(
        of message: RawSpan, at base: Int
    ) throws(LinkError) {
        let countBytes = 4 * layerCount * Self.blockCount
        guard message.byteCount >= base + countBytes else {
            throw .peerCorrupt("a shape of \(layerCount) layers in \(message.byteCount) bytes")
        }
        filledSlotCounts = (0..<layerCount).map { layer in
            (0..<Self.blockCount).map {
                Int(message.word32(at: base + 4 * (Self.blockCount * layer + $0)))
            }
        }
        for counts in filledSlotCounts {
            for (block, count) in counts.enumerated() where count > blocks[block].slotCount {
                throw .peerCorrupt("\(count) neurons in \(blocks[block].slotCount) slots")
            }
        }
        topologyText = message.text(
            at: base + countBytes, byteCount: message.byteCount - base - countBytes)
    }

    private func check() throws(LinkError) {
        let counts = [
            dimmCount, layerCount, batchSize, contextCapacity, keyValueHeadCount, headSize,
            bytesPerActivation,
        ]
        guard counts.allSatisfy({ $0 >= 1 }), dimmIndex < dimmCount, layerCount <= UInt16.max,
            batchSize <= 4096, queryHeadCount >= 1,
            queryHeadCount.isMultiple(of: keyValueHeadCount)
        else { throw .peerCorrupt("a shape that no model has") }
        for block in blocks where block.neuronByteCount < 1 || block.weightsPerNeuron < 1 {
            throw .peerCorrupt("neurons without weights")
        }
        if let host, host.keyValueBytesPerSecond == 0 {
            throw .peerCorrupt("a host that reads nothing")
        }
    }
}
