/// The doorbell protocol as a state machine for two processors whose stores become visible late
/// and in order, as on x86: each processor has a store buffer that memory takes from at any time.
///
/// A producer publishes messages and rings; a consumer reads them and sleeps in between. Sleep has
/// no time limit here, so a lost wake-up is a state in which nothing can happen any more.
struct DoorbellModel {
    /// The protocol, and ways to get it wrong.
    enum Variant: CaseIterable {
        /// As implemented, with a fence on both sides.
        case fences
        /// As implemented, with the sleeper's barrier on every processor and none in the waker.
        case barrierEverywhere
        case wakerWithoutBarrier
        case sleeperWithoutBarrier
        case noSecondLook
        case ticketAfterFlag
        case wakeBeforeRing
        /// The sleeper waits on the tail; the waker lowers the flag and wakes.
        case sleepOnTail

        var isCorrect: Bool { self == .fences || self == .barrierEverywhere }
    }

    enum Cell: Hashable {
        case tail
        case word
        case flag
    }

    struct Memory: Hashable {
        var tail: UInt8 = 0
        var word: UInt8 = 0
        var flag: UInt8 = 0

        subscript(cell: Cell) -> UInt8 {
            get {
                switch cell {
                case .tail: tail
                case .word: word
                case .flag: flag
                }
            }
            set {
                switch cell {
                case .tail: tail = newValue
                case .word: word = newValue
                case .flag: flag = newValue
                }
            }
        }
    }

    struct PendingStore: Hashable {
        let cell: Cell
        let value: UInt8
    }

    enum ProducerStep: Hashable {
        case publish
        case barrier
        case readFlag
        case lowerFlag
        case ring
        case wake
        case done
    }

    enum ConsumerStep: Hashable {
        case look
        case drawTicket
        case raiseFlag
        case barrier
        case secondLook
        case sleep
        case asleep
        case lowerFlag
        case done
    }

    struct State: Hashable {
        var memory = Memory()
        var producerBuffer: [PendingStore] = []
        var consumerBuffer: [PendingStore] = []
        var producer = ProducerStep.publish
        var consumer = ConsumerStep.look
        var published: UInt8 = 0
        var consumed: UInt8 = 0
        var ticket: UInt8 = 0
        var spuriousWakeups: UInt8 = 0

        /// What a processor reads: its own latest pending store, else memory.
        func producerReads(_ cell: Cell) -> UInt8 {
            producerBuffer.last { $0.cell == cell }?.value ?? memory[cell]
        }

        func consumerReads(_ cell: Cell) -> UInt8 {
            consumerBuffer.last { $0.cell == cell }?.value ?? memory[cell]
        }

        mutating func drainProducer() {
            for store in producerBuffer { memory[store.cell] = store.value }
            producerBuffer = []
        }
    }

    let variant: Variant
    let messageCount: UInt8

    /// All states reachable from the start; true when every dead end is a finished run.
    func explore() -> (stateCount: Int, isSafe: Bool) {
        var seen: Set<State> = [State()]
        var pending = [State()]
        var isSafe = true
        while let state = pending.popLast() {
            let next = successors(of: state)
            if next.isEmpty && state.consumer != .done { isSafe = false }
            for candidate in next where seen.insert(candidate).inserted {
                pending.append(candidate)
            }
        }
        return (seen.count, isSafe)
    }

    /// Every state that one step of either processor, or of a store buffer, leads to.
    func successors(of state: State) -> [State] {
        var next: [State] = []
        if let store = state.producerBuffer.first {
            var after = state
            after.producerBuffer.removeFirst()
            after.memory[store.cell] = store.value
            next.append(after)
        }
        if let store = state.consumerBuffer.first {
            var after = state
            after.consumerBuffer.removeFirst()
            after.memory[store.cell] = store.value
            next.append(after)
        }
        if let after = producerMoves(state) { next.append(after) }
        if let after = consumerMoves(state) { next.append(after) }
        if state.consumer == .asleep, state.spuriousWakeups < 1 {
            var after = state
            after.spuriousWakeups += 1
            after.consumer = .lowerFlag
            next.append(after)
        }
        return next
    }

    private func producerMoves(_ state: State) -> State? {
        var state = state
        switch state.producer {
        case .publish:
            state.published += 1
            state.producerBuffer.append(PendingStore(cell: .tail, value: state.published))
            let hasFence = variant != .barrierEverywhere && variant != .wakerWithoutBarrier
            state.producer = hasFence ? .barrier : .readFlag
        case .barrier:
            guard state.producerBuffer.isEmpty else { return nil }
            state.producer = .readFlag
        case .readFlag:
            let isSleeping = state.producerReads(.flag) == 1
            state.producer = isSleeping ? .lowerFlag : afterMessage(state)
        case .lowerFlag:
            state.producerBuffer.append(PendingStore(cell: .flag, value: 0))
            state.producer =
                variant == .sleepOnTail || variant == .wakeBeforeRing ? .wake : .ring
        case .ring:  // an atomic addition: empties the store buffer
            guard state.producerBuffer.isEmpty else { return nil }
            state.memory.word &+= 1
            state.producer = variant == .wakeBeforeRing ? afterMessage(state) : .wake
        case .wake:  // a system call that takes a lock: empties the store buffer
            guard state.producerBuffer.isEmpty else { return nil }
            if state.consumer == .asleep { state.consumer = .lowerFlag }
            state.producer = variant == .wakeBeforeRing ? .ring : afterMessage(state)
        case .done:
            return nil
        }
        return state
    }

    private func afterMessage(_ state: State) -> ProducerStep {
        state.published == messageCount ? .done : .publish
    }

    private func consumerMoves(_ state: State) -> State? {
        var state = state
        switch state.consumer {
        case .look:
            if !consumeOne(&state) {
                state.consumer = variant == .ticketAfterFlag ? .raiseFlag : .drawTicket
            }
        case .drawTicket:
            state.ticket = state.consumerReads(.word)
            state.consumer = variant == .ticketAfterFlag ? .sleep : .raiseFlag
        case .raiseFlag:
            state.consumerBuffer.append(PendingStore(cell: .flag, value: 1))
            state.consumer = variant == .sleeperWithoutBarrier ? .secondLook : .barrier
        case .barrier:
            guard state.consumerBuffer.isEmpty else { return nil }
            if variant == .barrierEverywhere { state.drainProducer() }
            state.consumer = variant == .noSecondLook ? .sleep : .secondLook
        case .secondLook:
            if state.consumerReads(.tail) != state.consumed {
                state.consumer = .lowerFlag
            } else {
                state.consumer = variant == .ticketAfterFlag ? .drawTicket : .sleep
            }
        case .sleep:  // the kernel compares and queues under one lock
            let isUnchanged =
                variant == .sleepOnTail
                ? state.memory.tail == state.consumed : state.memory.word == state.ticket
            state.consumer = isUnchanged ? .asleep : .lowerFlag
        case .lowerFlag:
            state.consumerBuffer.append(PendingStore(cell: .flag, value: 0))
            state.consumer = .look
        case .asleep, .done:
            return nil
        }
        return state
    }

    /// Reads one message if one is there.
    private func consumeOne(_ state: inout State) -> Bool {
        guard state.consumerReads(.tail) != state.consumed else { return false }
        state.consumed += 1
        if state.consumed == messageCount { state.consumer = .done }
        return true
    }
}
