import ActivationPredictor
import HardwareModel
import MappedMemory
import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
import PackedSets
import Pacing
import Quantities
package import Scheduling
import Transformer

/// How neurons move: what is asked of the workers, in which order, and when it counts.
///
/// Donors are told first. Only when one has said that its neurons are in the other DIMM's link is
/// the receiver told to take them: no worker ever waits for another. The coordinator alone commits,
/// between tokens, after the receiver's acknowledgement; until then the donor is the home and
/// computes the neuron, and when the receiver has nothing, it stays so.
extension Coordinator {
    // MARK: Start

    /// Room for neurons of other DIMMs in each layer of a worker.
    var spareSlotCount: Int {
        guard let placement = options.placement, placement.rebalancing != .none else { return 0 }
        return PlacementPolicy.spareSlotCount(
            neuronCount: model.shape.feedForwardSize, dimmCount: exchange.count)
    }

    /// The run's moving neurons at their start; `nil` where none moves.
    func startMigration(
        hot: NeuronAssignment, gpu: borrowing GPURole, prefill: borrowing ReferenceTransformer
    ) -> Migration? {
        guard let placement = options.placement else { return nil }
        let parcel = (0..<model.shape.layerCount).map { gpu.parcelByteCount(layer: $0) }.max() ?? 1
        // Copies overwrite copies: the memory stays what the chosen ones take.
        let used = hot.feedForward.reduce(0) { $0 + $1.count } * parcel
        return Migration(
            policy: placement, model: model, homes: homePlan,
            hotSet: HotBudget(
                hotShare: options.hotSet.hotShare, memoryByteCount: used,
                bytesPerNeuron: [parcel]),
            hot: hot.feedForward,
            prefill: PrefillActivity(
                layout: NeuronLayout(
                    layerCount: model.shape.layerCount,
                    neuronCounts: [model.shape.feedForwardSize]),
                counts: prefill.activityCounts.map { [$0] }, tokenCount: prefill.tokenCount))
    }

    /// While held, neurons stay where they are and nothing is learnt: for rehearsals.
    package mutating func holdPlacement(_ isHeld: Bool) { migration?.isHeld = isHeld }

    /// What moved so far; `nil` where nothing may.
    package var migrationRecord: MigrationRecord? { migration?.record }

    /// Each neuron's home DIMM; `nil` where neurons do not move.
    package var homes: HomeTable? { migration?.places.homes }

    // MARK: While a projection runs

    /// Sends what was planned for a layer on its way; the step of its projection has begun.
    mutating func moveNeurons(layer: Int) throws(CoordinatorError) {
        guard migration != nil else { return }
        let parcel = neuronByteCount(layer: layer)
        let limit = options.placement?.peerMessageByteCount ?? 0
        let rule = options.rule == nil ? 0 : Self.ruleByteCount
        let neuronLimit = max(0, limit - MessageHeader.byteCount) / (parcel + rule)
        let rounds = migration?.handOvers(layer: layer, neuronLimit: neuronLimit) ?? []
        for round in rounds {
            try handOver(round, layer: layer, neuronByteCount: parcel + rule)
        }
        try copyToGPU(layer: layer, neuronByteCount: parcel)
    }

    /// Mean and weight of an activity rule travel with a neuron.
    private static var ruleByteCount: Int { 8 }

    private func neuronByteCount(layer: Int) -> Int {
        gpu?.parcelByteCount(layer: layer) ?? 0
    }

    private mutating func handOver(
        _ round: [HandOver], layer: Int, neuronByteCount: Int
    ) throws(CoordinatorError) {
        var requests: [MessageHeader] = []
        for message in round {
            let slots = message.moves.map(\.donorSlot)
            let request = MessageHeader(
                .giveNeurons, layer: layer, count: slots.count, auxiliary: message.to,
                step: exchange.nextStep())
            try command(request, byteCount: 4 * slots.count, to: message.from) {
                SlotList.encode(slots, into: &$0)
            }
            requests.append(request)
        }
        var given: [(index: Int, answer: Answer)] = []
        for (index, message) in round.enumerated() {
            let answer = try exchange.receiveNeurons(
                .neuronsGiven, from: message.from, answering: requests[index]
            ).answer
            try noteMovement(answer, of: message.from)
            given.append((index, answer))
        }
        given.sort { ($0.answer.ready, $0.index) < ($1.answer.ready, $1.index) }
        var arrivals = Array(repeating: EmulatedTime.start, count: round.count)
        for (index, answer) in given {
            arrivals[index] = try bookHandOver(
                round[index], byteCount: round[index].moves.count * neuronByteCount,
                as: answer)
        }
        for (index, message) in round.enumerated() {
            try take(
                message, as: requests[index], arrival: arrivals[index])
        }
        for (index, message) in round.enumerated() {
            let taken = try exchange.receiveNeurons(
                .neuronsTaken, from: message.to, answering: requests[index])
            try noteMovement(taken.answer, of: message.to)
            migration?.acknowledge(
                message, isThere: taken.count > 0,
                at: EmulatedTime(picosecondsSinceStart: taken.answer.ready),
                byteCount: message.moves.count * neuronByteCount)
        }
    }

