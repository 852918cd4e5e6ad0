import Foundation
import LinkRecords
import MappedMemory
import Messages
import RingTransport
import SystemPackage
import Testing

/// Creating, adopting, and refusing to adopt.
@Suite struct RingSegmentTests {
    private let session = LinkSession(high: 0x0123_4567_89AB_CDEF, low: 42)

    @Test func `A worker adopts what the coordinator created`() throws {
        let created = try RingSegment.create(capacityPerDirection: 1 << 16, session: session)
        let adopted = try RingSegment.adopt(
            try created.descriptor.duplicate(), session: session)
        #expect(adopted.capacityPerDirection == 1 << 16)
        let coordinator = try RingLink.coordinatorEnd(created, waitPolicy: .sleeping, watch: {})
        // Messages may wait for a worker that is not there yet.
        try coordinator.send(7)
        let worker = try RingLink.workerEnd(adopted, waitPolicy: .sleeping, watch: {})
        #expect(try worker.receiveNumber() == (8, 7))
    }

    @Test(arguments: [
        (RingLayout.magicOffset, 1, "magic number"),
        (RingLayout.versionOffset, 2, "layout version"),
        (RingLayout.versionOffset, 4, "layout version"),
        (RingLayout.segmentByteCountOffset, 4096, "segment byte count"),
        (RingLayout.capacityOffset, 12345, "capacity"),
        (RingLayout.capacityOffset, 0, "capacity"),
        (RingLayout.capacityOffset, UInt64.max, "capacity"),
        (RingLayout.capacityOffset, 8192, "segment byte count"),
        (RingLayout.checksumsOffset, 2, "checksums"),
        (RingLayout.sessionOffset, 1, "session (high half)"),
        (RingLayout.sessionOffset + 8, 1, "session (low half)"),
    ])
    func `A handshake that differs is refused with the field`(
        offset: Int, value: UInt64, field: String
    ) throws {
        let segment = try RingSegment.create(capacityPerDirection: 4096, session: session)
        try RawSegment(segment).setWord64(value, at: offset)
        let copy = try segment.descriptor.duplicate()
        let error = #expect(throws: RingError.self) {
            _ = try RingSegment.adopt(copy, session: session)
        }
        guard case .handshake(let found, _, _) = error else {
            Issue.record("unexpected: \(error as Any)")
            return
        }
        #expect(found == field)
        #expect(error?.description.contains("refused: its \(field) is") == true)
    }

    @Test func `A segment whose memory is not what it says is refused`() throws {
        let segment = try RingSegment.create(capacityPerDirection: 4096, session: session)
        let raw = try RawSegment(segment)
        // Consistent in itself, but larger than the memory behind it.
        raw.setWord64(8192, at: RingLayout.capacityOffset)
        raw.setWord64(8192 + 2 * 8192, at: RingLayout.segmentByteCountOffset)
        let copy = try segment.descriptor.duplicate()
        #expect(
            throws: RingError.handshake(
                field: "size in memory", expected: "24576", found: "16384")
        ) { _ = try RingSegment.adopt(copy, session: session) }
    }

    @Test func `A segment smaller than its header, or no segment, is refused`() throws {
        let tiny = try SharedSegment.create(byteCount: 4096)
        let copy = try tiny.descriptor.duplicate()
        let error = #expect(throws: RingError.self) {
            _ = try RingSegment.adopt(copy, session: session)
        }
        guard case .memory(.tooSmall) = error else {
            Issue.record("unexpected: \(error as Any)")
            return
        }
    }

    @Test func `A capacity beyond /dev/shm is refused with the free space`() {
        let error = #expect(throws: RingError.self) {
            _ = try RingSegment.create(capacityPerDirection: 1 << 40, session: session)
        }
        guard case .memory(.noRoom(_, let needed, let free, _)) = error else {
            Issue.record("unexpected: \(error as Any)")
            return
        }
        #expect(needed > 2 << 40 && free < needed)
    }

    @Test func `Nothing is left in /dev/shm`() throws {
        let ring = try RingFixture(capacity: 1 << 20)
        try ring.coordinator.send(1)
        // Names of segments exist for microseconds; other processes may be creating theirs.
        var names: [String] = []
        for _ in 0..<100 {
            names = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm")
                .filter { $0.hasPrefix("hermes-") }
            if names.isEmpty { break }
            Thread.sleep(forTimeInterval: 0.02)
        }
        #expect(names.isEmpty)
    }

    @Test func `A session is written and read as 32 hexadecimal digits`() {
        #expect(session.description == "0123456789abcdef000000000000002a")
        #expect(LinkSession(session.description) == session)
        let random = LinkSession.random()
        #expect(LinkSession(random.description) == random)
        #expect(random != LinkSession.random())
        let refused = [
            "", "0", String(repeating: "g", count: 32), String(repeating: "0", count: 33),
            "+123456789abcdef000000000000002a", "-123456789abcdef000000000000002a",
            "0123456789abcdef+00000000000002a",
        ]
        for text in refused { #expect(LinkSession(text) == nil, "\(text)") }
    }
}
