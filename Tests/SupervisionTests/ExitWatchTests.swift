import Foundation
import Glibc
import Supervision
import Synchronization
import Testing

/// Ends of workers are noticed by a thread that sleeps on them, and idleness by who waits.
@Suite struct ExitWatchTests {
    private static func sleeper() throws -> WorkerProcess {
        try WorkerProcess.startUnbonded(executable: "/bin/sleep", arguments: ["60"])
    }

    @Test func `Each worker's end wakes once, and no other's`() throws {
        let watch = try ExitWatch.start()
        let workers = try (0..<3).map { _ in try Self.sleeper() }
        let wakes = Wakes()
        for (index, worker) in workers.enumerated() {
            try watch.add(worker) { wakes.note(index) }
        }
        workers[1].kill()
        #expect(wakes.wait(for: 1) == [1])
        workers[0].kill()
        workers[2].kill()
        #expect(Set(wakes.wait(for: 3)) == [0, 1, 2])
    }

    @Test func `A watch ends while workers run`() throws {
        let worker = try Self.sleeper()
        let wakes = Wakes()
        do {
            let watch = try ExitWatch.start()
            try watch.add(worker) { wakes.note(0) }
            withExtendedLifetime(watch) {}
        }
        worker.kill()
        usleep(100_000)
        #expect(wakes.all.isEmpty)
    }

    @Test func `A stopped worker stalls, a busy one does not`() throws {
        let idle = try Self.sleeper()
        let busy = try WorkerProcess.startUnbonded(
            executable: "/bin/sh", arguments: ["-c", "while :; do :; done"])
        defer {
            idle.kill()
            busy.kill()
        }
        let limit = Duration.milliseconds(300)
        // Waits as a worker does on a doorbell: it wakes now and then, and finds nothing.
        let waiting = try WorkerProcess.startUnbonded(
            executable: "/bin/sh", arguments: ["-c", "while :; do sleep 0.3; done"])
        defer { waiting.kill() }
        let watches = [idle, busy, waiting].map { StallWatch($0) { limit } }
        var stalled = [false, false, false]
        for _ in 0..<40 {
            for (index, watch) in watches.enumerated() where watch.stalledSpan() != nil {
                stalled[index] = true
            }
            usleep(50_000)
        }
        #expect(stalled == [true, false, true])
    }

    @Test func `A message is progress, and so is a pause between two waits`() throws {
        let worker = try Self.sleeper()
        defer { worker.kill() }
        let watch = StallWatch(worker) { .milliseconds(200) }
        var count = 0
        watch.progress = { count }
        for _ in 0..<12 {
            count += 1
            #expect(watch.stalledSpan() == nil)
            usleep(50_000)
        }
        usleep(700_000)
        #expect(watch.stalledSpan() == nil)
    }

    @Test func `A stopped worker says so until it goes on`() throws {
        let worker = try Self.sleeper()
        defer { worker.kill() }
        #expect(!worker.isStopped())
        _ = kill(worker.processIdentifier, SIGSTOP)
        var tries = 0
        while !worker.isStopped(), tries < 100 {
            usleep(10_000)
            tries += 1
        }
        #expect(worker.isStopped())
        worker.resume()
        while worker.isStopped(), tries < 200 {
            usleep(10_000)
            tries += 1
        }
        #expect(!worker.isStopped())
        worker.kill()
        #expect(worker.processorTime() == nil)
    }

    private final class Wakes: Sendable {
        private let noted = Mutex<[Int]>([])

        var all: [Int] { noted.withLock { $0 } }

        func note(_ index: Int) { noted.withLock { $0.append(index) } }

        /// What was noted once there is so much of it.
        func wait(for count: Int) -> [Int] {
            for _ in 0..<500 where all.count < count { usleep(10_000) }
            return all
        }
    }
}
