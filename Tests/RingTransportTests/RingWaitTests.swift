import Foundation
import LinkRecords
import Messages
import RingTransport
import Simulation
import Synchronization
import Testing

/// Sleeping, waking and giving up.
@Suite struct RingWaitTests {
    @Test func `A sleeper asks its watch after each slice, and its error ends the wait`() throws {
        let calls = Counter()
        let policy = WaitPolicy(spinIterations: 0, yieldCount: 0, sleepSlice: .milliseconds(3))
        let ring = try RingFixture(policy: policy) { () throws(LinkError) in
            if calls.increment() == 4 { throw .interrupted(signal: 15) }
        }
        #expect(throws: LinkError.interrupted(signal: 15)) { try ring.worker.receiveNumber() }
        #expect(calls.value == 4)
        #expect(ring.worker.statistics.sleeps >= 4)
    }

    @Test func `A sender that waits for room asks its watch, too`() throws {
        let policy = WaitPolicy(spinIterations: 5, yieldCount: 1, sleepSlice: .milliseconds(1))
        let ring = try RingFixture(policy: policy) { () throws(LinkError) in
            throw .peerGone("killed by signal 9")
        }
        #expect(throws: LinkError.peerGone("killed by signal 9")) {
            while true { try ring.coordinator.send(1, byteCount: 1000) }
        }
        #expect(ring.coordinator.statistics.messagesSent == 4)
    }

    @Test func `A wait that was given up can be taken up again`() throws {
        let calls = Counter()
        let policy = WaitPolicy(spinIterations: 0, yieldCount: 0, sleepSlice: .milliseconds(1))
        let ring = try RingFixture(policy: policy) { () throws(LinkError) in
            if calls.increment() == 1 { throw .interrupted(signal: 2) }
        }
        #expect(throws: LinkError.interrupted(signal: 2)) { try ring.worker.receiveNumber() }
        try ring.coordinator.send(77)
        #expect(try ring.worker.receiveNumber() == (8, 77))
    }

    @Test(arguments: [WaitPolicy.spinning, .sleeping])
    func `Ping-pong with sleeps on both sides never stalls`(policy: WaitPolicy) throws {
        // Slices far longer than the test: a lost wake-up would end in the watch.
        let patient = WaitPolicy(
            spinIterations: policy.spinIterations == 0 ? 0 : 1, yieldCount: 0,
            sleepSlice: Patience.slice)
        let patience = Patience()
        let ring = try RingFixture(policy: patient, watch: patience.watch)
        let count: UInt64 = 20_000
        let echo = SideThread {
            for _ in 0..<count { try ring.worker.send(try ring.worker.receiveNumber().number ?? 0) }
        }
        for number in 0..<count {
            try ring.coordinator.send(number)
            let answer = try ring.coordinator.receiveNumber().number
            patience.noteProgress()
            if answer != number {
                Issue.record("round \(number): got \(answer as Any)")
                ring.coordinator.close()
                break
            }
        }
        try echo.join()
        #expect(ring.worker.statistics.sleeps > 0, "the test slept, or it tested nothing")
    }

    @Test func `A full ring wakes its sender, however little is read at a time`() throws {
        let patient = WaitPolicy(
            spinIterations: 0, yieldCount: 0, sleepSlice: Patience.slice)
        let patience = Patience()
        let ring = try RingFixture(policy: patient, watch: patience.watch)
        let count: UInt64 = 20_000
        let writer = SideThread {
            for number in 0..<count { try ring.coordinator.send(number, byteCount: 2000) }
        }
        for number in 0..<count {
            let received = try ring.worker.receiveNumber()
            patience.noteProgress()
            if received != (2000, number) {
                Issue.record("message \(number): got \(received)")
                ring.worker.close()
                break
            }
        }
        try writer.join()
    }

    @Test func `Sixteen sleeping receivers use next to no processor time`() throws {
        let policy = WaitPolicy.sleeping
        let duration = 0.6
        let sleepers = try (0..<16).map { _ in
            let ring = try RingFixture(policy: policy)
            let thread = SideThread {
                let before = Self.threadSeconds()
                _ = try ring.worker.receiveNumber()
                return Self.threadSeconds() - before
            }
            return (ring, thread)
        }
        Thread.sleep(forTimeInterval: duration)
        for (ring, _) in sleepers { try ring.coordinator.send(1) }
        let used = try sleepers.reduce(0) { $0 + (try $1.1.join()) }
        // One spinning thread alone would use `duration`; sixteen slices every 50 ms use about
        // 1 % of it.
        #expect(used < duration / 4, "\(used) s of processor time")
        #expect(sleepers.allSatisfy { $0.0.worker.statistics.sleeps > 0 })
    }

    @Test func `A policy spins only while every thread has a processor`() {
        #expect(WaitPolicy.suiting(threadCount: 2, processorCount: 2) == .spinning)
        #expect(WaitPolicy.suiting(threadCount: 3, processorCount: 2) == .sleeping)
        #expect(WaitPolicy.sleeping.spinIterations == 0)
        #expect(WaitPolicy.spinning.spinIterations > 0)
    }

    private static func threadSeconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// Tells a lost wake-up, after which a sleeper sleeps for its whole slice, from one for nothing.
///
/// Those there are: a waker that is preempted between counting its ring and waking finds the
/// sleeper, who saw the count and went on, asleep again.
private final class Patience: Sendable {
    /// Far longer than the tests.
    static let slice = Duration.seconds(60)

    private let progress = Mutex(ContinuousClock.now)

    func noteProgress() { progress.withLock { $0 = .now } }

    func watch() throws(LinkError) {
        let last = progress.withLock { $0 }
        guard last.duration(to: .now) >= Self.slice else { return }
        throw .system("slept for a whole slice: a wake-up was lost")
    }
}

/// Counts calls from any thread.
final class Counter: Sendable {
    private let count = Atomic(0)

    var value: Int { count.load(ordering: .acquiring) }

    /// The count after this call.
    func increment() -> Int { count.add(1, ordering: .acquiringAndReleasing).newValue }
}
