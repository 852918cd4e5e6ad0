import Messages
import ModelFile
import NeuronPlacement
import Transformer

/// What the coordinator does about a failing worker.
struct ExchangeMending {
    let recovery: any WorkerRecovery
    /// One for each DIMM, empty.
    let journals: [RequestJournal]
    /// Mean and weight of a feed-forward neuron's activity rule, by layer and neuron; zero where
    /// there is none.
    let rule: (Int, Int) -> (mean: Float, weight: Float)

    /// For the workers of a real model.
    init(
        recovery: any WorkerRecovery, model: DecoderModel, heads: HeadMap, rule: ActivityRule?,
        dimmCount: Int
    ) {
        let sizes = RowJournal.Sizes(
            headSize: model.shape.headSize, groupWidth: model.shape.groupWidth)
        self.recovery = recovery
        journals = (0..<dimmCount).map { dimm in
            RequestJournal(
                rows: RowJournal(
                    sizes: sizes,
                    heads: (0..<model.shape.layerCount).map {
                        heads.heads(layer: $0, dimm: dimm)
                    }))
        }
        self.rule = { layer, neuron in
            guard let rule else { return (0, 0) }
            return (rule.means[layer][neuron], rule.weights[layer][neuron])
        }
    }

    /// For the workers of a model known by its shape alone.
    init(recovery: any WorkerRecovery, dimmCount: Int) {
        self.recovery = recovery
        journals = (0..<dimmCount).map { _ in RequestJournal(rows: nil) }
        rule = { _, _ in (0, 0) }
    }
}

/// The exchange's links and what it remembers; a class, so that the exchange stays immutable
/// around it.
final class ExchangeState {
    /// What an answer's time has to include beside the work on it.
    enum Delay {
        case reload(record: Int)
        case repetition(record: Int)
    }

    var links: [any MessageLink]
    let mending: ExchangeMending?
    var lastStep: UInt64 = 0
    var journals: [RequestJournal]
    var records: [RecoveryRecord] = []
    /// What each worker is still to be told of others whose place was taken, [DIMMs].
    var notices: [[(replaced: Int, text: String)]]
    /// Of the answer that comes next, [DIMMs].
    private var delays: [[Delay]]
    /// Whether answers may come twice, [DIMMs].
    private var repeating: [Bool]
    /// Whether a worker's place was taken and the lost one's debts are not yet paid, [DIMMs].
    private var mendingNow: [Bool]
    /// Work of lost workers, which their successors know nothing of, picoseconds, [DIMMs].
    private var lostBusy: [UInt64]
    private var busy: [UInt64]

    init(links: [any MessageLink], mending: ExchangeMending?) {
        precondition(mending.map { $0.journals.count == links.count } ?? true)
        self.links = links
        self.mending = mending
        journals = mending?.journals ?? []
        delays = links.map { _ in [] }
        notices = links.map { _ in [] }
        repeating = links.map { _ in false }
        mendingNow = repeating
        lostBusy = links.map { _ in 0 }
        busy = lostBusy
    }

    /// What is kept for other workers' sake, bytes of the coordinator's memory.
    var rowByteCount: Int { journals.reduce(0) { $0 + ($1.rows?.byteCount ?? 0) } }

    func isRepeating(_ dimm: Int) -> Bool { repeating[dimm] }

    func noteAnswer(_ header: MessageHeader, from dimm: Int) {
        guard let mending else { return }
        journals[dimm].noteAnswer(header.kind, step: header.step, count: header.count)
        // The last one that was asked for again has come.
        if journals[dimm].owed == nil { repeating[dimm] = false }
        if mendingNow[dimm] {
            mendingNow[dimm] = false
            mending.recovery.finish(dimm: dimm)
        }
    }

    // MARK: Failures

    func noteRestart(of dimm: Int, _ record: RecoveryRecord) {
        repeating[dimm] = false
        mendingNow[dimm] = true
        lostBusy[dimm] = Self.sum(lostBusy[dimm], busy[dimm])
        busy[dimm] = 0
        delays[dimm].append(.reload(record: records.count))
        records.append(record)
    }

    func noteRepetition(of dimm: Int, _ record: RecoveryRecord, isOfAnswer: Bool) {
        if isOfAnswer { repeating[dimm] = true }
        delays[dimm].append(.repetition(record: records.count))
        records.append(record)
    }

    /// What delays the answer that has just come; asked once.
    func takeDelays(of dimm: Int) -> [Delay] {
        guard !delays[dimm].isEmpty else { return [] }
        defer { delays[dimm] = [] }
        return delays[dimm]
    }

    // MARK: Work

    /// What a worker says of its work may be anything; whether it can be is seen later.
    private static func sum(_ first: UInt64, _ second: UInt64) -> UInt64 {
        let (sum, isTooMuch) = first.addingReportingOverflow(second)
        return isTooMuch ? .max : sum
    }

    func noteBusy(_ picoseconds: UInt64, of dimm: Int) {
        busy[dimm] = Self.sum(busy[dimm], picoseconds)
    }

    func startOver() {
        for dimm in busy.indices { (busy[dimm], lostBusy[dimm]) = (0, 0) }
    }

    /// A worker's facts with the work of those whose place it took.
    func completed(_ facts: WorkerFacts, ofDIMM dimm: Int) -> WorkerFacts {
        var facts = facts
        facts.busyPicoseconds = Self.sum(facts.busyPicoseconds, lostBusy[dimm])
        return facts
    }
}
