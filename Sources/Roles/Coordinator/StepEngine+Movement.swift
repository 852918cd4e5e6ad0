import ActivationPredictor
import Messages
import NeuronShards
import Pacing
import Quantities
import Scheduling

/// Sizes and limits of the neurons of one block of a layer on their way.
struct MovementSizes {
    /// Number of the block, for workers that hold several.
    var block = 0
    /// One neuron's bytes from DIMM to DIMM, and to the GPU.
    let peerByteCount: Int
    let copyByteCount: Int
    /// The largest message of the links between DIMMs.
    let peerMessageByteCount: Int
    /// What reaches the GPU while it is busy.
    let shadowByteCount: Int
    /// Whether copies' bytes are of use to anybody.
    var keepsCopies = true
}

/// How neurons move: what is asked of the workers, in which order, and when it counts.
///
/// Donors are told first. Only when one has said that its neurons are in the other DIMM's link is
/// the receiver told to take them: no worker ever waits for another. The coordinator alone commits,
/// between tokens, after the receiver's acknowledgement; until then the donor is the home and
/// computes the neuron, and when the receiver has nothing, it stays so.
extension StepEngine {
    /// Sends what was planned for a layer on its way; the step of its projection has begun.
    ///
    /// - Parameter wanted: what speaks for a copy on the GPU, in place of the neurons' states.
    mutating func moveNeurons(
        of migration: inout Migration, layer: Int, _ sizes: MovementSizes,
        wanted: Migration.HotScores? = nil
    ) throws(CoordinatorError) {
        let limit = max(0, sizes.peerMessageByteCount - MessageHeader.byteCount)
        let rounds = migration.handOvers(
            layer: layer, neuronLimit: limit / max(1, sizes.peerByteCount))
        for round in rounds {
            try handOver(round, of: &migration, layer: layer, sizes)
        }
        try copyToGPU(of: &migration, layer: layer, sizes, wanted: wanted)
    }

    private mutating func handOver(
        _ round: [HandOver], of migration: inout Migration, layer: Int, _ sizes: MovementSizes
    ) throws(CoordinatorError) {
        let requests = try askDonors(round, layer: layer, sizes)
        var given: [(index: Int, answer: Answer)] = []
        for (index, message) in round.enumerated() {
            let answer = try delayed(
                exchange.receiveNeurons(
                    .neuronsGiven, from: message.from, answering: requests[index]
                ).answer, from: message.from)
            try noteMovement(answer, of: message.from)
            given.append((index, answer))
        }
        given.sort { ($0.answer.ready, $0.index) < ($1.answer.ready, $1.index) }
        var arrivals = Array(repeating: EmulatedTime.start, count: round.count)
        for (index, answer) in given {
            arrivals[index] = try bookHandOver(
                round[index], of: &migration,
                byteCount: round[index].moves.count * sizes.peerByteCount, as: answer)
        }
        for (index, message) in round.enumerated() {
            try take(message, as: requests[index], arrival: arrivals[index])
        }
        for (index, message) in round.enumerated() {
            var taken = try exchange.receiveNeurons(
                .neuronsTaken, from: message.to, answering: requests[index])
            taken.answer = try delayed(taken.answer, from: message.to)
            try noteMovement(taken.answer, of: message.to)
            migration.acknowledge(
                message, isThere: taken.count > 0,
                at: EmulatedTime(picosecondsSinceStart: taken.answer.ready),
                byteCount: message.moves.count * sizes.peerByteCount)
        }
    }

    private mutating func askDonors(
        _ round: [HandOver], layer: Int, _ sizes: MovementSizes
    ) throws(CoordinatorError) -> [MessageHeader] {
        var requests: [MessageHeader] = []
        for message in round {
            let slots = message.moves.map(\.donorSlot)
            let request = MessageHeader(
                .giveNeurons, layer: layer, position: sizes.block, count: slots.count,
                auxiliary: message.to, step: exchange.nextStep())
            try command(request, byteCount: 4 * slots.count, to: message.from) {
                SlotList.encode(slots, into: &$0)
            }
            requests.append(request)
        }
        return requests
    }

