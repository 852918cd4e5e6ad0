/// A kind of neurons that every layer of a model has, such as those of its feed-forward network.
package struct TraceBlock: Equatable, Sendable {
    /// "qkv" or "mlp" by convention; unique in a trace, 1 to 64 bytes of UTF-8.
    package let name: String
    package let neuronCount: Int

    package init(name: String, neuronCount: Int) {
        self.name = name
        self.neuronCount = neuronCount
    }
}

/// How many neurons a trace is about, and in which order tables list them: by layer, then by block,
/// then by neuron.
package struct TraceShape: Equatable, Sendable {
    package let layerCount: Int
    package let blocks: [TraceBlock]

    package init(layerCount: Int, blocks: [TraceBlock]) {
        self.layerCount = layerCount
        self.blocks = blocks
    }

    /// Neurons of one layer, all blocks.
    package var neuronsPerLayer: Int { blocks.reduce(0) { $0 + $1.neuronCount } }

    /// Neurons of the model: entries of a table.
    package var neuronCount: Int { layerCount * neuronsPerLayer }

    /// Where a table lists the neurons of one block of one layer.
    package func range(layer: Int, block: Int) -> Range<Int> {
        precondition(layer >= 0 && layer < layerCount)
        precondition(block >= 0 && block < blocks.count)
        let before = blocks[..<block].reduce(layer * neuronsPerLayer) { $0 + $1.neuronCount }
        return before..<before + blocks[block].neuronCount
    }

    /// The position of the block with this name, if there is one.
    package func blockIndex(named name: String) -> Int? {
        blocks.firstIndex { $0.name == name }
    }

    /// 64-bit words of one token's sets.
    var wordCount: Int {
        layerCount * blocks.reduce(0) { $0 + ($1.neuronCount + 63) / 64 }
    }
}

/// What a trace says about itself before the first token.
package struct TraceHeader: Equatable, Sendable {
    /// At most 1024 bytes of UTF-8.
    package let modelName: String
    /// Of the model file: 64 hexadecimal digits in lower case, or nothing where it is unknown.
    package let modelSHA256: String
    /// Where the activity is from: the text and the setting. At most 4096 bytes of UTF-8.
    package let source: String
    package let shape: TraceShape
    /// The first so many tokens are prefill: they were computed densely, and their activity is what
    /// the setting would have called active.
    package let prefillTokenCount: Int

    package init(
        modelName: String, modelSHA256: String, source: String, shape: TraceShape,
        prefillTokenCount: Int
    ) {
        self.modelName = modelName
        self.modelSHA256 = modelSHA256
        self.source = source
        self.shape = shape
        self.prefillTokenCount = prefillTokenCount
    }
}

/// Numbers of the format that writer and reader share; the article Format has the byte layout.
enum TraceFormat {
    static let magic: [UInt8] = Array("HERMESAT".utf8)
    static let endMagic: [UInt8] = Array("HEND".utf8)
    static let version = 1

    /// Magic, version, and the header's own length.
    static let preambleByteCount = 16
    static let headerByteCounts = 45...6342
    static let layerCounts = 1...4096
    static let blockCounts = 1...16
    /// 2 MiB a token and at most 128 MiB a table: five times the largest model of the paper.
    static let neuronCounts = 1...(1 << 24)
    static let tokenCounts = 0...Int(UInt32.max)
    static let nameByteCounts = 1...64

    static let frameHeadByteCount = 8
    static let checksumByteCount = 4
    static let smallestFrameByteCount = frameHeadByteCount + checksumByteCount
    static let payloadMask: UInt32 = 0x3FFF_FFFF

    static let footerByteCount = 24
    static let directoryByteCounts = 40...1288
    static let parentTableCounts = 0...16
}

/// How a frame's or a table's bytes are stored: two bits above a byte count of thirty.
struct StoredForm: Equatable {
    var isDeflated: Bool
    /// Frames only: the bits are those that differ from the token before.
    var isDifference = false
    var byteCount: Int

    init(isDeflated: Bool, isDifference: Bool = false, byteCount: Int) {
        precondition(byteCount <= Int(TraceFormat.payloadMask))
        self.isDeflated = isDeflated
        self.isDifference = isDifference
        self.byteCount = byteCount
    }

    init(encoded: UInt32) {
        isDeflated = encoded >> 30 & 1 == 1
        isDifference = encoded >> 31 == 1
        byteCount = Int(encoded & TraceFormat.payloadMask)
    }

