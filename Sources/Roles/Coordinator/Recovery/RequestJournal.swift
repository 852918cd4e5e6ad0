import Messages

/// What another worker in a DIMM's place needs to be told to be what the lost one was, and what
/// has not been answered yet.
///
/// A pure function of the messages that were sent and acknowledged, so that no part of the
/// coordinator has to know how to rebuild a worker. A worker answers requests in order: an answer
/// also acknowledges everything before its request.
struct RequestJournal {
    /// A message on its way, as it was sent.
    private struct Sent {
        /// Counts what was sent on the link since the worker was ready.
        var index: Int
        let header: MessageHeader
        let content: Content
    }

    private enum Content {
        case whole(KeptMessage)
        /// Rows that the journal keeps elsewhere.
        case rows
    }

    /// A block of neurons in a worker.
    private struct Block: Hashable {
        let layer: Int
        let block: Int
    }

    /// `nil` for a model known by its shape alone, whose keys and values have no content.
    private(set) var rows: RowJournal?
    /// Everything before the worker is ready.
    private var setUp: [KeptMessage] = []
    private(set) var isReady = false
    private var clock: KeptMessage?
    /// What slots hold where that is not as they were set up.
    private var places: [Block: [UInt32: UInt32?]] = [:]
    private var sent: [Sent] = []
    private var nextIndex = 0
    /// The number of the latest message that told the worker to go on; what it said of damage
    /// before is settled.
    private var resumedAt = -1
    /// How many messages rebuilt the worker's state: they are not kept.
    private var rebuildCount = 0
    /// Whether the worker was told to leave.
    private(set) var isLeaving = false

    init(rows: RowJournal?) { self.rows = rows }

    // MARK: Noting

    /// Notes a message that is about to be sent.
    mutating func note(_ header: MessageHeader, _ message: KeptMessage) {
        var content = Content.whole(message)
        let bytes = unsafe message.written.span.bytes
        switch header.kind {
        case .configure, .configureShape, .setHomes, .setActivityRule:
            setUp.append(message)
            return
        case .startClock:
            clock = message
        case .storeKeysAndValues:
            rows?.noteStored(header, bytes)
            if rows != nil { content = .rows }
        case .shutDown:
            isLeaving = true
        case .attend:
            rows?.noteAttended(header, bytes)
        case .releaseNeurons:
            noteReleased(header, bytes)
        default:
            break
        }
        sent.append(Sent(index: nextIndex, header: header, content: content))
        nextIndex += 1
    }

    /// Notes that the request with this number was answered.
    ///
    /// - Parameter count: of the answer's header.
    mutating func noteAnswer(_ kind: MessageKind, step: UInt64, count: Int) {
        if kind == .ready {
            isReady = true
            return
        }
        guard let place = sent.firstIndex(where: { $0.header.step == step }) else { return }
        if kind == .neuronsTaken, count > 0 { noteTaken(sent[place]) }
        sent.removeFirst(place + 1)
    }

    private mutating func noteReleased(_ header: MessageHeader, _ message: RawSpan) {
        let block = Block(layer: header.layer, block: header.position)
        guard let slots = try? SlotList.decode(message, count: header.count) else { return }
        for slot in slots { places[block, default: [:]][slot] = .some(nil) }
    }

    private mutating func noteTaken(_ request: Sent) {
        guard case .whole(let message) = request.content,
            let arrivals = try? NeuronArrivals(
                decoding: unsafe message.written.span.bytes, count: request.header.count)
        else { return }
        let block = Block(layer: request.header.layer, block: request.header.position)
        for entry in arrivals.entries {
            places[block, default: [:]][entry.slot] = .some(entry.neuron)
        }
    }

    // MARK: Asking

    /// The oldest request that has not been answered; `nil` where nothing is owed.
    var owed: MessageHeader? { sent.first { $0.header.kind.isAnsweredRequest }?.header }

    /// What a new worker is sent until it reports that it is ready.
    var setUpMessages: [KeptMessage] { setUp }

    /// Sent on a clock's start; `nil` before.
    var clockMessage: KeptMessage? { clock }

    /// What slots of each block hold that differ from the set-up, in a fixed order.
    var placements: [(layer: Int, block: Int, entries: [NeuronPlacements.Entry])] {
        places.sorted { ($0.key.layer, $0.key.block) < ($1.key.layer, $1.key.block) }.map {
            key, slots in
            (
                key.layer, key.block,
                slots.sorted { $0.key < $1.key }.map { .init(slot: $0.key, neuron: $0.value) }
            )
        }
    }

    // MARK: Sending again

    /// For a new worker, whose state was rebuilt with `sentCount` messages behind its being
    /// ready: only requests that are owed an answer are sent again.
    mutating func owedMessages(after sentCount: Int) -> [KeptMessage] {
        sent.removeAll { !$0.header.kind.isAnsweredRequest }
        nextIndex = sentCount
        rebuildCount = sentCount
        resumedAt = -1
        return number(from: sent.startIndex)
    }

    /// Whether a worker told of damage, at its message `latest`, before it was told to go on.
    func isSettled(_ latest: Int) -> Bool { latest < resumedAt }

    /// For a worker that dropped the message numbered `index` and all behind it: those that it has
    /// not got. What it was asked again alone is found as what it owes.
    ///
    /// - Returns: `nil` when it was one of those that rebuilt the worker's state.
    mutating func messages(from index: Int) -> [KeptMessage]? {
        guard index >= rebuildCount else { return nil }
        guard
            let place = sent.firstIndex(where: { $0.index >= index })
                ?? sent.firstIndex(where: { $0.header.kind.isAnsweredRequest })
        else { return [] }
        return number(from: place)
    }

    /// For a worker whose answer came damaged: it has the requests, and repeats its answers.
    mutating func requestsAgain() -> [KeptMessage] {
        let again = sent.filter { $0.header.kind.isAnsweredRequest }
        // They keep their numbers: should the first sending turn out damaged, it is found by them.
        nextIndex += again.count
        return again.map(kept)
    }

    /// The worker is about to be told to go on, by a message that counts, too.
    mutating func noteResume() {
        resumedAt = nextIndex
        nextIndex += 1
    }

    private mutating func number(from start: Int) -> [KeptMessage] {
        for place in sent.indices[start...] {
            sent[place].index = nextIndex
            nextIndex += 1
        }
        return sent[start...].map(kept)
    }

    private func kept(_ message: Sent) -> KeptMessage {
        switch message.content {
        case .whole(let message): return message
        case .rows:
            let floats = rows?.floats(of: message.header) ?? []
            return encoded(message.header, payloadByteCount: 4 * floats.count) {
                $0.store(floats.span, at: MessageHeader.byteCount)
            }
        }
    }
}

/// A message to keep; of its payload `fill` writes the first `writtenByteCount` bytes, or all.
func encoded(
    _ header: MessageHeader, payloadByteCount: Int, writtenByteCount: Int? = nil,
    _ fill: (inout MutableRawSpan) -> Void
) -> KeptMessage {
    KeptMessage(
        byteCount: MessageHeader.byteCount + payloadByteCount,
        writtenByteCount: MessageHeader.byteCount + (writtenByteCount ?? payloadByteCount)
    ) {
        header.encode(into: &$0)
        fill(&$0)
    }
}
