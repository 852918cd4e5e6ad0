import Messages
import ModelFile
import NeuronShards
import Pacing
import Quantities
import Transformer

/// A DIMM's part in moving neurons: it gives some to another DIMM, takes some, sends copies to
/// the GPU, and empties slots when it is told that they are not needed any more.
///
/// What is sent stays where it is until it is released.
extension DIMMWorker {
    /// Mean and weight of the activity rule travel behind a neuron's weights.
    private static var ruleByteCount: Int { 8 }

    /// Bytes of one neuron on its way to another DIMM.
    private func parcelByteCount(layer: Int) -> Int {
        shard.layers[layer].parcelByteCount + (rules[layer] == nil ? 0 : Self.ruleByteCount)
    }

    mutating func exchangeNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        switch header.kind {
        case .giveNeurons: return try giveNeurons(message, header: header)
        case .takeNeurons: return try takeNeurons(message, header: header)
        case .sendNeurons: return try copyNeurons(message, header: header)
        default:
            let slots = try SlotList.decode(message, count: header.count)
            for slot in slots where Int(slot) >= shard.slots[header.layer].slotCount {
                throw .peerCorrupt("slot \(slot) of \(shard.slots[header.layer].slotCount)")
            }
            for slot in slots { shard.releaseSlot(Int(slot), layer: header.layer) }
            return .nothing
        }
    }

    /// The slots that a request names, each of which holds a neuron.
    private func filledSlots(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> [UInt32] {
        let slots = try SlotList.decode(message, count: header.count)
        let table = shard.slots[header.layer]
        for slot in slots {
            guard Int(slot) < table.slotCount, table.neuron(inSlot: Int(slot)) != nil else {
                throw .peerCorrupt("slot \(slot) of layer \(header.layer) holds no neuron")
            }
        }
        return slots
    }

    // MARK: To and from another DIMM

    private mutating func giveNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let slots = try filledSlots(message, header: header)
        let layer = header.layer
        let stride = parcelByteCount(layer: layer)
        try port.checkPeer(header.auxiliary, takes: slots.count, of: stride)
        let timing = try timer?.readNeurons(slots: slots, arrival: header.instant)
        let report = timing?.report ?? WorkReport()
        let reply = try port.give(
            slots.count, of: stride, as: header, ready: timing?.ready, report: report
        ) { writeParcels(slots, layer: layer, into: &$0) }
        return .exchange(reply, report, slots: [])
    }

    private func writeParcels(
        _ slots: [UInt32], layer: Int, into message: inout MutableRawSpan
    ) {
        let stride = parcelByteCount(layer: layer)
        for (index, slot) in slots.enumerated() {
            let start = MessageHeader.byteCount + index * stride
            shard.readNeuron(layer: layer, slot: Int(slot), into: &message, at: start)
            guard let rule = rules[layer] else { continue }
            let values = start + stride - Self.ruleByteCount
            message.storeBytes(
                of: rule.means[Int(slot)].bitPattern, toByteOffset: values, as: UInt32.self)
            message.storeBytes(
                of: rule.weights[Int(slot)].bitPattern, toByteOffset: values + 4, as: UInt32.self)
        }
    }

    private mutating func takeNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let arrivals = try NeuronArrivals(decoding: message, count: header.count)
        try check(arrivals.entries, layer: header.layer)
        let (port, stride) = (port, parcelByteCount(layer: header.layer))
        let isHere = try port.take(arrivals.entries.count, of: stride, as: header) {
            place($0, arrivals.entries, layer: header.layer)
        }
        let timing = try timer?.writeNeurons(
            slots: arrivals.entries.map(\.slot), request: header.instant,
            arrival: EmulatedTime(picosecondsSinceStart: arrivals.arrivalPicoseconds))
        return .exchange(
            header.answer(
                .neuronsTaken, count: isHere ? arrivals.entries.count : 0, ready: timing?.ready),
            timing?.report ?? WorkReport(), slots: [])
    }

    /// Every neuron exists, is not here yet, and its slot takes it.
    private func check(
        _ entries: [NeuronArrivals.Entry], layer: Int
    ) throws(LinkError) {
        var table = shard.slots[layer]
        for entry in entries {
            guard Int(entry.neuron) < model.shape.feedForwardSize else {
                throw .peerCorrupt(
                    "neuron \(entry.neuron) of \(model.shape.feedForwardSize)")
            }
            guard Int(entry.slot) < table.slotCount,
                table.takes(entry.neuron, slot: Int(entry.slot)),
                table.slot(of: entry.neuron) == nil
            else {
                throw .peerCorrupt(
                    "slot \(entry.slot) of layer \(layer) cannot take neuron \(entry.neuron)")
            }
            table.fill(Int(entry.slot), with: entry.neuron)
        }
    }

    /// Puts the neurons of a transfer into their slots.
    private mutating func place(
        _ transfer: RawSpan, _ entries: [NeuronArrivals.Entry], layer: Int
    ) {
        let stride = parcelByteCount(layer: layer)
        for (index, entry) in entries.enumerated() {
            let start = MessageHeader.byteCount + index * stride
            let slot = Int(entry.slot)
            shard.placeNeuron(entry.neuron, layer: layer, slot: slot, from: transfer, at: start)
            let values = start + stride - Self.ruleByteCount
            rules[layer]?.setSlot(
                slot, mean: Float(bitPattern: transfer.word32(at: values)),
                weight: Float(bitPattern: transfer.word32(at: values + 4)))
        }
    }

    // MARK: In another worker's place

    /// Puts neurons where a worker had them whose place this one has: from the model, not from
    /// another DIMM.
    mutating func placeNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) {
        let entries = try NeuronPlacements(decoding: message, count: header.count).entries
        let layer = header.layer
        for entry in entries {
            guard Int(entry.slot) < shard.slots[layer].slotCount,
                Int(entry.neuron ?? 0) < model.shape.feedForwardSize
            else { throw .peerCorrupt("neuron \(entry) in layer \(layer)") }
            shard.releaseSlot(Int(entry.slot), layer: layer)
        }
        let placed = entries.filter { $0.neuron != nil }
        guard !placed.isEmpty else { return }
        let neurons = Set(placed.compactMap(\.neuron)).sorted()
        let source = try loadedAgain(neurons, layer: layer)
        let stride = shard.layers[layer].parcelByteCount
        var parcel = [UInt8](repeating: 0, count: stride)
        for entry in placed {
            guard let neuron = entry.neuron, let place = neurons.firstIndex(of: neuron),
                shard.slots[layer].takes(neuron, slot: Int(entry.slot))
            else { throw .peerCorrupt("slot \(entry.slot) cannot take \(entry)") }
            var elements = parcel.mutableSpan
            var bytes = unsafe elements.mutableBytes
            source.readNeuron(layer: layer, slot: place, into: &bytes, at: 0)
            shard.placeNeuron(
                neuron, layer: layer, slot: Int(entry.slot), from: unsafe parcel.span.bytes, at: 0)
            rules[layer]?.setSlot(Int(entry.slot), mean: entry.mean, weight: entry.weight)
        }
    }

    /// Some neurons of one layer, ascending, as the model has them.
    private func loadedAgain(
        _ neurons: [UInt32], layer: Int
    ) throws(LinkError) -> NeuronShard {
        let none = Array(repeating: [UInt32](), count: model.shape.layerCount)
        var feedForward = none
        feedForward[layer] = neurons
        do {
            return try NeuronShard(
                loading: NeuronAssignment(qkv: none, feedForward: feedForward), from: model.file,
                weights: model.weights, purpose: "neurons that are loaded again")
        } catch {
            throw .system("\(error)")
        }
    }

    // MARK: To the GPU

    private mutating func copyNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let slots = try filledSlots(message, header: header)
        try port.checkRoom(
            for: slots.count, of: shard.layers[header.layer].parcelByteCount)
        let timing = try timer?.readNeurons(slots: slots, arrival: header.instant)
        let report = timing?.report ?? WorkReport()
        let reply = header.answer(.neuronWeights, count: slots.count, ready: timing?.ready)
        return .exchange(try port.finished(reply, report).header, report, slots: slots)
    }

    /// Sends an answer about neurons, with the weights in `slots` behind the report.
    func sendExchange(
        _ header: MessageHeader, _ report: WorkReport, slots: [UInt32]
    ) throws(LinkError) {
        let stride = shard.layers[header.layer].parcelByteCount
        try port.send(header, report, payloadByteCount: slots.count * stride) { message in
            for (index, slot) in slots.enumerated() {
                shard.readNeuron(
                    layer: header.layer, slot: Int(slot), into: &message,
                    at: WorkerPort.payloadOffset + index * stride)
            }
        }
    }
}