    /// When the neurons are at their receiver.
    private mutating func bookHandOver(
        _ message: HandOver, of migration: inout Migration, byteCount: Int, as given: Answer
    ) throws(CoordinatorError) -> EmulatedTime {
        guard
            let link = migration.policy.machine.dimmLink(between: message.from, and: message.to)
        else { return .start }
        let arrival = try time?.handOver(
            byteCount, from: message.from, to: message.to, link: link,
            readyAt: EmulatedTime(picosecondsSinceStart: given.ready))
        try hold(given, of: &migration, byteCount: byteCount, over: [link])
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
                .takeNeurons, layer: given.layer, position: given.position, count: given.count,
                auxiliary: message.from, step: given.step),
            byteCount: neurons.byteCount, to: message.to
        ) { neurons.encode(into: &$0) }
    }

    /// Copies travel to the GPU, as many as come while it computes the projection.
    private mutating func copyToGPU(
        of migration: inout Migration, layer: Int, _ sizes: MovementSizes,
        wanted: Migration.HotScores?
    ) throws(CoordinatorError) {
        let limit =
            exchange.indices.map { exchange.maximumPayloadByteCount(of: $0) }.min() ?? 0
        let copies = migration.hotCopies(
            layer: layer, wanted: wanted, byteLimit: sizes.shadowByteCount,
            neuronLimit: max(0, limit - WorkReport.byteCount) / max(1, sizes.copyByteCount))
        for round in Self.rounds(of: copies) {
            try copyToGPU(round, of: &migration, layer: layer, sizes)
        }
    }

    /// Requests that a DIMM may have waiting: they always fit its ring, whatever it answers first.
    private static let requestLimit = 4

    /// The messages in order, cut so that each DIMM has few in each part.
    private static func rounds(of copies: [HotCopies]) -> [[HotCopies]] {
        var rounds: [[HotCopies]] = []
        var counts: [Int: Int] = [:]
        for message in copies {
            let round = counts[message.dimm, default: 0] / requestLimit
            counts[message.dimm, default: 0] += 1
            if round == rounds.count { rounds.append([]) }
            rounds[round].append(message)
        }
        return rounds
    }

    private mutating func copyToGPU(
        _ copies: [HotCopies], of migration: inout Migration, layer: Int, _ sizes: MovementSizes
    ) throws(CoordinatorError) {
        var requests: [MessageHeader] = []
        for message in copies {
            let slots = message.swaps.map {
                UInt32(migration.places.slot(ofNeuron: $0.copiedIn, layer: layer))
            }
            let request = MessageHeader(
                .sendNeurons, layer: layer, position: sizes.block, count: slots.count,
                step: exchange.nextStep())
            try command(request, byteCount: 4 * slots.count, to: message.dimm) {
                SlotList.encode(slots, into: &$0)
            }
            requests.append(request)
        }
        try receiveCopies(copies, of: &migration, answering: requests, sizes)
    }

    /// Copies have the links in the order in which they are ready, whoever was asked first.
    private mutating func receiveCopies(
        _ copies: [HotCopies], of migration: inout Migration, answering requests: [MessageHeader],
        _ sizes: MovementSizes
    ) throws(CoordinatorError) {
        var sent: [(index: Int, neurons: WorkerExchange.NeuronAnswer)] = []
        for (index, message) in copies.enumerated() {
            var neurons = try exchange.receiveNeurons(
                .neuronWeights, from: message.dimm, answering: requests[index],
                parcelByteCount: sizes.copyByteCount, keepsWeights: sizes.keepsCopies)
            neurons.answer = try delayed(neurons.answer, from: message.dimm)
            try noteMovement(neurons.answer, of: message.dimm)
            sent.append((index, neurons))
        }
        sent.sort { ($0.neurons.answer.ready, $0.index) < ($1.neurons.answer.ready, $1.index) }
        for (index, neurons) in sent {
            let message = copies[index]
            let byteCount = message.swaps.count * sizes.copyByteCount
            let arrival = try time?.transfer(
                "neurons from DIMM \(message.dimm)", byteCount, dimm: message.dimm,
                readyAt: EmulatedTime(picosecondsSinceStart: neurons.answer.ready), ring: .from
            ).arrival
            let delivery = try hold(
                neurons.answer, of: &migration, byteCount: byteCount,
                over: time?.machine.paths[message.dimm] ?? [])
            if let delivery {
                migration.copyDelivery = max(migration.copyDelivery ?? delivery, delivery)
            }
            migration.receive(
                message, weights: neurons.weights, byteCount: byteCount, at: arrival ?? .start)
        }
    }

    /// Sends a request that is no part of a step, and books it.
    mutating func command(
        _ request: MessageHeader, byteCount: Int, to dimm: Int,
        _ fill: (inout MutableRawSpan) -> Void
    ) throws(CoordinatorError) {
        try post("\(request.kind) to DIMM \(dimm)", request, byteCount: byteCount, to: dimm, fill)
    }

    /// Notes how a worker kept its deadlines, and refuses what cannot be.
    private mutating func noteMovement(
        _ answer: Answer, of dimm: Int
    ) throws(CoordinatorError) {
        noteDeadlines(answer.report, of: dimm)
        guard let now = time?.now else { return }
        let ready = EmulatedTime(picosecondsSinceStart: answer.ready)
        guard ready >= now, (ready - now).picoseconds >= answer.report.busyPicoseconds else {
            throw .link(
                dimm: dimm, .peerCorrupt("neurons were moved before they could be"))
        }
    }

    /// Weights have their links in wall time, too, in the order in which they were booked; what
    /// moves does not count before they are through.
    ///
    /// - Returns: when they are; `nil` where time is not wall time.
    @discardableResult
    private mutating func hold(
        _ answer: Answer, of migration: inout Migration, byteCount: Int, over path: [Int]
    ) throws(CoordinatorError) -> WallInstant? {
        guard time != nil else { return nil }
        countMoved(byteCount, over: path)
        let delivery = try pacing { () throws(PacingError) in
            try clock.depart(
                ByteCount(UInt64(byteCount)), over: path,
                readyAt: EmulatedTime(picosecondsSinceStart: answer.ready),
                workEnd: answer.workEnd)
        }
        guard let delivery else { return nil }
        let earlier = migration.delivery ?? delivery
        migration.delivery = max(earlier, delivery)
        return delivery
    }

    // MARK: Within a token

    /// What of a layer's copies came while the projection ran counts in the layer's own MLP.
    mutating func settleCopies(
        _ migration: inout Migration, layer: Int
    ) throws(CoordinatorError) -> Migration.Settlement {
        if let time, let delivery = migration.copyDelivery {
            try pacing { () throws(PacingError) in
                try clock.receive(arrival: time.now, delivery: delivery)
            }
            migration.copyDelivery = nil
        }
        return migration.settleCopies(layer: layer, now: time?.now ?? .start)
    }

    // MARK: Between tokens

    /// What has come counts from here on; what was active decides who moves next. Slots that are
    /// empty now are named to their workers.
    mutating func settle(
        _ migration: inout Migration, block: Int = 0
    ) throws(CoordinatorError) -> Migration.Settlement {
        if let time, let delivery = migration.delivery {
            try pacing { () throws(PacingError) in
                try clock.receive(arrival: time.now, delivery: delivery)
            }
            migration.delivery = nil
        }
        let settled = migration.settle(now: time?.now ?? .start)
        for release in settled.released {
            try command(
                MessageHeader(
                    .releaseNeurons, layer: release.layer, position: block,
                    count: release.slots.count, step: exchange.nextStep()),
                byteCount: 4 * release.slots.count, to: release.dimm
            ) { SlotList.encode(release.slots, into: &$0) }
        }
        return settled
    }
}
