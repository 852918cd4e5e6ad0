import Messages
import PackedSets
import Quantities

/// A DIMM's part in moving neurons of a model that is known by its shape alone: what is sent has
/// the size of the neurons, and slots are full or empty.
extension ShapeWorker {
    mutating func exchangeNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        guard header.position < shape.blocks.count else {
            throw .peerCorrupt("block \(header.position) of \(shape.blocks.count)")
        }
        switch header.kind {
        case .giveNeurons: return try giveNeurons(message, header: header)
        case .takeNeurons: return try takeNeurons(message, header: header)
        case .sendNeurons: return try copyNeurons(message, header: header)
        default:
            let slots = try SlotList.decode(message, count: header.count)
            let slotCount = shape.blocks[header.position].slotCount
            for slot in slots where Int(slot) >= slotCount {
                throw .peerCorrupt("slot \(slot) of \(slotCount)")
            }
            for slot in slots { filled[header.layer][header.position].remove(Int(slot)) }
            return .nothing
        }
    }

    /// Full and empty slots of a worker whose place this one has.
    mutating func placeNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) {
        let placements = try NeuronPlacements(decoding: message, count: header.count)
        guard header.position < shape.blocks.count else {
            throw .peerCorrupt("block \(header.position) of \(shape.blocks.count)")
        }
        for entry in placements.entries {
            guard Int(entry.slot) < shape.blocks[header.position].slotCount else {
                throw .peerCorrupt("slot \(entry.slot) of block \(header.position)")
            }
            if entry.neuron == nil {
                filled[header.layer][header.position].remove(Int(entry.slot))
            } else {
                filled[header.layer][header.position].insert(Int(entry.slot))
            }
        }
    }

    private static func sizes(_ header: MessageHeader) -> KeyPath<WorkSizes, WorkSizes.Block> {
        header.position == 0 ? \.qkv : \.feedForward
    }

    /// The slots that a request names, each of which holds a neuron.
    private func filledSlots(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> [UInt32] {
        let slots = try SlotList.decode(message, count: header.count)
        let set = filled[header.layer][header.position]
        for slot in slots where Int(slot) >= set.elementCount || !set.contains(Int(slot)) {
            throw .peerCorrupt("slot \(slot) of layer \(header.layer) holds no neuron")
        }
        return slots
    }

    private mutating func giveNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let slots = try filledSlots(message, header: header)
        let stride = shape.blocks[header.position].neuronByteCount
        try port.checkPeer(header.auxiliary, takes: slots.count, of: stride)
        read(slots.lazy.map { Int($0) }, layer: header.layer, block: header.position)
        let sizes = Self.sizes(header)
        let timing = try timer?.readNeurons(slots: slots, of: sizes, arrival: header.instant)
        let report = timing?.report ?? WorkReport()
        let reply = try port.give(
            slots.count, of: stride, as: header, ready: timing?.ready, report: report,
            isWritten: false)
        return .exchange(reply, report, payloadByteCount: 0)
    }

    private mutating func takeNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let arrivals = try NeuronArrivals(decoding: message, count: header.count)
        let slots = arrivals.entries.map(\.slot)
        var set = filled[header.layer][header.position]
        for slot in slots {
            guard Int(slot) < set.elementCount, !set.contains(Int(slot)) else {
                throw .peerCorrupt(
                    "slot \(slot) of layer \(header.layer) cannot take another neuron")
            }
            set.insert(Int(slot))
        }
        let isHere = try port.take(
            slots.count, of: shape.blocks[header.position].neuronByteCount, as: header)
        if isHere { filled[header.layer][header.position] = set }
        let sizes = Self.sizes(header)
        let timing = try timer?.writeNeurons(
            slots: slots, of: sizes, request: header.instant,
            arrival: EmulatedTime(picosecondsSinceStart: arrivals.arrivalPicoseconds))
        return .exchange(
            header.answer(
                .neuronsTaken, count: isHere ? slots.count : 0, ready: timing?.ready),
            timing?.report ?? WorkReport(), payloadByteCount: 0)
    }

    private mutating func copyNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let slots = try filledSlots(message, header: header)
        let stride = shape.blocks[header.position].neuronByteCount
        try port.checkRoom(for: slots.count, of: stride)
        read(slots.lazy.map { Int($0) }, layer: header.layer, block: header.position)
        let sizes = Self.sizes(header)
        let timing = try timer?.readNeurons(slots: slots, of: sizes, arrival: header.instant)
        let report = timing?.report ?? WorkReport()
        let reply = header.answer(.neuronWeights, count: slots.count, ready: timing?.ready)
        return .exchange(
            try port.finished(reply, report).header, report,
            payloadByteCount: slots.count * stride)
    }
}
