import Quantities

/// A bank-level event model of one DRAM channel under a saturating stream of accesses.
///
/// One command a cycle goes to the ranks. Reads and writes wait in queues of their own; the
/// controller serves reads until the write queue is more than four fifths full, then writes
/// until less than a fifth is left. It picks the oldest request whose next command may be given
/// now (first ready, first come first served); rows stay open, and a row is not closed while an
/// older request still hits it. A request whose row was opened goes before all others, then
/// comes refresh, which closes all banks of a rank and holds back new requests until the last
/// rank has begun it. These are the rules of Ramulator 2's generic DDR controller (FRFCFS-RowHit
/// scheduler, open rows, all-bank refresh), whose results the efficiencies are checked against.
///
/// Time jumps from one command to the next. Between commands no limit changes and nothing
/// arrives, so the command that is possible first, the oldest of equals, is the next one.
struct DRAMController: ~Copyable {
    private struct Opened {
        let request: RequestQueue.Request
        let isWrite: Bool
    }

    private let rankCount: Int
    private let queueDepth: Int
    private let refreshInterval: Int
    private let decoder: AddressDecoder
    private var timers: CommandTimers
    private var stream: AccessStream
    private var waiting: AccessStream.Access
    private var reads: RequestQueue
    private var writes: RequestQueue
    /// Requests whose row was opened for them; at most one a bank.
    private var opened: [Opened] = []
    private var hasOpened: [Bool]
    /// Ranks whose refresh is due, in order.
    private var ranksToRefresh: [Int] = []
    private var nextRefresh: Int
    private var isDraining = false
    private var arrivals = 0
    private(set) var clock = 0
    /// Reads and writes whose column command was given.
    private(set) var servedCount = 0

    /// - Precondition: the configuration is valid.
    init(_ configuration: DRAMConfiguration, stream: AccessStream) {
        var stream = stream
        waiting = stream.next()
        self.stream = stream
        rankCount = configuration.rankCount
        queueDepth = configuration.queueDepth
        refreshInterval = configuration.timing.tREFI
        decoder = AddressDecoder(configuration)
        timers = CommandTimers(configuration)
        let bankCount = rankCount * configuration.banksPerRank
        reads = RequestQueue(depth: queueDepth, bankCount: bankCount)
        writes = RequestQueue(depth: queueDepth, bankCount: bankCount)
        hasOpened = Array(repeating: false, count: bankCount)
        nextRefresh = configuration.refreshes ? refreshInterval : Int.max
    }

    /// Runs until `count` accesses were served in all.
    mutating func run(untilServed count: Int) {
        while servedCount < count { advance(to: Int.max) }
    }

    /// Runs through cycle `time`.
    mutating func run(untilClock time: Int) {
        while clock < time { advance(to: time) }
    }

    /// Goes on to the next cycle in which a command is given, at most to `limit`.
    private mutating func advance(to limit: Int) {
        admitArrivals()
        var earliest = clock + 1
        while true {
            if earliest >= nextRefresh {
                nextRefresh += refreshInterval
                ranksToRefresh.append(contentsOf: 0..<rankCount)
            }
            let step = bestStep(from: earliest)
            if step.time < nextRefresh {
                clock = min(step.time, limit)
                if step.time <= limit { perform(step) }
                return
            }
            // Refresh comes due first, and goes before what was chosen.
            earliest = nextRefresh
        }
    }

    /// The stream is saturating: each free place is taken at once, in the stream's order.
    private mutating func admitArrivals() {
        while !(waiting.isWrite ? writes.isFull : reads.isFull) {
            let location = decoder.location(ofLine: waiting.line)
            let request = RequestQueue.Request(
                bank: location.bank, row: location.row, sequence: arrivals)
            let isHit = timers.openRow(ofBank: location.bank) == location.row
            if waiting.isWrite {
                writes.append(request, isHit: isHit)
            } else {
                reads.append(request, isHit: isHit)
            }
            arrivals += 1
            waiting = stream.next()
        }
    }
}

extension DRAMController {
    private enum Command {
        /// Column command of the request at this position of `opened`.
        case useOpened(Int)
        case prechargeAll(rank: Int)
        case refresh(rank: Int)
        /// Commands for the request in this slot of the queue that is being served.
        case column(Int)
        case activate(Int)
        case precharge(Int)
    }

    /// A command and when to give it.
    private struct Step {
        var command: Command
        var time: Int
        /// Of its request; decides between requests that can be helped at the same time.
        var sequence: Int

        /// Never.
        static let none = Step(command: .column(RequestQueue.none), time: Int.max, sequence: 0)

        mutating func replace(ifBetter command: Command, at time: Int, sequence: Int) {
            if (time, sequence) < (self.time, self.sequence) {
                self = Step(command: command, time: time, sequence: sequence)
            }
        }
    }

