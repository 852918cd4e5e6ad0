import Foundation
import LinkRecords
import Messages
import SeededRandom
import Simulation
import Synchronization
import Testing

/// What every transport promises beyond `MessageLinkTests`: bounds, damage, restarts.
@Suite struct TransportConformanceTests {
    // MARK: Wrap and back-pressure

    @Test(arguments: Transport.all)
    func `Messages wrap many times at every size of a small window`(transport: Transport) throws {
        let pair = try transport.makePair(capacity: 4096)
        var random = SplitMix64(seed: 3)
        let maximum = pair.coordinator.maximumMessageByteCount
        for number in 0..<20_000 {
            let size = Int(random.next() % UInt64(maximum + 1))
            let bytes = MessageLinkTests.pattern(byteCount: size, seed: number)
            try pair.coordinator.send(bytes)
            guard try pair.worker.receiveBytes() == bytes else {
                Issue.record("message \(number) of \(size) bytes arrived changed")
                return
            }
        }
        #expect(pair.coordinator.statistics.messagesSent == 20_000)
        #expect(pair.worker.statistics.messagesReceived == 20_000)
        #expect(pair.worker.statistics.bytesReceived == pair.coordinator.statistics.bytesSent)
    }

    @Test(arguments: Transport.all)
    func `No more than the capacity waits to be read`(transport: Transport) throws {
        let policy = WaitPolicy(spinIterations: 0, yieldCount: 0, sleepSlice: .milliseconds(100))
        let capacity = 8192
        let pair = try transport.makePair(capacity: capacity, policy: policy) {
            () throws(LinkError) in throw .interrupted(signal: 15)
        }
        var sent = 0
        do throws(LinkError) {
            while sent < 1000 {
                try pair.coordinator.send([UInt8](repeating: 1, count: 100))
                sent += 1
            }
        } catch {
            #expect(error == .interrupted(signal: 15))
        }
        // Each takes its payload and a header of 16 bytes at least, and no more than 64 with it.
        #expect(sent <= capacity / 116)
        #expect(sent >= capacity / 164)
        for _ in 0..<sent { _ = try pair.worker.receiveBytes() }
        #expect(try pair.worker.tryReceiveBytes() == nil)
        // What was read makes room again; a receiver may keep some of it to itself until it is
        // more.
        for _ in 0..<sent / 2 { try pair.coordinator.send([UInt8](repeating: 2, count: 100)) }
    }

    @Test(arguments: Transport.all)
    func `Two ends that both send first do not wait for each other`(transport: Transport) throws {
        let pair = try transport.makePair(capacity: 1 << 23)
        let bytes = [UInt8](repeating: 9, count: 1 << 21)
        let other = SideThread {
            for _ in 0..<3 { try pair.worker.send(bytes) }
            for _ in 0..<3 where try pair.worker.receiveBytes() != bytes {
                Issue.record("a message arrived changed")
            }
        }
        for _ in 0..<3 { try pair.coordinator.send(bytes) }
        for _ in 0..<3 where try pair.coordinator.receiveBytes() != bytes {
            Issue.record("a message arrived changed")
        }
        try other.join()
    }

    @Test(arguments: Transport.all)
    func `A sleeper asks its watch, and what was given up can be taken up again`(
        transport: Transport
    ) throws {
        let calls = Atomic(0)
        let policy = WaitPolicy(spinIterations: 0, yieldCount: 0, sleepSlice: .milliseconds(2))
        let pair = try transport.makePair(policy: policy) { () throws(LinkError) in
            if calls.add(1, ordering: .relaxed).newValue == 3 { throw .interrupted(signal: 2) }
        }
        #expect(throws: LinkError.interrupted(signal: 2)) { try pair.worker.receiveBytes() }
        #expect(calls.load(ordering: .relaxed) == 3)
        try pair.coordinator.send([4, 5])
        #expect(try pair.worker.receiveBytes() == [4, 5])
    }

    // MARK: Faults

    enum Kind: String, CaseIterable {
        case halfWritten, corruptPayload, corruptHeader, skipSequence, loseDoorbell, staleEpoch

        var fault: LinkFault {
            switch self {
            case .halfWritten: .halfWritten(then: {})
            case .corruptPayload: .corruptPayload(bit: 13)
            case .corruptHeader: .corruptHeader(bit: 40)
            case .skipSequence: .skipSequence
            case .loseDoorbell: .loseDoorbell
            case .staleEpoch: .staleEpoch
            }
        }
    }

