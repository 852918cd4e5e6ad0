import LinkRecords
import Messages
import NUMABinding
import NodeMeasurement
import RingTransport
import Supervision

/// From one node's CPUs to one node's memory.
struct MatrixCell {
    let processorNode: Int
    let memoryNode: Int
    /// Bytes per second, all threads together.
    let bandwidth: Samples
    /// Seconds from one dependent load to the next.
    let latency: Samples
    /// Pages that were not on the memory node, of those read.
    let pagesElsewhere: Int
}

/// Between a thread on one node and a thread on another, over a ring.
struct RingCell {
    let first: Int
    let second: Int
    /// Seconds there and back, for the smallest message.
    let roundTrip: Samples
    /// Payload bytes per second one way.
    let throughput: Samples
}

/// Measures the machine itself: reads from node to node, and rings between pairs of nodes.
struct NodeMatrix {
    let nodes: [Int]
    let roundCount: Int
    let byteCount: Int
    private static let chaseStepCount = 200_000
    private static let ringCapacity = 1 << 20
    private static let roundTripCount = 2000
    private static let streamMessageByteCount = 16_384
    private static let streamMessageCount = 4096

    private final class Memory: Sendable {
        let walk: MemoryWalk
        init(_ walk: consuming MemoryWalk) { self.walk = walk }
    }

    // MARK: Reads

    /// Rounds go through all pairs, so that a disturbance does not hit one pair alone.
    func measureReads() throws -> [MatrixCell] {
        let threadCount = try NUMAMachine.current.bindableCPUs(ofNodes: nodes).count / nodes.count
        let parts = max(1, threadCount)
        let share = byteCount / parts / 128 * 128
        var memories: [Int: [Memory]] = [:]
        for node in nodes {
            memories[node] = try (0..<parts).map { part in
                Memory(
                    try MemoryWalk.create(
                        byteCount: share, policy: .bind([node]), seed: UInt64(part)))
            }
        }
        let pairs = nodes.flatMap { from in nodes.map { (from, $0) } }
        var rates: [[Double]] = pairs.map { _ in [] }
        var delays = rates
        for _ in 0..<roundCount {
            for (index, (from, to)) in pairs.enumerated() {
                try Interruption.check()
                let memory = memories[to] ?? []
                rates[index].append(try readRate(of: memory, from: from))
                delays[index].append(try readDelay(of: memory, from: from))
            }
        }
        return try pairs.enumerated().map { index, pair in
            let elsewhere = try (memories[pair.1] ?? []).reduce(0) {
                $0 + (try $1.walk.placement()).pageCount(elsewhereThan: [pair.1])
            }
            return MatrixCell(
                processorNode: pair.0, memoryNode: pair.1, bandwidth: Samples(rates[index]),
                latency: Samples(delays[index]), pagesElsewhere: elsewhere)
        }
    }

    private func readRate(of memory: [Memory], from node: Int) throws -> Double {
        let line = NodeThreads.StartLine(count: memory.count)
        let parts = try NodeThreads.run(count: memory.count) { index in
            let refusal = NodeThreads.bind(to: node)
            let walk = memory[index]
            var sum = walk.walk.readAll()
            line.wait()
            let part = TimedPart { sum = walk.walk.readAll() }
            if let refusal { return Result<TimedPart, Failure>.failure(refusal) }
            guard sum == walk.walk.expectedSum else {
                return .failure(Failure(.internalFault, "memory was read wrongly"))
            }
            return .success(part)
        }
        let byteCount = memory.reduce(0) { $0 + $1.walk.lineCount * MemoryWalk.lineByteCount }
        return Double(byteCount) / TimedPart.span(parts)
    }

    private func readDelay(of memory: [Memory], from node: Int) throws -> Double {
        let steps = min(Self.chaseStepCount, memory[0].walk.lineCount - 1)
        let parts = try NodeThreads.run(count: 1) { _ in
            if let refusal = NodeThreads.bind(to: node) {
                return Result<TimedPart, Failure>.failure(refusal)
            }
            var reached = 0
            let part = TimedPart { reached = memory[0].walk.chase(stepCount: steps) }
            // Fewer steps than lines: the cycle cannot have closed.
            return reached == 0
                ? .failure(Failure(.internalFault, "the chase closed early")) : .success(part)
        }
        return TimedPart.span(parts) / Double(steps)
    }

    // MARK: Rings

