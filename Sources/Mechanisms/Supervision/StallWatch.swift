internal import Glibc

/// Finds a process that does nothing while something is owed: neither messages nor CPU time.
///
/// A process that computes for long is not stalled, one that was stopped or waits for what will
/// never come is. Asked now and then by whoever waits; one thread's.
package final class StallWatch {
    private let worker: WorkerProcess
    private let limit: Duration
    /// How many messages came from it so far.
    package var progress: () -> Int = { 0 }
    private var last: (messages: Int, processorTime: Duration)?
    private var since = ContinuousClock.now
    private var asked = ContinuousClock.now

    /// Between two questions of one wait there is less time than this; after more, another wait
    /// has begun.
    private static let longestPause = Duration.milliseconds(500)

    /// - Parameter limit: how long it may do nothing.
    package init(_ worker: WorkerProcess, limit: Duration) {
        self.worker = worker
        self.limit = limit
    }

    /// For how long it has done nothing, once that is too long; `nil` before.
    package func stalledSpan() -> Duration? {
        let now = ContinuousClock.now
        let current = (progress(), worker.processorTime() ?? .zero)
        defer { asked = now }
        guard let last, last == current, asked.duration(to: now) < Self.longestPause else {
            last = current
            since = now
            return nil
        }
        let span = since.duration(to: now)
        return span >= limit ? span : nil
    }
}
