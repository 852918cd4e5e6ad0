import Messages
import PackedSets
import SeededRandom
import Testing

/// Sets of neuron slots on the wire.
@Suite struct PackedSetMessageTests {
    static let elementCounts = [0, 1, 2, 63, 64, 65, 127, 128, 200, 1536]

    @Test(arguments: elementCounts)
    func `Sent words give an equal set, whatever was in it before`(elementCount: Int) throws {
        var random = SplitMix64(seed: 77)
        for density in [0, 10, 50, 100] {
            var sent = PackedSet(elementCount: elementCount)
            var received = sent
            for slot in 0..<elementCount {
                if Int.random(in: 0..<100, using: &random) < density { sent.insert(slot) }
                if slot.isMultiple(of: 3) { received.insert(slot) }
            }
            let message = Message(byteCount: 5 + sent.byteCount) {
                $0.store(sent.words.span, at: 5)
            }
            try message.read { (bytes) throws(LinkError) in
                try received.load(from: bytes, at: 5)
            }
            #expect(received == sent)
        }
    }

    @Test(arguments: [1, 2, 63, 65, 127, 200])
    func `Each single bit past the last element is refused and leaves nothing`(
        elementCount: Int
    ) {
        let wordCount = PackedSet.wordCount(elementCount: elementCount)
        for bit in elementCount..<64 * wordCount {
            var words = [UInt64](repeating: .max, count: wordCount)
            words[wordCount - 1] = bit % 64 == 63 ? 1 << 63 : 1 << UInt64(bit % 64)
            let message = Message(byteCount: 8 * wordCount) { $0.store(words.span, at: 0) }
            var set = PackedSet(elementCount: elementCount)
            expectCorrupt("past \(elementCount - 1)") { () throws(LinkError) in
                try message.read { (bytes) throws(LinkError) in
                    try set.load(from: bytes, at: 0)
                }
            }
            #expect(set == PackedSet(elementCount: elementCount))
        }
    }

    @Test(arguments: elementCounts)
    func `Words that do not fit the message are refused`(elementCount: Int) {
        var set = PackedSet(elementCount: elementCount)
        let byteCount = set.byteCount
        for (size, offset) in [(byteCount, 1), (byteCount, -1), (byteCount, Int.max)] {
            expectCorrupt("\(elementCount) elements does not fit") { () throws(LinkError) in
                try Message(byteCount: size).read { (bytes) throws(LinkError) in
                    try set.load(from: bytes, at: offset)
                }
            }
        }
    }
}