    var encoded: UInt32 {
        UInt32(byteCount) | (isDeflated ? 1 << 30 : 0) | (isDifference ? 1 << 31 : 0)
    }

    /// Deflated bytes are fewer than those they stand for, and stored ones equally many. Deflate
    /// cannot expand further than its limit, so a short file cannot claim a large table.
    func lengths(standingFor byteCount: Int) -> ClosedRange<Int> {
        guard isDeflated else { return byteCount...byteCount }
        let least = (byteCount + Inflater.maximumExpansion - 1) / Inflater.maximumExpansion
        return least...max(least, byteCount - 1)
    }
}

extension TraceHeader {
    /// The header's bytes, checksum included.
    func encoded(file: String) throws(ActivityTraceError) -> [UInt8] {
        let rules = FieldReader([], file: file, place: .header)
        let lengths = (modelName.utf8.count, source.utf8.count)
        try rules.check("length of the model name in bytes", lengths.0, in: 0...1024)
        try rules.check("length of the source in bytes", lengths.1, in: 0...4096)
        for block in shape.blocks {
            try rules.check(
                "length of the block name in bytes", block.name.utf8.count,
                in: TraceFormat.nameByteCounts)
        }
        try check(rules)
        var body: [UInt8] = []
        body.append(littleEndian: UInt32(shape.layerCount))
        body.append(littleEndian: UInt32(shape.blocks.count))
        body.append(littleEndian: UInt32(prefillTokenCount))
        for block in shape.blocks {
            body.append(littleEndian: UInt32(block.neuronCount))
            body.append(text: block.name)
        }
        for text in [modelName, modelSHA256, source] { body.append(text: text) }
        var bytes = TraceFormat.magic
        bytes.append(littleEndian: UInt32(TraceFormat.version))
        bytes.append(
            littleEndian: UInt32(
                TraceFormat.preambleByteCount + body.count + TraceFormat.checksumByteCount))
        bytes += body
        bytes.append(littleEndian: checksum(0, bytes))
        return bytes
    }

    /// Reads the fields after the preamble, of bytes whose checksum matched.
    init(_ bytes: [UInt8], file: String) throws(ActivityTraceError) {
        var fields = FieldReader(
            Array(bytes.dropLast(TraceFormat.checksumByteCount)),
            from: TraceFormat.preambleByteCount, file: file, place: .header)
        let layerCount = try fields.count("layer count", in: TraceFormat.layerCounts)
        let blockCount = try fields.count("block count", in: TraceFormat.blockCounts)
        prefillTokenCount = try fields.count("prefill token count", in: TraceFormat.tokenCounts)
        var blocks: [TraceBlock] = []
        for _ in 0..<blockCount {
            let neuronCount = try fields.count("neuron count", in: TraceFormat.neuronCounts)
            let name = try fields.text("block name", in: TraceFormat.nameByteCounts)
            blocks.append(TraceBlock(name: name, neuronCount: neuronCount))
        }
        shape = TraceShape(layerCount: layerCount, blocks: blocks)
        modelName = try fields.text("model name", in: 0...1024)
        modelSHA256 = try fields.text("model SHA-256", in: 0...64)
        source = try fields.text("source", in: 0...4096)
        try fields.end()
        try check(fields)
    }

    /// The rules that hold for headers to be written as for headers that were read.
    private func check(_ rules: FieldReader) throws(ActivityTraceError) {
        try rules.check("layer count", shape.layerCount, in: TraceFormat.layerCounts)
        try rules.check("block count", shape.blocks.count, in: TraceFormat.blockCounts)
        try rules.check("prefill token count", prefillTokenCount, in: TraceFormat.tokenCounts)
        for block in shape.blocks {
            try rules.check("neuron count", block.neuronCount, in: TraceFormat.neuronCounts)
        }
        try rules.check(
            "neuron count of all layers", shape.neuronCount, in: TraceFormat.neuronCounts)
        guard Set(shape.blocks.map(\.name)).count == shape.blocks.count else {
            throw rules.refusal(.contains("two blocks of one name"))
        }
        let digits = modelSHA256.utf8
        let isHash = digits.count == 64 && digits.allSatisfy(Self.isHexadecimalDigit)
        guard digits.isEmpty || isHash else {
            throw rules.refusal(.contains("a model SHA-256 that is not 64 hexadecimal digits"))
        }
    }

    private static func isHexadecimalDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        default: false
        }
    }
}
