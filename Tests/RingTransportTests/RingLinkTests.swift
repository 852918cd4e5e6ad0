import Glibc
import LinkRecords
import Messages
import RingTransport
import SeededRandom
import Simulation
import Testing

@Suite struct RingLinkTests {
    @Test func `The maximum is half the ring less a header, at every capacity`() throws {
        for capacity in [4096, 8192, 1 << 20] {
            let ring = try RingFixture(capacity: capacity)
            #expect(ring.worker.maximumMessageByteCount == capacity / 2 - 16)
        }
    }

    @Test func `The capacity for a message is the smallest that takes it`() throws {
        #expect(RingSegment.capacity(forMessageByteCount: 0) == 4096)
        #expect(RingSegment.capacity(forMessageByteCount: 2032) == 4096)
        #expect(RingSegment.capacity(forMessageByteCount: 2033) == 8192)
        #expect(RingSegment.capacity(forMessageByteCount: 65536) == 1 << 18)
        #expect(RingSegment.capacity(forMessageByteCount: 1008, messageCount: 16) == 1 << 14)
        #expect(RingSegment.capacity(forMessageByteCount: 1009, messageCount: 16) == 1 << 15)
    }

    @Test func `A full ring keeps every message, and takes one more for each that is read`() throws
    {
        let ring = try RingFixture()
        // 48 payload bytes and 16 of header: 64 records fill 4096 bytes exactly.
        for number in 0..<64 { try ring.coordinator.send(UInt64(number), byteCount: 48) }
        let control = ring.toWorkerControl
        #expect(ring.memory.word64(at: control + RingLayout.tailOffset) == 4096)
        for number in 0..<200 {
            let received = try ring.worker.receiveNumber()
            #expect(received == (48, UInt64(number)))
            try ring.coordinator.send(UInt64(number + 64), byteCount: 48)
        }
        #expect(ring.coordinator.statistics.sleeps == 0, "there was always room")
    }

    @Test func `A record that ends exactly at the end of the ring needs no skip`() throws {
        let ring = try RingFixture()
        for number in 0..<8 {
            try ring.coordinator.send(UInt64(number), byteCount: 1008)
            #expect(try ring.worker.receiveNumber() == (1008, UInt64(number)))
        }
        let tail = ring.memory.word64(at: ring.toWorkerControl + RingLayout.tailOffset)
        #expect(tail == 8 * 1024)
    }

    @Test func `A record that would cross the end is moved behind a skip`() throws {
        let ring = try RingFixture()
        for number in 0..<4 {
            try ring.coordinator.send(UInt64(number), byteCount: 900)  // 928 with header
            #expect(try ring.worker.receiveNumber() == (900, UInt64(number)))
        }
        try ring.coordinator.send(4, byteCount: 900)  // 3712 + 928 > 4096
        let tail = ring.memory.word64(at: ring.toWorkerControl + RingLayout.tailOffset)
        #expect(tail == 4096 + 928)
        #expect(try ring.worker.receiveNumber() == (900, 4))
    }

    @Test func `The longest message passes from every position`() throws {
        let ring = try RingFixture()
        let maximum = ring.coordinator.maximumMessageByteCount
        for position in 0..<256 {
            try ring.coordinator.send(1, byteCount: maximum)
            #expect(try ring.worker.receiveNumber() == (maximum, 1))
            // Moves on by one alignment step per round.
            try ring.coordinator.send(byteCount: 0) { _ in }
            #expect(try ring.worker.receiveNumber() == (0, nil), "position \(position)")
        }
    }