    /// What a receiver sees of messages 1, 2 and 3, the second sent with a fault.
    private static func expected(of kind: Kind, hasEpochs: Bool) -> [String] {
        switch kind {
        case .halfWritten, .loseDoorbell: ["1", "2", "3"]
        case .corruptPayload: ["1", "damaged", "3"]
        case .corruptHeader, .skipSequence: ["1", "corrupt"]
        case .staleEpoch: hasEpochs ? ["1", "corrupt"] : ["1", "2", "3"]
        }
    }

    private static func sights(of link: any CarriedLink) -> [String] {
        var sights: [String] = []
        while sights.count < 3 {
            do throws(LinkError) {
                sights.append("\(try link.receiveBytes()[0])")
            } catch {
                switch error {
                case .damaged: sights.append("damaged")
                case .peerCorrupt: return sights + ["corrupt"]
                default: return sights + ["\(error)"]
                }
            }
        }
        return sights
    }

    /// Each transport with the faults that it can have.
    static let strikes = Transport.all.flatMap { transport in
        Kind.allCases.filter { $0 != .loseDoorbell || transport.base.hasDoorbells }
            .map { (transport, $0) }
    }

    @Test(arguments: strikes)
    func `A fault strikes once, and its receiver knows`(transport: Transport, kind: Kind) throws {
        for isToWorker in [true, false] {
            let pair = try transport.makePair()
            let sender = isToWorker ? pair.coordinator : pair.worker
            let receiver = isToWorker ? pair.worker : pair.coordinator
            for number in 1...3 as ClosedRange<UInt8> {
                if number == 2 { sender.fault = kind.fault }
                try sender.send([UInt8](repeating: number, count: 100))
                #expect(sender.fault == nil)
            }
            #expect(
                Self.sights(of: receiver)
                    == Self.expected(of: kind, hasEpochs: transport.base.hasEpochs))
            #expect(sender.statistics.messagesSent == 3)
        }
    }

    @Test(arguments: Transport.all)
    func `Every bit of a header that is turned over is noticed`(transport: Transport) throws {
        for bit in 0..<96 {
            let pair = try transport.makePair(capacity: 4096)
            pair.coordinator.fault = .corruptHeader(bit: bit)
            try pair.coordinator.send([1, 2, 3])
            let error = #expect(throws: LinkError.self) { try pair.worker.receiveBytes() }
            guard case .peerCorrupt = error else {
                Issue.record("bit \(bit): \(String(describing: error))")
                return
            }
        }
    }

    @Test(arguments: Transport.all)
    func `Every bit of a payload that is turned over is noticed, and the link goes on`(
        transport: Transport
    ) throws {
        let pair = try transport.makePair(capacity: 4096)
        let bytes = MessageLinkTests.pattern(byteCount: 21, seed: 1)
        for bit in 0..<8 * bytes.count {
            pair.coordinator.fault = .corruptPayload(bit: bit)
            try pair.coordinator.send(bytes)
            try pair.coordinator.send(bytes)
            let error = #expect(throws: LinkError.self) { try pair.worker.receiveBytes() }
            guard case .damaged = error, try pair.worker.receiveBytes() == bytes else {
                Issue.record("bit \(bit): \(String(describing: error))")
                return
            }
        }
        pair.coordinator.fault = .corruptPayload(bit: 0)
        try pair.coordinator.send([])
        #expect(throws: LinkError.self) { try pair.worker.receiveBytes() }
        #expect(pair.worker.statistics.messagesDamaged == 8 * bytes.count + 1)
    }

    // MARK: Restart and shutdown

    @Test(arguments: Transport.all)
    func `A worker of an earlier start is refused`(transport: Transport) throws {
        let refusal = try #require(try transport.base.refusalOfStaleWorker())
        #expect(refusal.contains("expected"), "\(refusal)")
    }

    @Test(arguments: Transport.all)
    func `Another start in a place sees nothing of the one before`(transport: Transport) throws {
        let former = try transport.makePair()
        for number in 0..<10 as Range<UInt8> { try former.coordinator.send([number]) }
        former.coordinator.close()
        let present = try transport.makePair()
        #expect(try present.worker.tryReceiveBytes() == nil)
        try present.coordinator.send([42])
        #expect(try present.worker.receiveBytes() == [42])
        #expect(try former.worker.receiveBytes() == [0])
    }

    @Test(arguments: Transport.all)
    func `Both ends may close at once, unread messages or not`(transport: Transport) throws {
        let pair = try transport.makePair()
        try pair.coordinator.send([1])
        try pair.worker.send([2])
        pair.coordinator.close()
        pair.worker.close()
        pair.coordinator.close()
    }
}
