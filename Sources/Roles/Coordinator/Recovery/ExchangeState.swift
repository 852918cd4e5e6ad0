import Messages

/// The exchange's links and what it remembers; a class, so that the exchange stays immutable
/// around it.
final class ExchangeState {
    /// What an answer's time has to include beside the work on it.
    enum Delay {
        case reload(record: Int)
        /// `requestByteCount`: of requests that are sent again; `nil` for the answer itself.
        case repetition(record: Int, requestByteCount: Int?)
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
    /// Deadlines of lost workers and of those there are, all and missed, [DIMMs].
    private(set) var lostDeadlines: [(count: UInt64, missed: UInt64)]
    private var deadlines: [(count: UInt64, missed: UInt64)]
    /// Before which a DIMM answers nothing: its worker is still loading in emulated time,
    /// picoseconds, [DIMMs].
    var readyNotBefore: [UInt64]

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
        readyNotBefore = lostBusy
        deadlines = links.map { _ in (0, 0) }
        lostDeadlines = deadlines
    }

    /// What is kept for other workers' sake, bytes of the coordinator's memory.
    var rowByteCount: Int { journals.reduce(0) { $0 + ($1.rows?.byteCount ?? 0) } }

    func isRepeating(_ dimm: Int) -> Bool { repeating[dimm] }

    func noteAnswer(_ header: MessageHeader, from dimm: Int) {
        guard let mending else { return }
        journals[dimm].noteAnswer(header.kind, step: header.step, count: header.count)
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
        lostDeadlines[dimm].count = Self.sum(lostDeadlines[dimm].count, deadlines[dimm].count)
        lostDeadlines[dimm].missed = Self.sum(lostDeadlines[dimm].missed, deadlines[dimm].missed)
        deadlines[dimm] = (0, 0)
        // One that was lost while it first loaded had nothing yet.
        if journals[dimm].isReady { delays[dimm].append(.reload(record: records.count)) }
        records.append(record)
    }

    /// - Parameter requestByteCount: of requests that are sent again; `nil` for an answer, from
    ///   when on answers may come twice.
    func noteRepetition(of dimm: Int, _ record: RecoveryRecord, requestByteCount: Int?) {
        if requestByteCount == nil { repeating[dimm] = true }
        delays[dimm].append(
            .repetition(record: records.count, requestByteCount: requestByteCount))
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

    /// A worker's count of its deadlines so far.
    func noteDeadlines(_ count: UInt64, missed: UInt64, of dimm: Int) {
        deadlines[dimm] = (count, missed)
    }

    func startOver() {
        for dimm in busy.indices {
            (busy[dimm], lostBusy[dimm], readyNotBefore[dimm]) = (0, 0, 0)
            (deadlines[dimm], lostDeadlines[dimm], delays[dimm]) = ((0, 0), (0, 0), [])
        }
    }

    /// A worker's facts with the work of those whose place it took.
    func completed(_ facts: WorkerFacts, ofDIMM dimm: Int) -> WorkerFacts {
        var facts = facts
        facts.busyPicoseconds = Self.sum(facts.busyPicoseconds, lostBusy[dimm])
        facts.deadlineCount = Self.sum(facts.deadlineCount, lostDeadlines[dimm].count)
        facts.missedDeadlineCount = Self.sum(
            facts.missedDeadlineCount, lostDeadlines[dimm].missed)
        return facts
    }
}
