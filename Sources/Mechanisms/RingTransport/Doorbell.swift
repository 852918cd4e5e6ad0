import CLinuxShims
import MappedMemory
import Synchronization

/// Where one end of a ring sleeps and the other wakes it; the argument why no wake-up is lost is
/// in <doc:Doorbells>.
///
///     0   futex word: counts rings; the sleeper waits on it and on nothing else
///     4   sleeper's flags, bits of `SleeperFlags`
struct Doorbell {
    private let word: SharedWord
    private let flags: SharedWord

    init(in mapping: borrowing SharedMapping, at offset: Int) {
        word = SharedWord(in: mapping, at: offset)
        flags = SharedWord(in: mapping, at: offset + 4)
    }

    /// The sleeper's side: says once, when it attaches, which kind of barrier it will use.
    func announce(_ barrier: SleeperBarrier) { flags.storeReleasing(barrier.flag) }

    /// Whether the sleeper brings the barrier for both sides. Once true it stays true.
    var sleeperBringsBarrier: Bool {
        flags.loadRelaxed() & SleeperFlags.bringsBarrier != 0
    }

    /// The sleeper's first step: from here a waker will ring. The caller looks at its condition
    /// once more, then calls ``sleep(_:atMost:)`` or ``disarm(_:)``.
    ///
    /// - Returns: the ticket to sleep on.
    func arm(_ barrier: SleeperBarrier) -> UInt32 {
        // Acquire pairs with the waker's release: whoever saw this ring sees its cause, too.
        let ticket = word.loadAcquiring()
        flags.storeRelaxed(SleeperFlags.isSleeping | barrier.flag)
        barrier.execute()
        return ticket
    }

    /// Sleeps until somebody rings after the ticket was drawn, or the slice is over.
    ///
    /// - Returns: errno of the futex call, 0 when woken.
    func sleep(_ ticket: UInt32, atMost slice: Duration) -> Int32 {
        word.sleep(whileEqualTo: ticket, atMost: slice)
    }

    func disarm(_ barrier: SleeperBarrier) { flags.storeRelaxed(barrier.flag) }

    /// The waker's side, after it published what the sleeper waits for: no system call when
    /// nobody sleeps.
    ///
    /// - Parameter isBarrierNeeded: false when the sleeper brings the barrier for both.
    /// - Returns: whether it rang.
    @inline(__always)
    func ringIfSleeping(isBarrierNeeded: Bool) -> Bool {
        // The publication must be visible before the flag is read.
        if isBarrierNeeded {
            atomicMemoryFence(ordering: .sequentiallyConsistent)
        } else {
            shim_compiler_fence()
        }
        let seen = flags.loadRelaxed()
        guard seen & SleeperFlags.isSleeping != 0 else { return false }
        // One ring per sleep: later publications find the flag down and skip the system call.
        flags.storeRelaxed(seen & ~SleeperFlags.isSleeping)
        ring()
        return true
    }

    /// Rings whether anybody sleeps or not.
    func ring() {
        word.increment()
        word.wakeOne()
    }
}

/// Bits of a doorbell's second word.
private enum SleeperFlags {
    static let isSleeping: UInt32 = 1
    static let bringsBarrier: UInt32 = 2
}

/// How a sleeper orders "I sleep" before its last look at the ring.
enum SleeperBarrier {
    /// A fence on both sides: a few nanoseconds at every publication, nothing extra per sleep.
    case fence
    /// The sleeper runs a barrier on every processor by membarrier(2), so that publications need
    /// none: microseconds per sleep, for ends that spin and hardly ever sleep.
    case everywhere

    fileprivate var flag: UInt32 { self == .everywhere ? SleeperFlags.bringsBarrier : 0 }

    fileprivate func execute() {
        switch self {
        case .fence:
            atomicMemoryFence(ordering: .sequentiallyConsistent)
        case .everywhere:
            let status = shim_barrier_everywhere()
            precondition(status == 0, "membarrier succeeded when this end attached")
        }
    }
}

/// What membarrier(2) can do for this process; asked once.
enum ProcessBarriers {
    /// Whether other processes' barriers reach this one, so that it may publish without fences.
    static let areReceived = shim_register_for_barriers() == 0
    /// Whether this process can run them.
    static let areSendable = areReceived && shim_barrier_everywhere() == 0
}
