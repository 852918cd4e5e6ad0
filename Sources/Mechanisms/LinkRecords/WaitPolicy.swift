internal import Glibc
package import Messages

/// How an end waits: spin, then yield the core, then sleep on its doorbell.
///
/// Spinning answers in a fraction of a microsecond and pays only while every waiting thread has
/// a core of its own: with more threads than cores it takes the core from the very thread that
/// is waited for. Yielding before sleeping spares a sleep and a wake-up whenever the other side
/// answers within a turn. Measured with `benchmarks fanout` on two cores, 4 KB to each worker and
/// back: one worker 0.45 us spinning, 3.5 us yielding, 5.5 us sleeping at once; four workers
/// 10 us yielding, 24 us sleeping at once.
package struct WaitPolicy: Equatable, Sendable {
    /// Looks at the ring, with a pause hint between them; 0 means that no core is spare.
    package var spinIterations: Int
    /// Looks at the ring with the core offered to others between them.
    package var yieldCount: Int
    /// Longest sleep before the link's watch is asked whether waiting still makes sense.
    package var sleepSlice: Duration

    package init(spinIterations: Int, yieldCount: Int, sleepSlice: Duration = .milliseconds(50)) {
        precondition(spinIterations >= 0)
        precondition(yieldCount >= 0)
        precondition(sleepSlice > .zero)
        self.spinIterations = spinIterations
        self.yieldCount = yieldCount
        self.sleepSlice = sleepSlice
    }

    /// For threads that have a core each: spins for some tens of microseconds.
    package static let spinning = WaitPolicy(spinIterations: 2000, yieldCount: 4)

    /// For more threads than cores: offers the core a few times, then sleeps.
    package static let sleeping = WaitPolicy(spinIterations: 0, yieldCount: 3)

    /// The policy for `threadCount` threads that compute or wait on `processorCount` processors.
    package static func suiting(threadCount: Int, processorCount: Int) -> WaitPolicy {
        threadCount <= processorCount ? .spinning : .sleeping
    }
}

extension WaitPolicy {
    /// Looks, then yields between looks; who waits sleeps after that.
    ///
    /// - Parameter spinsPerLook: as many looks at a ring take as long as one of these.
    /// - Returns: whether `isReady` came true, and how often it was in vain.
    package func look(
        spinsPerLook: Int, until isReady: () throws(LinkError) -> Bool
    ) throws(LinkError) -> (isReady: Bool, spins: Int, yields: Int) {
        let spins = spinIterations / spinsPerLook
        for spin in 0..<spins where try isReady() { return (true, spin, 0) }
        for yield in 0..<yieldCount {
            if try isReady() { return (true, spins, yield) }
            sched_yield()
        }
        return (false, spins, yieldCount)
    }
}
