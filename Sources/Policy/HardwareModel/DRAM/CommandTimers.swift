/// When each command may next be given: the timing rules of JESD79-4 between banks, bank groups
/// and ranks that share one data bus.
///
/// Every rule is "not before the earlier command plus a distance", so it suffices to keep, per
/// bank, group and rank, the latest of these limits. All times are memory clock cycles.
struct CommandTimers: ~Copyable {
    static let closed = -1

    private struct Bank {
        let group: Int
        let rank: Int
        var openRow = CommandTimers.closed
        var column = 0
        var activate = 0
        var precharge = 0
    }

    private struct Group {
        var read = 0
        var write = 0
        var activate = 0
    }

    private struct Rank {
        var read = 0
        var write = 0
        var activate = 0
        var prechargeAll = 0
        var refresh = 0
        var openBankCount = 0
        /// Times of the last four activates, newest first; before all time at the start.
        var activates = (-DRAMTiming.maximum, -DRAMTiming.maximum, -DRAMTiming.maximum)
    }

    private let timing: DRAMTiming
    private let banksPerRank: Int
    private var banks: [Bank]
    private var groups: [Group]
    private var ranks: [Rank]

    init(_ configuration: DRAMConfiguration) {
        timing = configuration.timing
        banksPerRank = configuration.banksPerRank
        let perGroup = configuration.banksPerGroup
        let perRank = configuration.banksPerRank
        banks = (0..<configuration.rankCount * perRank).map {
            Bank(group: $0 / perGroup, rank: $0 / perRank)
        }
        groups = Array(repeating: Group(), count: banks.count / perGroup)
        ranks = Array(repeating: Rank(), count: configuration.rankCount)
    }

    var bankCount: Int { banks.count }
    var rankCount: Int { ranks.count }

    func banks(ofRank rank: Int) -> Range<Int> {
        rank * banksPerRank..<(rank + 1) * banksPerRank
    }

    /// The open row of a bank, or `closed`.
    func openRow(ofBank bank: Int) -> Int { banks[bank].openRow }
    func hasOpenBank(inRank rank: Int) -> Bool { ranks[rank].openBankCount > 0 }

    func earliestRead(ofBank bank: Int) -> Int {
        let state = banks[bank]
        return max(ranks[state.rank].read, max(groups[state.group].read, state.column))
    }

    func earliestWrite(ofBank bank: Int) -> Int {
        let state = banks[bank]
        return max(ranks[state.rank].write, max(groups[state.group].write, state.column))
    }

    func earliestActivate(ofBank bank: Int) -> Int {
        let state = banks[bank]
        return max(ranks[state.rank].activate, max(groups[state.group].activate, state.activate))
    }

    func earliestPrecharge(ofBank bank: Int) -> Int { banks[bank].precharge }
    func earliestPrechargeAll(ofRank rank: Int) -> Int { ranks[rank].prechargeAll }
    func earliestRefresh(ofRank rank: Int) -> Int { ranks[rank].refresh }
}

extension CommandTimers {
    mutating func read(bank: Int, at now: Int) {
        let group = banks[bank].group
        let rank = banks[bank].rank
        let otherRank = now + timing.tBL + timing.rankSwitch
        for other in ranks.indices where other != rank {
            // The next rank's command waits for burst and switch whatever its direction: the
            // reference simulator does not shift a write by tCL - tCWL here, and a controller
            // that did would miss its rows with writes by up to 3.8 %.
            ranks[other].read.raise(to: otherRank)
            ranks[other].write.raise(to: otherRank)
        }
        ranks[rank].read.raise(to: now + max(timing.tBL, timing.tCCDS))
        // Read data leave the bus, two cycles of preamble pass, write data arrive.
        let turnaround = timing.tCL + timing.tBL + Self.writePreamble - timing.tCWL
        ranks[rank].write.raise(to: now + turnaround)
        ranks[rank].prechargeAll.raise(to: now + timing.tRTP)
        groups[group].read.raise(to: now + timing.tCCDL)
        banks[bank].precharge.raise(to: now + timing.tRTP)
    }

    mutating func write(bank: Int, at now: Int) {
        let group = banks[bank].group
        let rank = banks[bank].rank
        let dataEnd = now + timing.tCWL + timing.tBL
        for other in ranks.indices where other != rank {
            // The controller drives every write itself: no switch between ranks.
            ranks[other].write.raise(to: now + timing.tBL)
            ranks[other].read.raise(to: dataEnd + timing.rankSwitch - timing.tCL)
        }
        ranks[rank].write.raise(to: now + max(timing.tBL, timing.tCCDS))
        ranks[rank].read.raise(to: dataEnd + timing.tWTRS)
        ranks[rank].prechargeAll.raise(to: dataEnd + timing.tWR)
        groups[group].write.raise(to: now + timing.tCCDL)
        groups[group].read.raise(to: dataEnd + timing.tWTRL)
        banks[bank].precharge.raise(to: dataEnd + timing.tWR)
    }

    mutating func activate(bank: Int, row: Int, at now: Int) {
        let group = banks[bank].group
        let rank = banks[bank].rank
        let past = ranks[rank].activates
        ranks[rank].activates = (now, past.0, past.1)
        // `past.2` is the third activate before this one: the fifth of them must wait.
        ranks[rank].activate.raise(to: max(now + timing.tRRDS, past.2 + timing.tFAW))
        ranks[rank].prechargeAll.raise(to: now + timing.tRAS)
        ranks[rank].refresh.raise(to: now + timing.tRC)
        groups[group].activate.raise(to: now + timing.tRRDL)
        banks[bank].activate.raise(to: now + timing.tRC)
        banks[bank].column.raise(to: now + timing.tRCD)
        banks[bank].precharge.raise(to: now + timing.tRAS)
        banks[bank].openRow = row
        ranks[rank].openBankCount += 1
    }

    mutating func precharge(bank: Int, at now: Int) {
        let rank = banks[bank].rank
        ranks[rank].refresh.raise(to: now + timing.tRP)
        banks[bank].activate.raise(to: now + timing.tRP)
        banks[bank].openRow = Self.closed
        ranks[rank].openBankCount -= 1
    }

    mutating func prechargeAll(ofRank rank: Int, at now: Int) {
        ranks[rank].refresh.raise(to: now + timing.tRP)
        ranks[rank].activate.raise(to: now + timing.tRP)
        for bank in banks(ofRank: rank) { banks[bank].openRow = Self.closed }
        ranks[rank].openBankCount = 0
    }

    mutating func refresh(rank: Int, at now: Int) {
        ranks[rank].activate.raise(to: now + timing.tRFC)
        ranks[rank].prechargeAll.raise(to: now + timing.tRFC)
    }

    /// Cycles between the end of read data and the start of write data (JESD79-4, 2 tCK preamble).
    static let writePreamble = 2
}

extension Int {
    /// Sets a limit to `time` unless it is later already.
    fileprivate mutating func raise(to time: Int) { self = Swift.max(self, time) }
}
