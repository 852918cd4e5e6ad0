import Kernels
import MappedMemory
import Messages
import ModelFile
import NeuronPlacement
import Transformer

/// The keys and values of the KV heads that one DIMM owns, and their attention.
///
/// Storage, float32: for each owned head in (layer, head) order its keys [capacity, headSize],
/// then its values [capacity, headSize]. Rows are indexed by position, so storing one again
/// replaces it. Pages appear when positions are first written.
struct HeadStore: ~Copyable {
    private(set) var storage: AnonymousMapping
    private let capacity: Int
    private let headSize: Int
    private let groupWidth: Int
    private let scale: Float
    /// Owned heads per layer, ascending, and each one's ordinal in the storage.
    private let heads: [[Int]]
    private let ordinals: [[Int]]
    private var scores: [Float]
    private var vectors: [Float]
    private let rotary: RotaryTable?

    init(
        configuration: WorkerConfiguration, model: DecoderModel,
        allocate: (Int, String) throws(MappedMemoryError) -> AnonymousMapping
    ) throws(MappedMemoryError) {
        let shape = model.shape
        let map = HeadMap(
            keyValueHeadCount: shape.keyValueHeadCount, dimmCount: configuration.dimmCount)
        capacity = configuration.contextCapacity
        headSize = shape.headSize
        groupWidth = shape.groupWidth
        scale = model.attentionScale
        heads = (0..<shape.layerCount).map {
            map.heads(layer: $0, dimm: configuration.dimmIndex)
        }
        var next = 0
        ordinals = heads.map { owned in
            owned.map { _ in
                next += 1
                return next - 1
            }
        }
        storage = try allocate(max(1, next * 2 * capacity * headSize * 4), "the KV cache")
        scores = Array(
            repeating: 0, count: shape.headCount / shape.keyValueHeadCount * capacity)
        vectors = Array(repeating: 0, count: groupWidth + 2 * headSize)
        rotary = model.rotaryTable(positionCount: capacity)
    }

    /// Takes rows that a worker had whose place this one has: the keys come as tokens have them.
    mutating func restore(_ message: RawSpan, header: MessageHeader) throws(LinkError) {
        try store(message, header: header)
        guard let place = heads[header.layer].firstIndex(of: header.auxiliary) else { return }
        let ordinal = ordinals[header.layer][place]
        // One row at a time, as in attention, so that the bits are the same.
        var row = Array(repeating: Float(0), count: headSize)
        for position in header.position..<header.position + header.count {
            var stored = storage.mutableElements(
                of: Float.self, atByteOffset: offset(ordinal, isValue: false, position: position),
                count: headSize)
            for column in 0..<headSize { row[column] = stored[column] }
            rotateRows(
                &row, width: headSize, rowCount: 1, headSize: headSize, position: position,
                table: rotary)
            for column in 0..<headSize { stored[column] = row[column] }
        }
    }

    /// Takes rows of the prefill: the keys come rotated.
    mutating func store(_ message: RawSpan, header: MessageHeader) throws(LinkError) {
        let (head, first, count) = (header.auxiliary, header.position, header.count)
        guard let place = heads[header.layer].firstIndex(of: head) else {
            throw .peerCorrupt("head \(head) of layer \(header.layer) is not at home here")
        }
        guard first + count <= capacity else {
            throw .peerCorrupt("positions \(first)..<\(first + count) of \(capacity)")
        }
        let floatCount = count * headSize
        guard message.byteCount == MessageHeader.byteCount + 8 * floatCount else {
            throw .peerCorrupt("\(count) rows in \(message.byteCount) bytes")
        }
        let ordinal = ordinals[header.layer][place]
        for (part, isValue) in [false, true].enumerated() {
            var rows = storage.mutableElements(
                of: Float.self, atByteOffset: offset(ordinal, isValue: isValue, position: first),
                count: floatCount)
            message.copyFloats(
                at: MessageHeader.byteCount + part * 4 * floatCount, into: &rows)
        }
    }

    /// Appends one position's key and value for each owned head and attends over all positions
    /// up to it.
    ///
    /// - Parameter output: receives [owned heads, group, headSize].
    /// - Returns: how many heads that was.
    mutating func attend(
        _ message: RawSpan, header: MessageHeader, into output: inout [Float]
    ) throws(LinkError) -> Int {
        let owned = heads[header.layer]
        guard !owned.isEmpty else {
            throw .peerCorrupt("no head of layer \(header.layer) is at home here")
        }
        let vectorCount = groupWidth + 2 * headSize
        guard header.count == owned.count,
            message.byteCount == MessageHeader.byteCount + 4 * vectorCount * owned.count
        else {
            throw .peerCorrupt("\(header.count) heads in \(message.byteCount) bytes")
        }
        guard header.position < capacity else {
            throw .peerCorrupt("position \(header.position) of \(capacity)")
        }
        for place in owned.indices {
            var span = vectors.mutableSpan
            message.copyFloats(
                at: MessageHeader.byteCount + 4 * vectorCount * place, into: &span)
            let target = place * groupWidth..<(place + 1) * groupWidth
            attendOne(
                ordinal: ordinals[header.layer][place], position: header.position,
                into: &output, range: target)
        }
        return owned.count
    }

    /// The vectors hold queries [group, headSize], key and value [headSize], not yet rotated.
    private mutating func attendOne(
        ordinal: Int, position: Int, into output: inout [Float], range: Range<Int>
    ) {
        rotateRows(
            &vectors, width: groupWidth + headSize, rowCount: 1, headSize: headSize,
            position: position, table: rotary)
        for (part, isValue) in [false, true].enumerated() {
            var row = storage.mutableElements(
                of: Float.self, atByteOffset: offset(ordinal, isValue: isValue, position: position),
                count: headSize)
            let start = groupWidth + part * headSize
            for column in 0..<headSize { row[column] = vectors[start + column] }
        }
        let rowCount = (position + 1) * headSize
        attendGroup(
            vectors,
            keys: storage.elements(
                of: Float.self, atByteOffset: offset(ordinal, isValue: false, position: 0),
                count: rowCount),
            values: storage.elements(
                of: Float.self, atByteOffset: offset(ordinal, isValue: true, position: 0),
                count: rowCount),
            headSize: headSize, scale: scale, scores: &scores, into: &output, range: range)
    }

    private func offset(_ ordinal: Int, isValue: Bool, position: Int) -> Int {
        ((2 * ordinal + (isValue ? 1 : 0)) * capacity + position) * headSize * 4
    }
}

/// Attention of the queries that `vectors` begins with; the context goes to `range` of `output`.
private func attendGroup(
    _ vectors: [Float], keys: Span<Float>, values: Span<Float>, headSize: Int, scale: Float,
    scores: inout [Float], into output: inout [Float], range: Range<Int>
) {
    var allScores = scores.mutableSpan
    var scoreSpan = allScores._mutatingExtracting(
        0..<(range.count / headSize) * (keys.count / headSize))
    var all = output.mutableSpan
    var context = all._mutatingExtracting(range)
    attend(
        queries: vectors.span.extracting(0..<range.count), headSize: headSize, keys: keys,
        values: values, scale: scale, scores: &scoreSpan, into: &context)
}