    private func earliestColumn(ofBank bank: Int, isWrite: Bool) -> Int {
        isWrite ? timers.earliestWrite(ofBank: bank) : timers.earliestRead(ofBank: bank)
    }

    /// What to do next, not before `earliest`, if no refresh comes due until then.
    private mutating func bestStep(from earliest: Int) -> Step {
        var best = Step.none
        for position in opened.indices {
            let entry = opened[position]
            let time = earliestColumn(ofBank: entry.request.bank, isWrite: entry.isWrite)
            best.replace(
                ifBetter: .useOpened(position), at: max(time, earliest),
                sequence: entry.request.sequence)
        }
        let other: Step
        if let rank = ranksToRefresh.first {
            other = refreshStep(of: rank, from: earliest)
        } else {
            chooseDirection()
            other =
                isDraining
                ? bestStep(in: writes, from: earliest) : bestStep(in: reads, from: earliest)
        }
        // A request whose row was opened for it goes first.
        return other.time < best.time ? other : best
    }

    private func refreshStep(of rank: Int, from earliest: Int) -> Step {
        guard timers.hasOpenBank(inRank: rank) else {
            let time = max(earliest, timers.earliestRefresh(ofRank: rank))
            return Step(command: .refresh(rank: rank), time: time, sequence: 0)
        }
        // A row that was opened for a request is used before it is closed again.
        guard !timers.banks(ofRank: rank).contains(where: { hasOpened[$0] }) else { return .none }
        let time = max(earliest, timers.earliestPrechargeAll(ofRank: rank))
        return Step(command: .prechargeAll(rank: rank), time: time, sequence: 0)
    }

    private mutating func chooseDirection() {
        if isDraining {
            if 5 * writes.count < queueDepth && reads.count > 0 { isDraining = false }
        } else {
            if 5 * writes.count > 4 * queueDepth || reads.count == 0 { isDraining = true }
        }
    }

    /// The command that is possible first for any request of the queue, of the oldest of equals.
    private func bestStep(in queue: borrowing RequestQueue, from earliest: Int) -> Step {
        var best = Step.none
        for bank in queue.waitingBanks {
            let list = queue.lists[bank]
            if timers.openRow(ofBank: bank) == CommandTimers.closed {
                best.replace(
                    ifBetter: .activate(list.oldest),
                    at: max(earliest, timers.earliestActivate(ofBank: bank)),
                    sequence: queue[list.oldest].sequence)
                continue
            }
            if list.oldestHit != RequestQueue.none {
                let time = earliestColumn(ofBank: bank, isWrite: isDraining)
                best.replace(
                    ifBetter: .column(list.oldestHit), at: max(earliest, time),
                    sequence: queue[list.oldestHit].sequence)
            }
            if list.oldest != list.oldestHit && !hasOpened[bank] {
                best.replace(
                    ifBetter: .precharge(list.oldest),
                    at: max(earliest, timers.earliestPrecharge(ofBank: bank)),
                    sequence: queue[list.oldest].sequence)
            }
        }
        return best
    }
}

extension DRAMController {
    private mutating func perform(_ step: Step) {
        switch step.command {
        case .useOpened(let position):
            let entry = opened.remove(at: position)
            hasOpened[entry.request.bank] = false
            serve(entry.request, isWrite: entry.isWrite)
        case .prechargeAll(let rank):
            timers.prechargeAll(ofRank: rank, at: clock)
            for bank in timers.banks(ofRank: rank) { closeInQueues(bank) }
        case .refresh(let rank):
            timers.refresh(rank: rank, at: clock)
            ranksToRefresh.removeFirst()
        case .column(let slot):
            serve(take(slot), isWrite: isDraining)
        case .activate(let slot):
            open(for: take(slot))
        case .precharge(let slot):
            let bank = isDraining ? writes[slot].bank : reads[slot].bank
            timers.precharge(bank: bank, at: clock)
            closeInQueues(bank)
        }
    }

    /// Removes a request from the queue that is being served.
    private mutating func take(_ slot: Int) -> RequestQueue.Request {
        isDraining ? writes.remove(slot) : reads.remove(slot)
    }

    private mutating func serve(_ request: RequestQueue.Request, isWrite: Bool) {
        precondition(timers.openRow(ofBank: request.bank) == request.row)
        if isWrite {
            timers.write(bank: request.bank, at: clock)
        } else {
            timers.read(bank: request.bank, at: clock)
        }
        servedCount += 1
    }

    private mutating func open(for request: RequestQueue.Request) {
        timers.activate(bank: request.bank, row: request.row, at: clock)
        reads.open(row: request.row, inBank: request.bank)
        writes.open(row: request.row, inBank: request.bank)
        hasOpened[request.bank] = true
        opened.append(Opened(request: request, isWrite: isDraining))
    }

    private mutating func closeInQueues(_ bank: Int) {
        reads.close(bank: bank)
        writes.close(bank: bank)
    }
}
