import Glibc
import Synchronization

/// Runs `body` on `count` threads of its own at once and collects their results, in index order.
///
/// Not a dispatch queue or task group: those run no more threads than there are processors, and
/// sharers of a link wait for one another's bookings.
func onThreads<Result: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) -> Result
) -> [Result] {
    let collector = Collector<Result>()
    let threads = (0..<count).map { index in
        let work = Work { collector.store(body(index), index) }
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread, nil,
            { argument in
                if let argument = unsafe argument {
                    unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
                }
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        precondition(status == 0, "a thread could not be started")
        return thread
    }
    for thread in threads { pthread_join(thread, nil) }
    return collector.results(count)
}

private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private final class Collector<Result: Sendable>: Sendable {
    private let stored = Mutex<[Int: Result]>([:])

    func store(_ result: Result, _ index: Int) { stored.withLock { $0[index] = result } }

    func results(_ count: Int) -> [Result] {
        stored.withLock { stored in (0..<count).compactMap { stored[$0] } }
    }
}
