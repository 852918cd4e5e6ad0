import Foundation
import Synchronization

/// Threads that each prepare and then begin their timed part together.
enum NodeThreads {
    /// Where threads wait for each other; nobody passes before all have come.
    final class StartLine: Sendable {
        private let arrived = Atomic<Int>(0)
        private let count: Int

        init(count: Int) { self.count = count }

        /// Offers its core to the others while it waits: there may be fewer cores than threads.
        func wait() {
            arrived.wrappingAdd(1, ordering: .acquiringAndReleasing)
            while arrived.load(ordering: .acquiring) < count { sched_yield() }
        }
    }

    /// Runs `body` on `count` new threads and waits for all.
    ///
    /// - Parameter body: gets the thread's number; must not wait for a thread that may have
    ///   failed.
    /// - Returns: what each gave, in order.
    static func run<Value: Sendable>(
        count: Int, _ body: @escaping @Sendable (Int) -> Result<Value, Failure>
    ) throws -> [Value] {
        let outcomes = Mutex<[Int: Result<Value, Failure>]>([:])
        let box = Box(outcomes)
        let group = DispatchGroup()
        for index in 0..<count {
            group.enter()
            Thread {
                let outcome = body(index)
                box.outcomes.withLock { $0[index] = outcome }
                group.leave()
            }.start()
        }
        group.wait()
        let all = box.outcomes.withLock { $0 }
        return try (0..<count).map { index in
            guard let outcome = all[index] else {
                throw Failure(.internalFault, "a measuring thread gave nothing")
            }
            return try outcome.get()
        }
    }

    /// A mutex cannot be captured; an object that holds one can.
    private final class Box<Value: Sendable>: Sendable {
        let outcomes: Mutex<[Int: Result<Value, Failure>]>
        init(_ outcomes: consuming Mutex<[Int: Result<Value, Failure>]>) {
            self.outcomes = outcomes
        }
    }
}

/// When a thread's timed part began and ended.
struct TimedPart: Sendable {
    let start: ContinuousClock.Instant
    let end: ContinuousClock.Instant

    init(_ work: () -> Void) {
        start = ContinuousClock.now
        work()
        end = ContinuousClock.now
    }

    /// From the first start to the last end, in seconds.
    static func span(_ parts: [TimedPart]) -> Double {
        guard let first = parts.map(\.start).min(), let last = parts.map(\.end).max() else {
            return 0
        }
        return first.duration(to: last).seconds
    }
}
