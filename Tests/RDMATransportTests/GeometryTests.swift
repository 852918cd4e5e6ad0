import ConnectionProtocol
import LinkRecords
import RDMATransport
import Testing

/// What both ends must reckon alike, without a device.
@Suite struct GeometryTests {
    private static func geometry(_ capacity: Int) -> RingGeometry {
        RingGeometry(LinkTerms(dimm: 0, session: .random(), epoch: 0, capacity: capacity))
    }

    private static let capacities = [4096, 8192, 1 << 15, 100_000, 1 << 20, (1 << 24) + 48]

    /// The worst for a ring is a longest frame that just does not fit before its end.
    @Test(arguments: capacities)
    func `Frames that may wait never lie on each other`(capacity: Int) {
        let geometry = Self.geometry(capacity)
        let longest = geometry.frameByteCount(forMessage: geometry.maximumMessageByteCount)
        var places = FramePlaces(memoryByteCount: geometry.memoryByteCount)
        var waiting: [Range<Int>] = []
        for number in 0..<3000 {
            let message = number % 3 == 2 ? number * 7 % 500 : geometry.maximumMessageByteCount
            let byteCount = geometry.frameByteCount(forMessage: message)
            while waiting.map(\.count).reduce(0, +) + byteCount > capacity {
                waiting.removeFirst()
            }
            let start = places.take(byteCount)
            let frame = start..<start + byteCount
            #expect(frame.upperBound <= geometry.memoryByteCount)
            if waiting.contains(where: { $0.overlaps(frame) }) {
                Issue.record("frame \(number) of at most \(longest) bytes lies on another")
                return
            }
            waiting.append(frame)
        }
    }

    @Test(arguments: capacities)
    func `No more frames wait than the queue has places for`(capacity: Int) {
        let geometry = Self.geometry(capacity)
        let smallest = geometry.frameByteCount(forMessage: 0)
        #expect(capacity / smallest <= RingGeometry.frameLimit)
        // Half the window for the longest, a quarter that nobody was told of.
        let longest = geometry.frameByteCount(forMessage: geometry.maximumMessageByteCount)
        #expect(longest <= capacity - capacity / 4)
    }

    @Test(arguments: [
        Notice.frame(byteCount: 32), .frame(byteCount: 1 << 31), .credit(releasedByteCount: 0),
        .credit(releasedByteCount: 1 << 33), .close,
    ])
    func `A notice is read as it was written`(notice: Notice) {
        #expect(Notice(immediate: notice.immediate) == notice)
    }

    @Test(arguments: [0, 1 << 29, 3 << 30 | 1] as [UInt32])
    func `What is no notice is refused`(immediate: UInt32) {
        #expect(Notice(immediate: immediate) == nil)
    }

    @Test func `A count that is known in part goes on from the last`() {
        let modulus: UInt64 = 1 << 34
        for (whole, base) in [
            (0, 0), (16, 0), (modulus + 32, modulus - 16), (5 * modulus + 160, 5 * modulus + 160),
        ] as [(UInt64, UInt64)] {
            #expect(Notice.extend(whole % modulus, from: base) == whole)
        }
    }
}
