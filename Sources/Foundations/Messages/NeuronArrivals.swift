/// Which neurons a DIMM gets from another one, where it puts them, and when they are there;
/// payload of ``MessageKind/takeNeurons``.
///
/// Byte layout: arrival UInt64, then for each neuron its number and its slot, UInt32 each; all
/// little-endian.
package struct NeuronArrivals: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package var neuron: UInt32
        package var slot: UInt32

        package init(neuron: UInt32, slot: UInt32) {
            self.neuron = neuron
            self.slot = slot
        }
    }

    /// Emulated picoseconds since the start at which the last of them has come over the link;
    /// 0 in a native run.
    package var arrivalPicoseconds: UInt64
    package var entries: [Entry]

    package init(arrivalPicoseconds: UInt64, entries: [Entry]) {
        self.arrivalPicoseconds = arrivalPicoseconds
        self.entries = entries
    }

    package var byteCount: Int { 8 + 8 * entries.count }

    /// Reads `count` arrivals behind the header of a message.
    package init(decoding message: RawSpan, count: Int) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard count >= 1, message.byteCount == base + 8 + 8 * count else {
            throw .peerCorrupt("arrivals of \(count) neurons in \(message.byteCount) bytes")
        }
        arrivalPicoseconds = message.word64(at: base)
        entries = (0..<count).map {
            Entry(
                neuron: message.word32(at: base + 8 + 8 * $0),
                slot: message.word32(at: base + 12 + 8 * $0))
        }
    }

    package func encode(into message: inout MutableRawSpan) {
        let base = MessageHeader.byteCount
        message.storeBytes(of: arrivalPicoseconds, toByteOffset: base, as: UInt64.self)
        for (index, entry) in entries.enumerated() {
            message.storeBytes(
                of: entry.neuron, toByteOffset: base + 8 + 8 * index, as: UInt32.self)
            message.storeBytes(
                of: entry.slot, toByteOffset: base + 12 + 8 * index, as: UInt32.self)
        }
    }
}

/// A list of slots behind a message's header, UInt32 each.
package enum SlotList {
    package static func decode(
        _ message: RawSpan, count: Int
    ) throws(LinkError) -> [UInt32] {
        let base = MessageHeader.byteCount
        guard count >= 1, message.byteCount == base + 4 * count else {
            throw .peerCorrupt("a list of \(count) slots in \(message.byteCount) bytes")
        }
        return (0..<count).map { message.word32(at: base + 4 * $0) }
    }

    package static func encode(_ slots: [UInt32], into message: inout MutableRawSpan) {
        for (index, slot) in slots.enumerated() {
            message.storeBytes(
                of: slot, toByteOffset: MessageHeader.byteCount + 4 * index, as: UInt32.self)
        }
    }
}
