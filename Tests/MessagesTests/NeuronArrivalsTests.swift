import Messages
import SeededRandom
import Testing

/// What says which neurons go where is read as it was written, or refused.
@Suite struct NeuronArrivalsTests {
    private func message(_ arrivals: NeuronArrivals) -> Message {
        Message(byteCount: MessageHeader.byteCount + arrivals.byteCount) {
            arrivals.encode(into: &$0)
        }
    }

    private static func arrivals(count: Int) -> NeuronArrivals {
        var random = SplitMix64(seed: UInt64(count))
        return NeuronArrivals(
            arrivalPicoseconds: random.next(),
            entries: (0..<count).map { _ in
                .init(
                    neuron: UInt32(truncatingIfNeeded: random.next()),
                    slot: UInt32(truncatingIfNeeded: random.next()))
            })
    }

    @Test(arguments: [1, 2, 100])
    func `Arrivals are read as they were written`(count: Int) throws {
        let arrivals = Self.arrivals(count: count)
        let decoded = try message(arrivals).read { (bytes) throws(LinkError) in
            try NeuronArrivals(decoding: bytes, count: count)
        }
        #expect(decoded == arrivals)
    }

    @Test(arguments: [(1, 0), (1, 2), (3, 1), (3, .max >> 8)])
    func `Arrivals of another count than their message holds are refused`(
        count: Int, claimed: Int
    ) {
        expectCorrupt("arrivals of \(claimed)") { () throws(LinkError) in
            try message(Self.arrivals(count: count)).read { (bytes) throws(LinkError) in
                try NeuronArrivals(decoding: bytes, count: claimed)
            }
        }
    }

    @Test func `Slots are read as they were written, and no others`() throws {
        let slots: [UInt32] = [7, 0, .max]
        let message = Message(byteCount: MessageHeader.byteCount + 12) {
            SlotList.encode(slots, into: &$0)
        }
        let decoded = try message.read { (bytes) throws(LinkError) in
            try SlotList.decode(bytes, count: 3)
        }
        #expect(decoded == slots)
        for claimed in [0, 2, 4] {
            expectCorrupt("a list of \(claimed) slots") { () throws(LinkError) in
                try message.read { (bytes) throws(LinkError) in
                    try SlotList.decode(bytes, count: claimed)
                }
            }
        }
    }
}