    @Test(arguments: 0..<24 as Range<UInt64>)
    func `Any sequence of sends and receives behaves as a bounded queue`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let capacity = 4096 << Int(random.next() % 3)
        // Gives up instead of waiting for room, so that one thread can hold both ends.
        let policy = WaitPolicy(spinIterations: 0, yieldCount: 0, sleepSlice: .microseconds(1))
        let ring = try RingFixture(capacity: capacity, policy: policy) { () throws(LinkError) in
            throw .interrupted(signal: 1)
        }
        let limit = seed % 2 == 0 ? 200 : ring.coordinator.maximumMessageByteCount
        var model = QueueModel(capacity: capacity)
        for step in 0..<6_000 as Range<UInt64> {
            let agrees: Bool
            if random.next() % 8 < 5 {
                let byteCount = Int(random.next() % UInt64(limit + 1))
                let hasRoom = model.append(byteCount: byteCount, number: step)
                agrees = ring.coordinator.sendIfRoom(step, byteCount: byteCount) == hasRoom
            } else {
                let received = try ring.worker.tryReceiveNumber()
                let expected = model.removeFirst()
                agrees =
                    received?.byteCount == expected?.byteCount
                    && received?.number == expected?.number
            }
            if !agrees {
                Issue.record("diverged from the model at step \(step)")
                return
            }
        }
    }

    @Test(arguments: [WaitPolicy.spinning, .sleeping])
    func `Two threads keep order and content over a million messages`(
        policy: WaitPolicy
    ) throws {
        let ring = try RingFixture(capacity: 1 << 14, policy: policy)
        let count: UInt64 = 1_000_000
        let writer = SideThread {
            var random = SplitMix64(seed: 5)
            for number in 0..<count {
                try ring.coordinator.send(number, byteCount: 8 + Int(random.next() % 120))
            }
        }
        var random = SplitMix64(seed: 5)
        for number in 0..<count {
            let byteCount = 8 + Int(random.next() % 120)
            let received = try ring.worker.receiveNumber()
            if received.byteCount != byteCount || received.number != number {
                // Both ends' numbers must agree, so a torn message shows as nil.
                Issue.record("message \(number): got \(received)")
                ring.worker.close()
                break
            }
        }
        try writer.join()
        #expect(ring.worker.statistics.messagesReceived == Int(count))
    }

    @Test func `Statistics count messages, bytes and waits`() throws {
        let ring = try RingFixture()
        try ring.coordinator.send(1, byteCount: 100)
        try ring.coordinator.send(2, byteCount: 0)
        _ = try ring.worker.receiveNumber()
        #expect(ring.coordinator.statistics.messagesSent == 2)
        #expect(ring.coordinator.statistics.bytesSent == 100)
        #expect(ring.worker.statistics.messagesReceived == 1)
        #expect(ring.worker.statistics.bytesReceived == 100)
        #expect(ring.coordinator.statistics.wakes == 0, "nobody slept, so nobody was woken")
        #expect(ring.coordinator.statistics.sleeps == 0)
    }

    @Test func `An end is attached once`() throws {
        let segment = try RingSegment.create(capacityPerDirection: 4096, session: .random())
        let first = try RingLink.workerEnd(segment, waitPolicy: .sleeping, watch: {})
        #expect(throws: RingError.endInUse("worker")) {
            _ = try RingLink.workerEnd(segment, waitPolicy: .sleeping, watch: {})
        }
        first.close()
        #expect(throws: RingError.endInUse("worker")) {
            _ = try RingLink.workerEnd(segment, waitPolicy: .sleeping, watch: {})
        }
    }

    @Test func `Nested use of one direction traps`() async {
        await #expect(processExitsWith: .failure) {
            let ring = try RingFixture()
            try ring.coordinator.send(byteCount: 8) { _ in try? ring.coordinator.send(1) }
        }
        await #expect(processExitsWith: .failure) {
            let ring = try RingFixture()
            try ring.coordinator.send(1)
            try ring.worker.receive { _ in _ = try? ring.worker.receiveNumber() }
        }
    }

    @Test func `A capacity that is no power of two, or too small, traps`() async {
        await #expect(processExitsWith: .failure) {
            _ = try RingSegment.create(capacityPerDirection: 6000, session: .random())
        }
        await #expect(processExitsWith: .failure) {
            _ = try RingSegment.create(capacityPerDirection: 2048, session: .random())
        }
        await #expect(processExitsWith: .failure) {
            _ = try RingSegment.create(capacityPerDirection: -4096, session: .random())
        }
    }
}

/// What a ring is to be: a queue of records in a circle of bytes, none of which crosses the end.
private struct QueueModel {
    private struct Entry {
        let byteCount: Int
        let number: UInt64?
        /// Header, payload, padding, and the bytes skipped before them.
        let occupiedByteCount: Int
    }

    private let capacity: Int
    private var entries: [Entry] = []
    private var occupiedByteCount = 0
    private var position = 0

    init(capacity: Int) { self.capacity = capacity }

    /// False when there is no room.
    mutating func append(byteCount: Int, number: UInt64) -> Bool {
        let record = 16 + (byteCount + 15) / 16 * 16
        let skipped = position + record > capacity ? capacity - position : 0
        guard occupiedByteCount + skipped + record <= capacity else { return false }
        entries.append(
            Entry(
                byteCount: byteCount, number: byteCount >= 8 ? number : nil,
                occupiedByteCount: skipped + record))
        occupiedByteCount += skipped + record
        position = (position + skipped + record) % capacity
        return true
    }

    mutating func removeFirst() -> (byteCount: Int, number: UInt64?)? {
        guard !entries.isEmpty else { return nil }
        let entry = entries.removeFirst()
        occupiedByteCount -= entry.occupiedByteCount
        return (entry.byteCount, entry.number)
    }
}

extension RingLink {
    /// False when the watch ended the wait for room.
    fileprivate func sendIfRoom(_ number: UInt64, byteCount: Int) -> Bool {
        do throws(LinkError) {
            try send(number, byteCount: byteCount)
            return true
        } catch {
            return false
        }
    }
}