    /// When the neurons are at their receiver.
    private mutating func bookHandOver(
        _ message: HandOver, byteCount: Int, as given: Answer
    ) throws(CoordinatorError) -> EmulatedTime {
        guard
            let link = options.placement?.machine.dimmLink(
                between: message.from, and: message.to)
        else { return .start }
        let arrival = try time?.handOver(
            byteCount, from: message.from, to: message.to, link: link,
            readyAt: EmulatedTime(picosecondsSinceStart: given.ready))
        try hold(given, byteCount: byteCount, over: [link])
        return arrival ?? .start
    }

    private mutating func take(
        _ message: HandOver, as given: MessageHeader, arrival: EmulatedTime
    ) throws(CoordinatorError) {
        let neurons = NeuronArrivals(
            arrivalPicoseconds: arrival.sinceStart.picoseconds,
            entries: message.moves.map {
                .init(neuron: UInt32($0.remap.neuron), slot: $0.slot)
            })
        try command(
            MessageHeader(
                .takeNeurons, layer: given.layer, count: given.count, auxiliary: message.from,
                step: given.step),
            byteCount: neurons.byteCount, to: message.to
        ) { neurons.encode(into: &$0) }
    }

    /// Copies travel to the GPU, as many as come while it computes the projection.
    private mutating func copyToGPU(
        layer: Int, neuronByteCount: Int
    ) throws(CoordinatorError) {
        guard let machine = options.placement?.machine else { return }
        let limit =
            exchange.indices.map { exchange.maximumPayloadByteCount(of: $0) }.min() ?? 0
        let copies =
            migration?.hotCopies(
                layer: layer,
                byteLimit: machine.byteCountInShadow(
                    of: machine.duration(ofProjection: layer, of: model)),
                neuronLimit: max(0, limit - WorkReport.byteCount) / neuronByteCount) ?? []
        for message in copies {
            let slots = message.swaps.map {
                UInt32(migration?.places.slot(ofNeuron: $0.copiedIn, layer: layer) ?? 0)
            }
            let request = MessageHeader(
                .sendNeurons, layer: layer, count: slots.count, step: exchange.nextStep())
            try command(request, byteCount: 4 * slots.count, to: message.dimm) {
                SlotList.encode(slots, into: &$0)
            }
            let sent = try exchange.receiveNeurons(
                .neuronWeights, from: message.dimm, answering: request,
                parcelByteCount: neuronByteCount)
            try noteMovement(sent.answer, of: message.dimm)
            let arrival = try time?.transfer(
                "neurons from DIMM \(message.dimm)", sent.weights.count, dimm: message.dimm,
                readyAt: EmulatedTime(picosecondsSinceStart: sent.answer.ready), ring: .from
            ).arrival
            try hold(
                sent.answer, byteCount: sent.weights.count,
                over: time?.machine.paths[message.dimm] ?? [])
            migration?.receive(message, weights: sent.weights, at: arrival ?? .start)
        }
    }

    /// Sends a request that is no part of a step, and books it.
    private mutating func command(
        _ request: MessageHeader, byteCount: Int, to dimm: Int,
        _ fill: (inout MutableRawSpan) -> Void
    ) throws(CoordinatorError) {
        var header = request
        if let now = time?.now,
            let booking = try time?.transfer(
                "\(request.kind) to DIMM \(dimm)", byteCount, dimm: dimm, readyAt: now,
                ring: .to)
        {
            header = try stamped(
                header, byteCount: byteCount, to: dimm, readyAt: now, arrival: booking.arrival)
        }
        try exchange.send(header, to: dimm, payloadByteCount: byteCount, fill)
    }

