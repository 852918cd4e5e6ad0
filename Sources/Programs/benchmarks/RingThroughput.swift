import Messages
import RingTransport

/// Messages per second one way, from this process to another, each on its own processor.
struct RingThroughput {
    let channel: Channel
    let messageCount: Int
    let sampleCount: Int

    /// Messages per second of each sample, ascending; each sample is a peer process of its own.
    func run() throws -> [Double] {
        var rates: [Double] = []
        for _ in 0..<sampleCount { rates.append(try sample()) }
        return rates.sorted()
    }

    private func sample() throws -> Double {
        let peer = try PeerConnection.open(
            channel, role: .sink, count: messageCount, processor: 1)
        let byteCount = channel.messageByteCount
        let buffer = MessageBuffer(byteCount: byteCount)
        var expected = Checksum()
        // The first tenth warms pages and caches and lets the peer arrive; it is not timed.
        let warmCount = messageCount / 10
        var start: UInt64 = 0
        for number in 0..<messageCount {
            if number == warmCount { start = monotonicNanoseconds() }
            let last = UInt8(truncatingIfNeeded: number)
            try peer.link.send(byteCount: byteCount) { message in
                if byteCount > 64 { buffer.copy(to: &message) }
                message.storeBytes(of: UInt64(number), as: UInt64.self)
                message.storeBytes(
                    of: last, toByteOffset: byteCount - 1, as: UInt8.self)
            }
            expected.add(first: UInt64(number), last: last)
        }
        var found: UInt64 = 0
        try peer.link.receive { found = unsafe $0.unsafeLoadUnaligned(as: UInt64.self) }
        let elapsed = Double(monotonicNanoseconds() - start) / 1e9
        guard found == expected.value else {
            throw BenchmarkError.wrongResult("\(channel.transport) lost or reordered messages")
        }
        return Double(messageCount - warmCount) / elapsed
    }
}
