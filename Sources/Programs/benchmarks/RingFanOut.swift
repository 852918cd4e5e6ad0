import ArgumentParser
import LinkRecords
import Messages
import RingTransport

/// `benchmarks fanout`: what a step of a token costs in messages alone.
struct FanOutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fanout",
        abstract: "4 KB to each of K worker processes and back, on all processors.")

    func run() throws {
        try Machine.requireProcessors(1)
        print(Machine.description)
        let processorCount = Machine.processorCount
        print("\n4 KB to each of K workers and back; us a round")
        for work in [0, 100] {
            for workerCount in [1, 4, 8, 16] {
                // The coordinator waits while its workers compute, but spinning it needs a
                // processor as they do.
                let suiting = WaitPolicy.suiting(
                    threadCount: workerCount + 1, processorCount: processorCount)
                var contenders = [("ring, \(suiting.name)", Transport.ring, suiting)]
                if suiting == .spinning { contenders.append(("ring, sleeping", .ring, .sleeping)) }
                contenders.append(("pipe", .pipe, .sleeping))
                for (name, transport, policy) in contenders {
                    let times = try FanOut(
                        channel: Channel(
                            transport: transport, policy: policy, messageByteCount: 4096),
                        workerCount: workerCount, workMicroseconds: work,
                        roundCount: work == 0 ? 8000 / workerCount : 1000
                    ).run()
                    let ideal = work * ((workerCount + processorCount - 1) / processorCount)
                    print(
                        row("K = \(workerCount), \(name)"), "work \(work) us",
                        work > 0 ? "(ideal \(ideal)) " : " ", times.description)
                }
            }
        }
    }
}

/// Sends one message to each worker, then receives one from each, in order.
struct FanOut {
    let channel: Channel
    let workerCount: Int
    let workMicroseconds: Int
    let roundCount: Int

    func run() throws -> Times {
        let crew = try Crew(
            channel, workerCount: workerCount, workMicroseconds: workMicroseconds)
        var times = Times()
        let warmCount = roundCount / 10
        var before = monotonicNanoseconds()
        for round in 0..<UInt64(roundCount) {
            try crew.send(round)
            try crew.expect(round)
            let now = monotonicNanoseconds()
            if round >= warmCount { times.record(nanoseconds: now - before) }
            before = now
        }
        return times
    }
}

/// Worker processes; arrays cannot hold noncopyable connections, a chain of objects can.
private final class Crew {
    private let connection: PeerConnection
    private let byteCount: Int
    private let others: Crew?

    init(_ channel: Channel, workerCount: Int, workMicroseconds: Int) throws {
        others =
            workerCount > 1
            ? try Crew(channel, workerCount: workerCount - 1, workMicroseconds: workMicroseconds)
            : nil
        connection = try PeerConnection.open(
            channel, role: .echo, workMicroseconds: workMicroseconds)
        byteCount = channel.messageByteCount
    }

    func send(_ round: UInt64) throws {
        try connection.link.send(byteCount: byteCount) { message in
            message.storeBytes(of: round, as: UInt64.self)
        }
        try others?.send(round)
    }

    func expect(_ round: UInt64) throws {
        var answer = UInt64.max
        try connection.link.receive { answer = unsafe $0.unsafeLoadUnaligned(as: UInt64.self) }
        guard answer == round else {
            throw BenchmarkError.wrongResult("sent \(round), got \(answer) back")
        }
        try others?.expect(round)
    }
}

extension WaitPolicy {
    /// What tables call the policy.
    fileprivate var name: String { spinIterations > 0 ? "spinning" : "sleeping" }
}
