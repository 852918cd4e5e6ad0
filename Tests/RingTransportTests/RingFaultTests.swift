import Foundation
import LinkRecords
import Messages
import RingTransport
import Simulation
import SystemPackage
import Testing

/// Each fault that can be injected, over two ends in one process and between two processes.
@Suite struct RingFaultTests {
    enum Kind: String, CaseIterable, Codable {
        case halfWritten
        case corruptPayload
        case corruptHeader
        case skipSequence
        case loseDoorbell

        /// - Parameter interruption: what happens when half of the message is written.
        func fault(then interruption: @escaping () -> Void = {}) -> LinkFault {
            switch self {
            case .halfWritten: .halfWritten(then: interruption)
            case .corruptPayload: .corruptPayload(bit: 13)
            case .corruptHeader: .corruptHeader(bit: 40)
            case .skipSequence: .skipSequence
            case .loseDoorbell: .loseDoorbell
            }
        }
    }

    /// What a receiver saw of messages 1, 2 and 3, the second sent with a fault.
    enum Sight: Equatable {
        case number(UInt64?)
        case damaged
        case corrupt
        case gone
    }

    /// Receives until all is over, or the third message came.
    private static func watch(_ link: RingLink) -> [Sight] {
        var sights: [Sight] = []
        while sights.count < 3 {
            do throws(LinkError) {
                sights.append(.number(try link.receiveNumber().number))
            } catch {
                switch error {
                case .damaged: sights.append(.damaged)
                case .peerCorrupt: return sights + [.corrupt]
                default: return sights + [.gone]
                }
            }
        }
        return sights
    }

    private static func expected(of kind: Kind) -> [Sight] {
        switch kind {
        case .halfWritten, .loseDoorbell: [.number(1), .number(2), .number(3)]
        case .corruptPayload: [.number(1), .damaged, .number(3)]
        case .corruptHeader, .skipSequence: [.number(1), .corrupt]
        }
    }

    @Test(arguments: Kind.allCases, [WaitPolicy.spinning, .sleeping])
    func `One end sees what the other's fault makes of the stream`(
        kind: Kind, policy: WaitPolicy
    ) throws {
        let ring = try RingFixture(policy: policy)
        try ring.coordinator.send(1, byteCount: 100)
        ring.coordinator.fault = kind.fault()
        try ring.coordinator.send(2, byteCount: 100)
        #expect(ring.coordinator.fault == nil, "a fault strikes once")
        try ring.coordinator.send(3, byteCount: 100)
        #expect(Self.watch(ring.worker) == Self.expected(of: kind))
        #expect(ring.coordinator.statistics.messagesSent == 3)
    }

    @Test func `Half of a message is in the ring, and nobody sees it`() throws {
        let ring = try RingFixture()
        var seen: (first: UInt64, last: UInt64, tail: UInt64)?
        var isEmpty: Bool?
        ring.coordinator.fault = .halfWritten {
            seen = (
                ring.memory.word64(at: ring.toWorkerRecords + 16),
                ring.memory.word64(at: ring.toWorkerRecords + 16 + 56),
                ring.memory.word64(at: ring.toWorkerControl + RingLayout.tailOffset)
            )
            isEmpty = try? ring.worker.tryReceiveNumber() == nil
        }
        try ring.coordinator.send(0xABCD, byteCount: 64)
        #expect(try #require(seen) == (0xABCD, 0, 0))
        #expect(isEmpty == true)
        #expect(try ring.worker.receiveNumber() == (64, 0xABCD))
    }

    @Test func `A fault waits for room like any message`() throws {
        let ring = try RingFixture()
        for number in 0..<2 as Range<UInt64> { try ring.coordinator.send(number, byteCount: 2000) }
        ring.coordinator.fault = .corruptPayload(bit: 0)
        let sender = SideThread { try ring.coordinator.send(2, byteCount: 2000) }
        for number in 0..<2 as Range<UInt64> {
            #expect(try ring.worker.receiveNumber() == (2000, number))
        }
        try sender.join()
        #expect(throws: LinkError.self) { try ring.worker.receiveNumber() }
    }

    @Test func `A lost doorbell costs the sleeper its slice and no more`() throws {
        let slices = Counter()
        let policy = WaitPolicy(spinIterations: 0, yieldCount: 0, sleepSlice: .milliseconds(300))
        let ring = try RingFixture(policy: policy) { () throws(LinkError) in
            _ = slices.increment()
        }
        let receiver = SideThread { try ring.worker.receiveNumber().number }
        while ring.memory.word64(at: ring.toWorkerControl + RingLayout.dataDoorbellOffset) >> 32
            & 1 == 0
        { Thread.sleep(forTimeInterval: 0.001) }  // until its flag is up
        Thread.sleep(forTimeInterval: 0.02)
        ring.coordinator.fault = .loseDoorbell
        try ring.coordinator.send(5)
        #expect(ring.coordinator.statistics.wakes == 0)
        #expect(try receiver.join() == 5)
        // Found behind the slice, before the watch was asked.
        #expect(slices.value == 0)
    }

    @Test func `A closed end sends no fault either`() async {
        await #expect(processExitsWith: .failure) {
            let ring = try RingFixture()
            ring.coordinator.close()
            ring.coordinator.fault = .skipSequence
            try ring.coordinator.send(1)
        }
    }

    @Test(arguments: Kind.allCases)
    func `A process sees what another's fault makes of the stream`(kind: Kind) async throws {
        let identity = LinkSession.random()
        let session = identity.description
        let segment = try RingSegment.create(capacityPerDirection: 4096, session: identity)
        let state = PeerState()
        let link = try RingLink.coordinatorEnd(segment, waitPolicy: .sleeping) {
            () throws(LinkError) in
            if let identifier = state.identifier, kill(identifier, 0) != 0 {
                throw .peerGone("process \(identifier) is gone")
            }
        }
        let side = SideThread { [box = LinkBox(link)] in
            state.identifier = pid_t(try box.link.receiveNumber().number ?? 0)
            return Self.watch(box.link)
        }
        let parent = getpid()
        let descriptor = segment.descriptor.rawValue
        let isKilled = kind == .halfWritten
        await #expect(processExitsWith: isKilled ? .signal(SIGKILL) : .success) {
            [
                parent = parent as pid_t, descriptor = descriptor as Int32,
                session = session as String, kind = kind as Kind,
            ] in
            let link = try adoptWorkerEnd(of: parent, descriptor, session)
            try link.send(UInt64(getpid()))
            try link.send(1, byteCount: 100)
            link.fault = kind.fault { kill(getpid(), SIGKILL) }
            try link.send(2, byteCount: 100)
            try link.send(3, byteCount: 100)
        }
        let expected = isKilled ? [.number(1), .gone] : Self.expected(of: kind)
        #expect(try side.join() == expected)
    }
}
