import Messages

/// The keys and values that a DIMM's worker was sent, for another worker in its place.
///
/// Rows are indexed by position, as the worker stores them, so one that is sent again replaces the
/// earlier one. Float32; as much memory as the worker's own KV cache takes.
struct RowJournal {
    /// Sizes of a model's attention, in elements.
    struct Sizes {
        let headSize: Int
        /// Of the queries that share one KV head.
        let groupWidth: Int
    }

    private struct HeadRows {
        var keys: [Float] = []  // [positions, headSize]
        var values: [Float] = []
        /// The prefill's keys come rotated, a token's own do not, [positions].
        var isRotated: [Bool] = []
    }

    private let sizes: Sizes
    /// The KV heads at home on the DIMM, ascending, [layers].
    private let heads: [[Int]]
    private var rows: [[HeadRows]]  // [layers][heads at home]

    init(sizes: Sizes, heads: [[Int]]) {
        self.sizes = sizes
        self.heads = heads
        rows = heads.map { $0.map { _ in HeadRows() } }
    }

    /// Of what would be sent again.
    var byteCount: Int {
        rows.joined().reduce(0) { $0 + 8 * sizes.headSize * $1.isRotated.count }
    }

    /// Notes rows of the prefill.
    mutating func noteStored(_ header: MessageHeader, _ message: RawSpan) {
        guard let place = heads[header.layer].firstIndex(of: header.auxiliary) else {
            preconditionFailure("rows go to the DIMM where their head is at home")
        }
        let byteCount = 4 * header.count * sizes.headSize
        note(
            message, layer: header.layer, place: place, first: header.position,
            count: header.count, keysAt: MessageHeader.byteCount,
            valuesAt: MessageHeader.byteCount + byteCount, isRotated: true)
    }

    /// Notes the rows of a token's request for attention.
    mutating func noteAttended(_ header: MessageHeader, _ message: RawSpan) {
        let (head, group) = (4 * sizes.headSize, 4 * sizes.groupWidth)
        for place in heads[header.layer].indices {
            let keys = MessageHeader.byteCount + place * (group + 2 * head) + group
            note(
                message, layer: header.layer, place: place, first: header.position, count: 1,
                keysAt: keys, valuesAt: keys + head, isRotated: false)
        }
    }

    private mutating func note(
        _ message: RawSpan, layer: Int, place: Int, first: Int, count: Int, keysAt: Int,
        valuesAt: Int, isRotated: Bool
    ) {
        let end = first + count
        let missing = end - rows[layer][place].isRotated.count
        if missing > 0 {
            let floats = repeatElement(Float(0), count: missing * sizes.headSize)
            rows[layer][place].keys.append(contentsOf: floats)
            rows[layer][place].values.append(contentsOf: floats)
            rows[layer][place].isRotated.append(
                contentsOf: repeatElement(isRotated, count: missing))
        }
        for position in first..<end { rows[layer][place].isRotated[position] = isRotated }
        let extent = first * sizes.headSize..<end * sizes.headSize
        copy(message, at: keysAt, into: &rows[layer][place].keys, extent)
        copy(message, at: valuesAt, into: &rows[layer][place].values, extent)
    }

    private func copy(
        _ message: RawSpan, at byteOffset: Int, into array: inout [Float], _ extent: Range<Int>
    ) {
        var all = array.mutableSpan
        var target = all._mutatingExtracting(extent)
        message.copyFloats(at: byteOffset, into: &target)
    }

    // MARK: Sending again

    /// Calls `body` with a message for all rows, one after the other.
    ///
    /// - Parameter payloadLimit: bytes that a message may carry behind its header.
    func replay<Failure: Error>(
        payloadLimit: Int, _ body: (MessageHeader, [Float]) throws(Failure) -> Void
    ) throws(Failure) {
        let limit = max(1, payloadLimit / (8 * sizes.headSize))
        for layer in rows.indices {
            for (place, head) in heads[layer].enumerated() {
                var first = 0
                while let header = self.header(
                    layer: layer, place: place, head: head, first: first, limit: limit)
                {
                    try body(header, floats(of: header))
                    first += header.count
                }
            }
        }
    }

    /// The message for the rows from `first` on that are alike; `nil` behind the last.
    private func header(
        layer: Int, place: Int, head: Int, first: Int, limit: Int
    ) -> MessageHeader? {
        let flags = rows[layer][place].isRotated
        guard first < flags.count else { return nil }
        var end = first
        while end < flags.count, flags[end] == flags[first], end - first < limit { end += 1 }
        return MessageHeader(
            flags[first] ? .storeKeysAndValues : .restoreKeysAndValues, layer: layer,
            position: first, count: end - first, auxiliary: head, step: 0)
    }

    /// Keys, then values, of the rows that a header names.
    func floats(of header: MessageHeader) -> [Float] {
        guard let place = heads[header.layer].firstIndex(of: header.auxiliary) else { return [] }
        let range =
            header.position * sizes.headSize..<(header.position + header.count) * sizes.headSize
        let stored = rows[header.layer][place]
        return Array(stored.keys[range]) + Array(stored.values[range])
    }
}
