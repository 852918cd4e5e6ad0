/// The waiting requests of one direction, oldest first within each bank.
///
/// The scheduler needs, of each bank, only its oldest request and its oldest row hit: within a
/// bank every younger one is worse. Keeping both here makes a decision cost as many steps as
/// banks are waited for, not as requests wait.
struct RequestQueue: ~Copyable {
    struct Request {
        let bank: Int
        let row: Int
        /// Order of arrival over both directions.
        let sequence: Int
    }

    private struct Slot {
        var request = Request(bank: 0, row: 0, sequence: 0)
        var previous = RequestQueue.none
        var next = RequestQueue.none
    }

    struct BankList {
        /// Slot of the oldest request of the bank.
        fileprivate(set) var oldest = RequestQueue.none
        /// Slot of the oldest request for the row that is open.
        fileprivate(set) var oldestHit = RequestQueue.none
        fileprivate var youngest = RequestQueue.none
        /// Position in `waitingBanks`.
        fileprivate var position = RequestQueue.none
    }

    static let none = -1

    private var slots: [Slot]
    private var freeSlots: [Int]
    private(set) var lists: [BankList]
    /// Banks with at least one request, in no particular order.
    private(set) var waitingBanks: [Int] = []
    private(set) var count = 0
    let depth: Int

    init(depth: Int, bankCount: Int) {
        self.depth = depth
        slots = Array(repeating: Slot(), count: depth)
        freeSlots = Array((0..<depth).reversed())
        lists = Array(repeating: BankList(), count: bankCount)
        waitingBanks.reserveCapacity(bankCount)
    }

    var isFull: Bool { count == depth }

    subscript(slot: Int) -> Request { slots[slot].request }

    /// Appends the youngest request.
    ///
    /// - Parameter isHit: whether its row is the open one of its bank.
    /// - Precondition: the queue is not full.
    mutating func append(_ request: Request, isHit: Bool) {
        let slot = freeSlots.removeLast()
        let bank = request.bank
        let last = lists[bank].youngest
        slots[slot] = Slot(request: request, previous: last, next: Self.none)
        if last == Self.none {
            lists[bank].oldest = slot
            lists[bank].position = waitingBanks.count
            waitingBanks.append(bank)
        } else {
            slots[last].next = slot
        }
        lists[bank].youngest = slot
        if isHit && lists[bank].oldestHit == Self.none { lists[bank].oldestHit = slot }
        count += 1
    }

    mutating func remove(_ slot: Int) -> Request {
        let removed = slots[slot]
        let bank = removed.request.bank
        if lists[bank].oldestHit == slot {
            lists[bank].oldestHit = firstSlot(ofRow: removed.request.row, from: removed.next)
        }
        if removed.previous == Self.none {
            lists[bank].oldest = removed.next
        } else {
            slots[removed.previous].next = removed.next
        }
        if removed.next == Self.none {
            lists[bank].youngest = removed.previous
        } else {
            slots[removed.next].previous = removed.previous
        }
        if lists[bank].oldest == Self.none { forgetBank(bank) }
        freeSlots.append(slot)
        count -= 1
        return removed.request
    }

    /// Tells the queue that `row` was opened in `bank`.
    mutating func open(row: Int, inBank bank: Int) {
        lists[bank].oldestHit = firstSlot(ofRow: row, from: lists[bank].oldest)
    }

    /// Tells the queue that `bank` was precharged.
    mutating func close(bank: Int) { lists[bank].oldestHit = Self.none }

    private func firstSlot(ofRow row: Int, from start: Int) -> Int {
        var slot = start
        while slot != Self.none && slots[slot].request.row != row { slot = slots[slot].next }
        return slot
    }

    private mutating func forgetBank(_ bank: Int) {
        let position = lists[bank].position
        let last = waitingBanks.removeLast()
        if last != bank {
            waitingBanks[position] = last
            lists[last].position = position
        }
        lists[bank].position = Self.none
    }
}
