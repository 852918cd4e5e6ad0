import Histogram
import Messages
import LinkRecords
import RingTransport

/// Distribution of the times of single operations.
struct Times: CustomStringConvertible {
    private var histogram = Histogram<UInt64>(numberOfSignificantValueDigits: .three)

    mutating func record(nanoseconds: UInt64) { histogram.record(nanoseconds) }

    var medianMicroseconds: Double { microseconds(atPercentile: 50) }

    func microseconds(atPercentile percentile: Double) -> Double {
        Double(histogram.valueAtPercentile(percentile)) / 1000
    }

    var description: String {
        [50, 99, 99.9].map { percentile in
            let name = percentile == 99.9 ? "p99.9" : "p\(Int(percentile))"
            return "\(name) \(fixed(microseconds(atPercentile: percentile), 2))"
        }.joined(separator: "  ")
    }
}

/// Time for a message to a second process and back, one at a time.
struct RoundTrip {
    let channel: Channel
    let roundCount: Int

    func run() throws -> Times {
        let peer = try PeerConnection.open(channel, role: .echo, processor: 1)
        var times = Times()
        let warmCount = roundCount / 10
        var before = monotonicNanoseconds()
        for number in 0..<UInt64(roundCount) {
            try peer.link.send(byteCount: channel.messageByteCount) { message in
                message.storeBytes(of: number, as: UInt64.self)
            }
            var answer = UInt64.max
            try peer.link.receive { answer = unsafe $0.unsafeLoadUnaligned(as: UInt64.self) }
            guard answer == number else {
                throw BenchmarkError.wrongResult("sent \(number), got \(answer) back")
            }
            let now = monotonicNanoseconds()
            if number >= warmCount { times.record(nanoseconds: now - before) }
            before = now
        }
        return times
    }
}

/// How far apart processors 0 and 1 are at this moment: hosts move virtual processors between
/// cores that share a cache and cores that do not, and figures compare only within one placement.
enum PlacementProbe {
    /// Median round trip of 64 B between spinning processes, us.
    static func run() throws -> Double {
        let channel = Channel(transport: .ring, policy: .spinning, messageByteCount: 64)
        return try RoundTrip(channel: channel, roundCount: 10_000).run().medianMicroseconds
    }

    /// The probes before and after a measurement, and whether it may be compared at all.
    static func describe(_ before: Double, _ after: Double) -> String {
        let values = "(probe \(fixed(before, 2)), then \(fixed(after, 2)) us"
        let isMoved = max(before, after) > 1.5 * min(before, after)
        return values + (isMoved ? "; moved or disturbed)" : after < 0.5 ? "; near)" : "; far)")
    }
}
