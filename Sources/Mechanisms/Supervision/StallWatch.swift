/// Finds a process that does nothing while something is owed: it sends no message and hardly
/// computes.
///
/// A process that computes for long is not stalled; one that was stopped, or waits for what will
/// never come, is, though it may look around now and then. Asked now and then by whoever waits; one
/// thread's.
package final class StallWatch {
    private struct Sign {
        let messageCount: Int
        let processorTime: Duration
        let instant: ContinuousClock.Instant
    }

    private let worker: WorkerProcess?
    /// How long it may do nothing; `nil` for as long as it likes.
    private let limit: () -> Duration?
    /// How many messages came from it so far.
    package var progress: () -> Int = { 0 }
    private var lastSign: Sign?
    private var asked = ContinuousClock.now

    /// Between two questions of one wait, a slice of sleep apart, there is less time than this even
    /// on a busy machine; after more, another wait has begun.
    private static let longestPause = Duration.milliseconds(500)
    /// A process that waits on a doorbell wakes for each slice, which takes some microseconds of
    /// its 50 ms; one that computes has more than a hundredth of a core, however many share it.
    private static let idleShare = 100

    /// - Parameters:
    ///   - worker: nil for one whose processor time cannot be read here: its messages alone count.
    ///   - limit: how long it may do nothing; asked each time.
    package init(_ worker: WorkerProcess?, limit: @escaping () -> Duration?) {
        self.worker = worker
        self.limit = limit
    }

    /// For how long it has done nothing, once that is too long; `nil` before.
    package func stalledSpan() -> Duration? {
        let now = ContinuousClock.now
        let sign = Sign(
            messageCount: progress(), processorTime: worker?.processorTime() ?? .zero,
            instant: now)
        defer { asked = now }
        guard let last = lastSign, last.messageCount == sign.messageCount,
            asked.duration(to: now) < Self.longestPause
        else {
            lastSign = sign
            return nil
        }
        let span = last.instant.duration(to: now)
        guard sign.processorTime - last.processorTime <= span / Self.idleShare else {
            lastSign = sign
            return nil
        }
        guard let limit = limit(), span >= limit else { return nil }
        return span
    }
}
