import Foundation
import Messages
import RingTransport
import SeededRandom
import Simulation
import Synchronization
import Testing

/// What every `MessageLink` promises.
@Suite struct MessageLinkTests {
    @Test(arguments: LinkKind.possible)
    func `An empty link gives nothing, and a message once`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        #expect(try pair.right.tryReceiveBytes() == nil)
        try pair.left.send([1, 2, 3])
        #expect(try pair.right.awaitBytes() == [1, 2, 3])
        #expect(try pair.right.tryReceiveBytes() == nil)
        #expect(try pair.left.tryReceiveBytes() == nil, "the sender must not hear itself")
    }

    @Test(arguments: LinkKind.possible)
    func `Messages of no bytes, of one and of the maximum arrive as they are`(
        kind: LinkKind
    ) throws {
        let pair = try kind.makePair()
        let maximum = pair.left.maximumMessageByteCount
        #expect(pair.right.maximumMessageByteCount == maximum)
        // Odd sizes in between move the maximum to many places of the ring.
        for round in 0..<200 {
            let sizes = [0, 1, maximum, round % 77]
            for size in sizes {
                let bytes = Self.pattern(byteCount: size, seed: round)
                try pair.left.send(bytes)
                let received = try pair.right.receiveBytes()
                if received != bytes {
                    Issue.record("round \(round): \(size) bytes arrived changed")
                    return
                }
            }
        }
    }

    @Test(arguments: LinkKind.possible)
    func `The writer sees exactly as many bytes as it asked for`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        for byteCount in [0, 1, 15, 16, 17, 1000, pair.left.maximumMessageByteCount] {
            var seen = -1
            try pair.left.send(byteCount: byteCount) { seen = $0.byteCount }
            #expect(seen == byteCount)
            try pair.right.receive { seen = $0.byteCount }
            #expect(seen == byteCount)
        }
    }

    @Test(arguments: LinkKind.possible)
    func `Two threads keep order and content, whatever the sizes`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        let count = 20_000
        let writer = SideThread {
            var random = SplitMix64(seed: 11)
            for number in 0..<count {
                let size = Int(random.next() % UInt64(pair.left.maximumMessageByteCount + 1)) / 8
                try pair.left.send(Self.pattern(byteCount: size, seed: number))
            }
        }
        var random = SplitMix64(seed: 11)
        for number in 0..<count {
            let size = Int(random.next() % UInt64(pair.right.maximumMessageByteCount + 1)) / 8
            let received = try pair.right.receiveBytes()
            if received != Self.pattern(byteCount: size, seed: number) {
                Issue.record("message \(number) arrived changed")
                break
            }
        }
        pair.closeRight()  // frees the writer when this side gave up
        try writer.join()
    }

    @Test(arguments: LinkKind.possible)
    func `Both directions work at once`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        let count = 5_000
        let echo = SideThread {
            for _ in 0..<count { try pair.right.send(try pair.right.receiveBytes()) }
        }
        for number in 0..<count {
            let bytes = Self.pattern(byteCount: number % 300, seed: number)
            try pair.left.send(bytes)
            if try pair.left.receiveBytes() != bytes {
                Issue.record("echo \(number) differs")
                break
            }
        }
        pair.closeLeft()
        try echo.join()
    }

    @Test(arguments: LinkKind.possible)
    func `A sender waits for room and loses nothing`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        let count = 5_000
        let sent = Atomic(0)
        let writer = SideThread {
            for number in 0..<count {
                try pair.left.send(Self.pattern(byteCount: 100, seed: number))
                sent.store(number + 1, ordering: .releasing)
            }
        }
        // More bytes than any of these links holds: without a receiver the writer cannot finish.
        Thread.sleep(forTimeInterval: 0.05)
        #expect(sent.load(ordering: .acquiring) < count)
        for number in 0..<count {
            if try pair.right.receiveBytes() != Self.pattern(byteCount: 100, seed: number) {
                Issue.record("message \(number) arrived changed")
                break
            }
        }
        pair.closeRight()
        try writer.join()
    }

    @Test(arguments: LinkKind.possible)
    func `Room is given back when the reader returns`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        // One thread: a send that had to wait would wait for ever.
        let maximum = pair.left.maximumMessageByteCount
        for number in 0..<10_000 {
            try pair.left.send(byteCount: maximum - number % 50) { _ in }
            try pair.right.receive { _ in }
        }
    }

    @Test func `A message above the maximum traps`() async {
        await #expect(processExitsWith: .failure) {
            let pair = try LinkKind.smallRing.makePair()
            try pair.left.send(byteCount: pair.left.maximumMessageByteCount + 1) { _ in }
        }
        await #expect(processExitsWith: .failure) {
            let pair = try LinkKind.inMemory.makePair()
            try pair.left.send(byteCount: pair.left.maximumMessageByteCount + 1) { _ in }
        }
    }

    /// Bytes that depend on the message and the position; their period is prime to every power
    /// of two.
    static func pattern(byteCount: Int, seed: Int) -> [UInt8] {
        (0..<byteCount).map { UInt8(truncatingIfNeeded: ($0 &* 31 &+ seed) % 251) }
    }
}

/// How every link ends.
@Suite struct MessageLinkClosingTests {
    @Test(arguments: LinkKind.possible)
    func `What was sent before closing is read first`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        try pair.left.send([1])
        try pair.left.send([2])
        pair.closeLeft()
        #expect(try pair.right.receiveBytes() == [1])
        #expect(try pair.right.awaitBytes() == [2])
        #expect(throws: LinkError.peerGone("closed")) { try pair.right.receiveBytes() }
        #expect(throws: LinkError.peerGone("closed")) { try pair.right.tryReceiveBytes() }
        #expect(throws: LinkError.peerGone("closed")) { try pair.right.send([3]) }
    }

    @Test(arguments: LinkKind.possible)
    func `Closing wakes a receiver`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        let reader = SideThread { try pair.right.receiveBytes() }
        Thread.sleep(forTimeInterval: 0.02)
        pair.closeLeft()
        #expect(throws: LinkError.peerGone("closed")) { try reader.join() }
    }

    @Test(arguments: LinkKind.possible)
    func `Closing wakes a sender that waits for room`(kind: LinkKind) throws {
        let pair = try kind.makePair()
        let writer = SideThread {
            while true { try pair.left.send([UInt8](repeating: 7, count: 500)) }
        }
        Thread.sleep(forTimeInterval: 0.02)
        pair.closeRight()
        #expect(throws: LinkError.peerGone("closed")) { try writer.join() }
    }
}
