/// What slots hold from now on, whatever they held; payload of ``MessageKind/placeNeurons``.
///
/// Byte layout: for each slot its number and its neuron, ``none`` for an empty one, UInt32 each,
/// then mean and weight of the neuron's activity rule, Float each, zero where there is none; all
/// little-endian.
package struct NeuronPlacements: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package var slot: UInt32
        /// `nil` for a slot that is empty.
        package var neuron: UInt32?
        package var mean: Float
        package var weight: Float

        package init(slot: UInt32, neuron: UInt32?, mean: Float = 0, weight: Float = 0) {
            self.slot = slot
            self.neuron = neuron
            self.mean = mean
            self.weight = weight
        }
    }

    package static let entryByteCount = 16
    private static let none = UInt32.max

    package var entries: [Entry]

    package init(entries: [Entry]) { self.entries = entries }

    package var byteCount: Int { Self.entryByteCount * entries.count }

    /// Reads `count` placements behind the header of a message.
    package init(decoding message: RawSpan, count: Int) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard count >= 1, message.byteCount == base + Self.entryByteCount * count else {
            throw .peerCorrupt("what \(count) slots hold in \(message.byteCount) bytes")
        }
        entries = (0..<count).map {
            let start = base + Self.entryByteCount * $0
            let neuron = message.word32(at: start + 4)
            return Entry(
                slot: message.word32(at: start), neuron: neuron == Self.none ? nil : neuron,
                mean: Float(bitPattern: message.word32(at: start + 8)),
                weight: Float(bitPattern: message.word32(at: start + 12)))
        }
    }

    package func encode(into message: inout MutableRawSpan) {
        for (index, entry) in entries.enumerated() {
            let start = MessageHeader.byteCount + Self.entryByteCount * index
            let words = [
                entry.slot, entry.neuron ?? Self.none, entry.mean.bitPattern,
                entry.weight.bitPattern,
            ]
            for (place, word) in words.enumerated() {
                message.storeBytes(of: word, toByteOffset: start + 4 * place, as: UInt32.self)
            }
        }
    }
}