    /// Every pair of nodes, a node with itself included.
    func measureRings() throws -> [RingCell] {
        let pairs = nodes.flatMap { first in
            nodes.filter { $0 >= first }.map { (first, $0) }
        }
        var trips: [[Double]] = pairs.map { _ in [] }
        var rates = trips
        for _ in 0..<roundCount {
            for (index, (first, second)) in pairs.enumerated() {
                try Interruption.check()
                let (trip, rate) = try ringTimes(first, second)
                trips[index].append(trip)
                rates[index].append(rate)
            }
        }
        return pairs.enumerated().map { index, pair in
            RingCell(
                first: pair.0, second: pair.1, roundTrip: Samples(trips[index]),
                throughput: Samples(rates[index]))
        }
    }

    private final class Segment: Sendable {
        let segment: RingSegment
        init(_ segment: consuming RingSegment) { self.segment = segment }
    }

    private func ringTimes(_ first: Int, _ second: Int) throws -> (trip: Double, rate: Double) {
        let shared = Segment(
            try RingSegment.create(capacityPerDirection: Self.ringCapacity, session: .random()))
        let policy = WaitPolicy.suiting(
            threadCount: 2, processorCount: CPUAvailability.current().usableCoreCount)
        let line = NodeThreads.StartLine(count: 2)
        let parts = try NodeThreads.run(count: 2) { index in
            let refusal = NodeThreads.bind(to: index == 0 ? first : second)
            let result = Result<[TimedPart], any Error> {
                index == 0
                    ? try Self.lead(
                        shared.segment, policy, line: line, consumers: (second, first))
                    : try Self.follow(shared.segment, policy, line: line)
            }.mapError { refusal ?? Failure(.machineLacks, "a ring between nodes: \($0)") }
            return refusal.map { .failure($0) } ?? result
        }
        let seconds = parts[0].map { TimedPart.span([$0]) }
        let streamed = Self.streamMessageCount * Self.streamMessageByteCount
        return (seconds[0] / Double(Self.roundTripCount), Double(streamed) / seconds[1])
    }

    /// Ends a wait that a stop signal makes pointless.
    private static let watch: @Sendable () throws(LinkError) -> Void = {
        () throws(LinkError) in
        if let signal = StopSignals.pending { throw .interrupted(signal: signal) }
    }

    /// Binds the records to their consumers' nodes, then times round trips and a stream.
    private static func lead(
        _ segment: borrowing RingSegment, _ policy: WaitPolicy, line: NodeThreads.StartLine,
        consumers: (toWorker: Int, toCoordinator: Int)
    ) throws -> [TimedPart] {
        var failure: (any Error)?
        let link: RingLink
        do {
            link = try RingLink.coordinatorEnd(segment, waitPolicy: policy, watch: watch)
        } catch {
            line.wait()
            throw error
        }
        do {
            try NUMABinding.setMemoryPolicy(
                .bind([consumers.toWorker]), ofAddresses: link.recordAddresses(of: .toWorker))
            try NUMABinding.setMemoryPolicy(
                .bind([consumers.toCoordinator]),
                ofAddresses: link.recordAddresses(of: .toCoordinator))
        } catch {
            failure = error
        }
        line.wait()
        let trips = TimedPart {
            do throws(LinkError) {
                for _ in 0..<roundTripCount {
                    try link.send(byteCount: 8) { _ in }
                    try link.receive { _ in }
                }
            } catch { failure = error }
        }
        let stream = TimedPart {
            do throws(LinkError) {
                for _ in 0..<streamMessageCount {
                    try link.send(byteCount: streamMessageByteCount) { _ in }
                }
                try link.receive { _ in }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return [trips, stream]
    }

    private static func follow(
        _ segment: borrowing RingSegment, _ policy: WaitPolicy, line: NodeThreads.StartLine
    ) throws -> [TimedPart] {
        line.wait()
        let link = try RingLink.workerEnd(segment, waitPolicy: policy, watch: watch)
        for _ in 0..<roundTripCount {
            try link.receive { _ in }
            try link.send(byteCount: 8) { _ in }
        }
        var last: UInt8 = 0
        for _ in 0..<streamMessageCount {
            // Every line is read, as a worker reads its request.
            try link.receive { bytes in
                for offset in stride(from: 0, to: bytes.byteCount, by: 64) {
                    last &+= unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
                }
            }
        }
        try link.send(byteCount: 8) { $0.storeBytes(of: UInt64(last), as: UInt64.self) }
        return []
    }
}

extension NodeThreads {
    /// Binds the calling thread to a node's CPUs; returns what the kernel said against it.
    static func bind(to node: Int) -> Failure? {
        do {
            try NUMABinding.bindThreadCPUs(toNodes: [node])
            return nil
        } catch {
            return Failure(.machineLacks, "NUMA binding: \(error)")
        }
    }
}