    /// Notes how a worker kept its deadlines, and refuses what cannot be.
    private mutating func noteMovement(
        _ answer: Answer, of dimm: Int
    ) throws(CoordinatorError) {
        workerDeadlines[dimm] = (
            answer.report.deadlineCount, answer.report.missedDeadlineCount
        )
        guard let now = time?.now else { return }
        let ready = EmulatedTime(picosecondsSinceStart: answer.ready)
        guard ready >= now, (ready - now).picoseconds >= answer.report.busyPicoseconds else {
            throw .link(
                dimm: dimm, .peerCorrupt("neurons were moved before they could be"))
        }
    }

    /// Weights have their links in wall time, too, in the order in which they were booked; what
    /// moves does not count before they are through.
    private mutating func hold(
        _ answer: Answer, byteCount: Int, over path: [Int]
    ) throws(CoordinatorError) {
        guard time != nil else { return }
        for link in path { movedByteCounts[link] += UInt64(byteCount) }
        let delivery = try pacing { () throws(PacingError) in
            try clock.depart(
                ByteCount(UInt64(byteCount)), over: path,
                readyAt: EmulatedTime(picosecondsSinceStart: answer.ready),
                workEnd: answer.workEnd)
        }
        guard let delivery else { return }
        let earlier = migration?.delivery ?? delivery
        migration?.delivery = max(earlier, delivery)
    }

    // MARK: Between tokens

    /// What has come counts from here on; what was active decides who moves next.
    mutating func settleMigration() throws(CoordinatorError) {
        guard migration != nil else { return }
        if let time, let delivery = migration?.delivery {
            try pacing { () throws(PacingError) in
                try clock.receive(arrival: time.now, delivery: delivery)
            }
            migration?.delivery = nil
        }
        guard let settled = migration?.settle(now: time?.now ?? .start) else { return }
        for arrival in settled.hot { overwriteCopies(with: arrival) }
        for layer in settled.layers.sorted() {
            guard let hot,
                let sets = migration?.places.coldSets(
                    layer: layer, hot: hot.feedForward[layer])
            else { continue }
            cold?.feedForward[layer] = sets
            if let places = migration?.places, let wordCount = prediction?.placeWordCount {
                prediction?.move(
                    to: NeuronHomes(places, layer: layer, placeWordCount: wordCount),
                    layer: layer)
            }
        }
        for release in settled.released {
            try command(
                MessageHeader(
                    .releaseNeurons, layer: release.layer, count: release.slots.count,
                    step: exchange.nextStep()),
                byteCount: 4 * release.slots.count, to: release.dimm
            ) { SlotList.encode(release.slots, into: &$0) }
        }
    }

    private mutating func overwriteCopies(with arrival: Migration.HotArrival) {
        guard var neurons = hot?.feedForward else { return }
        let layer = arrival.layer
        let byteCount = neuronByteCount(layer: layer)
        for (index, swap) in arrival.swaps.enumerated() {
            guard let evicted = swap.evicted,
                let slot = neurons[layer].firstIndex(of: UInt32(evicted))
            else { preconditionFailure("a copy overwrites one that is there") }
            gpu?.overwrite(
                slot: slot, layer: layer, with: swap.copiedIn, weights: arrival.weights,
                at: index * byteCount, rule: options.rule)
            neurons[layer][slot] = UInt32(swap.copiedIn)
        }
        hot = hot.map { NeuronAssignment(qkv: $0.qkv, feedForward: neurons) }
    }
}

extension EmulatedMachine {
    /// How long the GPU is busy with a layer's output projection.
    fileprivate func duration(ofProjection layer: Int, of model: DecoderModel) -> EmulatedDuration {
        let weights = model.weights.layers[layer]
        let tensors = [weights.attentionOutput, weights.biases?.attentionOutput].compactMap { $0 }
        let timing = gpu.kernel(
            byteCount: ByteCount(UInt64(tensors.reduce(0) { $0 + $1.byteCount })),
            operationCount: 2 * UInt64(tensors.reduce(0) { $0 + $1.elementCount }))
        return gpu.synchronisedDuration(of: timing)
    }
}
