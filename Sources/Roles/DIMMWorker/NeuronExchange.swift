import Messages
import ModelFile
import NeuronShards
import Pacing
import Quantities
import Transformer

/// A DIMM's part in moving neurons: it gives some to another DIMM, takes some, sends copies to
/// the GPU, and empties slots when it is told that they are not needed any more.
///
/// No DIMM ever waits for another. The donor has sent before it says so, and only then does the
/// coordinator tell the receiver, which finds the neurons in its link or says that none came.
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

    private func peer(_ index: Int) throws(LinkError) -> any MessageLink {
        guard let peer = peers[index] else {
            throw .peerCorrupt("DIMM \(dimm) has no link to DIMM \(index)")
        }
        return peer
    }

    /// Tells a link to another DIMM from the coordinator's when it fails.
    private static func crossing<Value>(
        _ index: Int, _ body: () throws(LinkError) -> Value
    ) throws(LinkError) -> Value {
        do {
            return try body()
        } catch {
            throw .system("the link to DIMM \(index): \(error)")
        }
    }

    // MARK: To and from another DIMM

    private mutating func giveNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let slots = try filledSlots(message, header: header)
        let peer = try peer(header.auxiliary)
        let layer = header.layer
        let byteCount = slots.count * parcelByteCount(layer: layer)
        guard MessageHeader.byteCount + byteCount <= peer.maximumMessageByteCount else {
            throw .peerCorrupt("\(slots.count) neurons at once are more than the link carries")
        }
        let timing = try timer?.readNeurons(slots: slots, arrival: header.instant)
        let report = timing?.report ?? WorkReport()
        var reply = MessageHeader(
            .neuronsGiven, layer: layer, count: slots.count, step: header.step)
        reply.time = answer(header, timing?.ready).time
        reply = try finished(reply, report).header
        var transfer = MessageHeader(
            .neuronTransfer, layer: layer, count: slots.count, auxiliary: dimm,
            step: header.step)
        transfer.time = reply.time
        try Self.crossing(header.auxiliary) { () throws(LinkError) in
            try peer.send(byteCount: MessageHeader.byteCount + byteCount) { message in
                transfer.encode(into: &message)
                writeParcels(slots, layer: layer, into: &message)
            }
        }
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
        let peer = try peer(header.auxiliary)
        try check(arrivals.entries, layer: header.layer)
        var outcome: Result<Bool, LinkError> = .success(false)
        // What an earlier exchange left behind has a lower number, and is dropped.
        while try outcome.get() == false {
            let wasThere = try Self.crossing(header.auxiliary) { () throws(LinkError) in
                try peer.tryReceive { transfer in
                    outcome = Result { () throws(LinkError) in
                        try place(transfer, arrivals.entries, as: header)
                    }
                }
            }
            if !wasThere { break }
        }
        let isHere = try outcome.get()
        let timing = try timer?.writeNeurons(
            slots: arrivals.entries.map(\.slot), request: header.instant,
            arrival: EmulatedTime(picosecondsSinceStart: arrivals.arrivalPicoseconds))
        var reply = MessageHeader(
            .neuronsTaken, layer: header.layer, count: isHere ? arrivals.entries.count : 0,
            step: header.step)
        reply.time = answer(header, timing?.ready).time
        return .exchange(reply, timing?.report ?? WorkReport(), slots: [])
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

    /// Puts the neurons of a transfer into their slots; false when it is an older one.
    private mutating func place(
        _ transfer: RawSpan, _ entries: [NeuronArrivals.Entry], as request: MessageHeader
    ) throws(LinkError) -> Bool {
        let header = try MessageHeader(decoding: transfer)
        guard header.kind == .neuronTransfer else {
            throw .peerCorrupt("expected neurons, got \(header.kind)")
        }
        if header.step < request.step { return false }
        let stride = parcelByteCount(layer: request.layer)
        guard header.step == request.step, header.layer == request.layer,
            header.count == entries.count, header.auxiliary == request.auxiliary,
            transfer.byteCount == MessageHeader.byteCount + entries.count * stride
        else {
            throw .peerCorrupt(
                "\(header.count) neurons of layer \(header.layer) in \(transfer.byteCount) "
                    + "bytes are not those that DIMM \(request.auxiliary) was to give")
        }
        for (index, entry) in entries.enumerated() {
            let start = MessageHeader.byteCount + index * stride
            let slot = Int(entry.slot)
            shard.placeNeuron(
                entry.neuron, layer: request.layer, slot: slot, from: transfer, at: start)
            let values = start + stride - Self.ruleByteCount
            rules[request.layer]?.setSlot(
                slot, mean: Float(bitPattern: transfer.word32(at: values)),
                weight: Float(bitPattern: transfer.word32(at: values + 4)))
        }
        return true
    }

    // MARK: To the GPU

    private mutating func copyNeurons(
        _ message: RawSpan, header: MessageHeader
    ) throws(LinkError) -> Reply {
        let slots = try filledSlots(message, header: header)
        let byteCount = slots.count * shard.layers[header.layer].parcelByteCount
        guard
            MessageHeader.byteCount + WorkReport.byteCount + byteCount
                <= link.maximumMessageByteCount
        else {
            throw .peerCorrupt("\(slots.count) neurons at once are more than the link carries")
        }
        let timing = try timer?.readNeurons(slots: slots, arrival: header.instant)
        let report = timing?.report ?? WorkReport()
        var reply = MessageHeader(
            .neuronWeights, layer: header.layer, count: slots.count, step: header.step)
        reply.time = answer(header, timing?.ready).time
        reply = try finished(reply, report).header
        return .exchange(reply, report, slots: slots)
    }

    /// Sends an answer about neurons, with the weights in `slots` behind the report.
    func sendExchange(
        _ header: MessageHeader, _ report: WorkReport, slots: [UInt32]
    ) throws(LinkError) {
        let stride = shard.layers[header.layer].parcelByteCount
        let base = MessageHeader.byteCount + WorkReport.byteCount
        let report = withOverruns(report)
        try link.send(byteCount: base + slots.count * stride) { message in
            header.encode(into: &message)
            report.encode(into: &message)
            for (index, slot) in slots.enumerated() {
                shard.readNeuron(
                    layer: header.layer, slot: Int(slot), into: &message,
                    at: base + index * stride)
            }
        }
    }
}
