import Glibc
import MappedMemory
import Pacing
import Quantities
import Synchronization

/// A wall clock that stands still until somebody sleeps, offers the core or moves it.
final class SimulatedWall {
    var now: UInt64
    /// Each sleep ends so much later than asked for.
    var oversleep: UInt64 = 0
    /// Ends the next sleeps at these instants instead, as a signal does.
    var interruptions: [UInt64] = []
    /// How long an offer of the core takes: one nanosecond when nobody wants it.
    var offerNanoseconds: UInt64 = 1
    private(set) var sleeps: [UInt64] = []
    private(set) var offerCount = 0

    init(now: UInt64) { self.now = now }

    var clock: WallClock {
        WallClock(
            now: { WallInstant(nanoseconds: self.now) },
            sleep: { until in
                self.sleeps.append(until.nanoseconds)
                if let early = self.interruptions.first {
                    self.interruptions.removeFirst()
                    self.now = max(self.now, early)
                } else {
                    self.now = max(self.now, until.nanoseconds + self.oversleep)
                }
            },
            giveWay: {
                self.offerCount += 1
                self.now += self.offerNanoseconds
            })
    }
}

/// Runs `body` on threads of its own, all at once, and collects their results in index order.
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

/// A board of its own for `linkCount` links.
func makeBoard(linkCount: Int = 1) throws -> SharedLinkBoard {
    let segment = try SharedSegment.create(
        byteCount: SharedLinkBoard.byteCount(linkCount: linkCount))
    return try SharedLinkBoard(adopting: try segment.map(), linkCount: linkCount)
}

extension EmulatedTime {
    init(_ picoseconds: UInt64) { self.init(picosecondsSinceStart: picoseconds) }
}

extension EmulatedDuration {
    init(_ picoseconds: UInt64) { self.init(picoseconds: picoseconds) }
}
