import LinkRecords
import Messages
import RingTransport
import SeededRandom
import Testing

/// What the checksum is, and what it finds.
@Suite struct RingChecksumTests {
    /// One bit at a time, from the definition of the code.
    private static func crc(_ start: UInt32, over bytes: some Sequence<UInt8>) -> UInt32 {
        bytes.reduce(start) { crc, byte in
            (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in
                crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1
            }
        }
    }

    private static func bytes<T: FixedWidthInteger>(of value: T) -> [UInt8] {
        (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> T(8 * $0)) }
    }

    /// The definition: words to four lanes in turn, then the lanes.
    private static func model(_ payload: [UInt8], header: UInt64) -> UInt32 {
        let start = crc(0, over: bytes(of: header))
        let padded = payload + [UInt8](repeating: 0, count: (8 - payload.count % 8) % 8)
        let lanes = (0..<4).map { lane in
            stride(from: lane * 8, to: padded.count, by: 32).reduce(start) { crc, offset in
                Self.crc(crc, over: padded[offset..<offset + 8])
            }
        }
        return crc(start, over: lanes.flatMap { bytes(of: $0) })
    }

    @Test func `The model is the CRC of the standard's check value`() {
        // CRC-32C's check value by the catalogue of parametrised CRCs: inverted before and after.
        #expect(~Self.crc(.max, over: "123456789".utf8) == 0xE306_9283)
    }

    @Test func `Instruction, table and definition agree on every length`() {
        var random = SplitMix64(seed: 7)
        for byteCount in Array(0...200) + [1023, 1024, 4096, 5001] {
            let payload = (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let header = random.next()
            let expected = Self.model(payload, header: header)
            let span = unsafe payload.span.bytes
            #expect(RecordChecksum.byTable(span, header: header) == expected)
            if RecordChecksum.hasInstruction {
                #expect(RecordChecksum.byInstruction(span, header: header) == expected)
            }
        }
    }

    @Test(arguments: [1, 8, 31, 32, 100])
    func `Every damaged bit of a payload is found, and the link goes on`(byteCount: Int) throws {
        let ring = try RingFixture()
        for bit in 0..<8 * byteCount {
            ring.coordinator.fault = .corruptPayload(bit: bit)
            try ring.coordinator.send(1, byteCount: byteCount)
            try ring.coordinator.send(UInt64(bit))
            do throws(LinkError) {
                try ring.worker.receive { _ in Issue.record("bit \(bit): the payload was shown") }
            } catch {
                guard case .damaged(let what) = error else { throw error }
                #expect(what.contains("message of \(byteCount) bytes"))
            }
            if try ring.worker.receiveNumber() != (8, UInt64(bit)) { Issue.record("bit \(bit)") }
        }
        #expect(ring.worker.statistics.messagesDamaged == 8 * byteCount)
        #expect(ring.worker.statistics.messagesReceived == 8 * byteCount)
    }

    @Test func `Every damaged bit of a header ends the stream`() throws {
        for bit in 0..<96 {
            let ring = try RingFixture()
            // A second message behind it, so that more bytes are there than the size says.
            ring.coordinator.fault = .corruptHeader(bit: bit)
            try ring.coordinator.send(1, byteCount: 100)
            try ring.coordinator.send(2, byteCount: 1000)
            do throws(LinkError) {
                try ring.worker.receive { _ in Issue.record("bit \(bit): the payload was shown") }
            } catch {
                guard case .peerCorrupt = error else { throw error }
            }
        }
    }

    @Test(arguments: [(1, 40), (16, 100), (40, 100), (99, 400)])
    func `Of a message whose head is written, damage to the head alone is damage`(
        writtenByteCount: Int, byteCount: Int
    ) throws {
        let ring = try RingFixture()
        func send() throws {
            try ring.coordinator.send(byteCount: byteCount, writtenByteCount: writtenByteCount) {
                #expect($0.byteCount == writtenByteCount)
                for index in 0..<writtenByteCount {
                    $0.storeBytes(of: UInt8(index), toByteOffset: index, as: UInt8.self)
                }
            }
        }
        for bit in 0..<8 * writtenByteCount {
            ring.coordinator.fault = .corruptPayload(bit: bit)
            try send()
            do throws(LinkError) {
                try ring.worker.receive { _ in Issue.record("bit \(bit): the head was shown") }
            } catch {
                guard case .damaged = error else { throw error }
            }
        }
        #expect(ring.worker.statistics.messagesDamaged == 8 * writtenByteCount)
        let fresh = try RingFixture()
        try fresh.coordinator.send(byteCount: byteCount, writtenByteCount: writtenByteCount) {
            $0.storeBytes(of: 7, toByteOffset: 0, as: UInt8.self)
        }
        let last = fresh.toWorkerRecords + 16 + byteCount - 8
        fresh.memory.setWord64(~fresh.memory.word64(at: last), at: last)
        try fresh.worker.receive {
            #expect($0.byteCount == byteCount)
            #expect(unsafe $0.unsafeLoad(fromByteOffset: 0, as: UInt8.self) == 7)
        }
    }

    @Test(arguments: [((1 << 20) - 16, false), ((1 << 20) - 15, true)])
    func `Of a longer head the whole message is summed`(
        writtenByteCount: Int, isWhole: Bool
    ) throws {
        let ring = try RingFixture(capacity: 1 << 22)
        let byteCount = (1 << 20) + 1000
        try ring.coordinator.send(byteCount: byteCount, writtenByteCount: writtenByteCount) { _ in
        }
        let last = ring.toWorkerRecords + 16 + byteCount - 8
        ring.memory.setWord64(~ring.memory.word64(at: last), at: last)
        var isShown = false
        do throws(LinkError) {
            try ring.worker.receive { _ in isShown = true }
        } catch {
            guard case .damaged = error else { throw error }
        }
        #expect(isShown == !isWhole)
    }

    @Test func `A damaged header of a message whose head is written is never believed`() throws {
        for bit in 0..<96 {
            let ring = try RingFixture()
            ring.coordinator.fault = .corruptHeader(bit: bit)
            try ring.coordinator.send(byteCount: 1000, writtenByteCount: 40) {
                for index in 0..<40 {
                    $0.storeBytes(of: UInt8(index), toByteOffset: index, as: UInt8.self)
                }
            }
            try ring.coordinator.send(2, byteCount: 1000)
            do throws(LinkError) {
                try ring.worker.receive { _ in Issue.record("bit \(bit): the payload was shown") }
            } catch {
                // How much is written stands in 16 bits at 4 that only the checksum knows.
                switch error {
                case .peerCorrupt: break
                case .damaged where (32..<48).contains(bit):
                    #expect(try ring.worker.receiveNumber() == (1000, 2))
                default: throw error
                }
            }
        }
    }

    @Test func `A damaged checksum is damage to the message alone`() throws {
        let ring = try RingFixture()
        try ring.coordinator.send(1)
        ring.memory.setWord32(0, at: ring.toWorkerRecords + 12)
        try ring.coordinator.send(2)
        #expect(throws: LinkError.self) { try ring.worker.receiveNumber() }
        #expect(try ring.worker.receiveNumber() == (8, 2))
    }

    @Test func `Damaged messages give their room back`() throws {
        let ring = try RingFixture()
        for round in 0..<50 {
            ring.coordinator.fault = .corruptPayload(bit: round)
            try ring.coordinator.send(1, byteCount: 2000)
            #expect(throws: LinkError.self) { try ring.worker.tryReceiveNumber() }
            #expect(try ring.worker.tryReceiveNumber() == nil)
        }
    }

    @Test func `Without checksums both ends agree to look for nothing`() throws {
        let ring = try RingFixture(hasChecksums: false)
        ring.coordinator.fault = .corruptPayload(bit: 3)
        try ring.coordinator.send(0)
        #expect(try ring.worker.receiveNumber() == (8, 8))
    }
}
