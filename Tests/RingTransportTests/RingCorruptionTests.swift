import LinkRecords
import Messages
import RingTransport
import SeededRandom
import SystemPackage
import Testing

/// The peer's memory is input: whatever it holds, an error and never a trap.
@Suite struct RingCorruptionTests {
    @Test(arguments: [8, 24, 4096 + 16, .max, .max - 15, 1 << 63] as [UInt64])
    func `A tail that cannot be is refused`(tail: UInt64) throws {
        let ring = try RingFixture()
        ring.memory.setWord64(tail, at: ring.toWorkerControl + RingLayout.tailOffset)
        let error = #expect(throws: LinkError.self) { try ring.worker.receiveNumber() }
        expectCorrupt(error, naming: "tail is \(tail)")
        #expect(throws: LinkError.self) { try ring.worker.tryReceiveNumber() }
    }

    @Test func `A tail that goes back is refused`() throws {
        let ring = try RingFixture()
        for number in 0..<3 { try ring.coordinator.send(UInt64(number), byteCount: 16) }
        for _ in 0..<3 { _ = try ring.worker.receiveNumber() }
        ring.memory.setWord64(32, at: ring.toWorkerControl + RingLayout.tailOffset)
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.worker.receiveNumber() },
            naming: "tail is 32")
    }

    @Test(arguments: [8, 4096 + 16, .max] as [UInt64])
    func `A head that cannot be is refused`(head: UInt64) throws {
        let ring = try RingFixture()
        for number in 0..<64 { try ring.coordinator.send(UInt64(number), byteCount: 48) }
        ring.memory.setWord64(head, at: ring.toWorkerControl + RingLayout.headOffset)
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.coordinator.send(1) },
            naming: "head is \(head)")
    }

    @Test(arguments: [2033, 4096, UInt32.max, 49] as [UInt32])
    func `A length beyond the maximum or what was published is refused`(length: UInt32) throws {
        let ring = try RingFixture(hasChecksums: false)  // so that no seal gives it away
        try ring.coordinator.send(1, byteCount: 48)
        ring.memory.setWord32(length, at: ring.toWorkerRecords)
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.worker.receiveNumber() },
            naming: "byte count \(length)")
    }

    @Test func `A record that would cross the end of the ring is refused`() throws {
        let ring = try RingFixture(hasChecksums: false)
        for _ in 0..<3 {
            try ring.coordinator.send(1, byteCount: 1008)
            _ = try ring.worker.receiveNumber()
        }
        try ring.coordinator.send(1, byteCount: 1008)
        try ring.coordinator.send(1, byteCount: 1008)  // published, so only the end forbids it
        ring.memory.setWord32(1500, at: ring.toWorkerRecords + 3072)
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.worker.receiveNumber() },
            naming: "byte count 1500")
    }

    @Test func `A wrong sequence number is refused`() throws {
        let ring = try RingFixture(hasChecksums: false)
        try ring.coordinator.send(1)
        ring.memory.setWord32(5, at: ring.toWorkerRecords + 8)
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.worker.receiveNumber() },
            naming: "sequence number 5, must be 0")
    }

    @Test func `An unknown kind is refused`() throws {
        let ring = try RingFixture(hasChecksums: false)
        try ring.coordinator.send(1)
        ring.memory.setWord32(3, at: ring.toWorkerRecords + 4)
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.worker.receiveNumber() },
            naming: "kind 3")
    }

    @Test(arguments: [1, 0xFFFF] as [UInt32])
    func `A head that is no shorter than its message is refused`(unitCount: UInt32) throws {
        let ring = try RingFixture(hasChecksums: false)
        try ring.coordinator.send(1, byteCount: 16)
        ring.memory.setWord32(
            RecordKind.messageHead.rawValue | unitCount, at: ring.toWorkerRecords + 4)
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.worker.receiveNumber() },
            naming: "kind")
    }

    @Test func `A skip at the start, of a wrong length or with nothing behind it is refused`()
        throws
    {
        let skip = RecordKind.skip.rawValue
        let atStart = try RingFixture(hasChecksums: false)
        try atStart.coordinator.send(1, byteCount: 48)
        atStart.memory.setWord32(skip, at: atStart.toWorkerRecords + 4)
        atStart.memory.setWord32(4080, at: atStart.toWorkerRecords)
        expectCorrupt(
            #expect(throws: LinkError.self) { try atStart.worker.receiveNumber() }, naming: "skip")

        for (length, rule) in [(3000, "to the end"), (3024, "followed by"), (3040, "to the end")] {
            let ring = try RingFixture(hasChecksums: false)
            try ring.coordinator.send(1, byteCount: 1040)  // 1056 with header
            _ = try ring.worker.receiveNumber()
            try ring.coordinator.send(2, byteCount: 48)
            ring.memory.setWord32(UInt32(length), at: ring.toWorkerRecords + 1056)
            ring.memory.setWord32(skip, at: ring.toWorkerRecords + 1056 + 4)
            expectCorrupt(
                #expect(throws: LinkError.self) { try ring.worker.receiveNumber() }, naming: rule)
        }
    }

    @Test func `An unknown state word is refused by sender and receiver`() throws {
        let ring = try RingFixture()
        ring.memory.setWord32(77, at: RingEnd.worker.stateOffset)
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.coordinator.send(1) },
            naming: "state word of the worker's end is 77")
        expectCorrupt(
            #expect(throws: LinkError.self) { try ring.coordinator.receiveNumber() },
            naming: "state word")
    }

    @Test func `Doorbell words that the peer scribbles on only cost looks at the ring`() throws {
        let ring = try RingFixture()
        for offset in [RingLayout.dataDoorbellOffset, RingLayout.roomDoorbellOffset] {
            ring.memory.setWord32(.max, at: ring.toWorkerControl + offset)
            ring.memory.setWord32(.max, at: ring.toWorkerControl + offset + 4)
        }
        for number in 0..<100 {
            try ring.coordinator.send(UInt64(number))
            #expect(try ring.worker.receiveNumber() == (8, UInt64(number)))
        }
    }

    /// Random damage anywhere in the peer's words: any answer but a trap or a wrong size.
    @Test(arguments: 0..<64 as Range<UInt64>)
    func `Random damage never traps`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let ring = try RingFixture(
            policy: WaitPolicy(spinIterations: 0, yieldCount: 0, sleepSlice: .microseconds(50)),
            hasChecksums: seed.isMultiple(of: 2)
        ) { () throws(LinkError) in throw .interrupted(signal: 1) }
        do throws(LinkError) {
            for step in 0..<400 {
                try ring.coordinator.send(UInt64(step), byteCount: Int(random.next() % 700))
                if random.next() % 16 == 0 {
                    let places = [
                        ring.toWorkerControl + RingLayout.tailOffset,
                        ring.toWorkerControl + RingLayout.headOffset,
                        ring.toWorkerRecords + Int(random.next() % 512) * 8,
                    ]
                    let value = random.next() >> (random.next() % 64)
                    ring.memory.setWord64(
                        value, at: places[Int(random.next() % UInt64(places.count))])
                }
                if let received = try ring.worker.tryReceiveNumber() {
                    #expect(received.byteCount <= ring.worker.maximumMessageByteCount)
                }
            }
        } catch {
            // Found out, as it should be.
        }
    }

    private func expectCorrupt(_ error: LinkError?, naming text: String) {
        guard case .peerCorrupt(let what) = error else {
            Issue.record("not refused as corrupt: \(error as Any)")
            return
        }
        #expect(what.contains(text))
    }
}
