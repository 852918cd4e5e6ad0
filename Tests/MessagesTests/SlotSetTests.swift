import Messages
import SeededRandom
import Testing

/// Sets of neuron slots, against the standard library's sets.
@Suite struct SlotSetTests {
    static let slotCounts = [0, 1, 2, 63, 64, 65, 127, 128, 200, 1536]

    private func members(of set: SlotSet) -> [UInt32] {
        var list = [UInt32](repeating: .max, count: set.memberCount + 1)
        let count = set.writeMembers(to: &list)
        precondition(list[count] == .max, "nothing is written past the members")
        return Array(list.prefix(count))
    }

    private func agree(_ set: SlotSet, with model: Set<Int>) -> Bool {
        set.memberCount == model.count
            && (0..<set.slotCount).allSatisfy { set.contains($0) == model.contains($0) }
            && members(of: set).map(Int.init) == model.sorted()
    }

    @Test(arguments: slotCounts)
    func `A new set is empty and as long as its slots need`(slotCount: Int) {
        let set = SlotSet(slotCount: slotCount)
        #expect(set.slotCount == slotCount)
        #expect(set.words.count == (slotCount + 63) / 64)
        #expect(SlotSet.wordCount(slotCount: slotCount) == set.words.count)
        #expect(set.byteCount == 8 * set.words.count)
        #expect(agree(set, with: []))
    }

    @Test(arguments: slotCounts)
    func `Any sequence of changes leaves what a set would hold`(slotCount: Int) {
        var random = SplitMix64(seed: UInt64(slotCount))
        var set = SlotSet(slotCount: slotCount)
        var model: Set<Int> = []
        for change in 0..<2000 where slotCount > 0 {
            let slot = Int.random(in: 0..<slotCount, using: &random)
            switch Int.random(in: 0..<1000, using: &random) {
            case 0:
                set.removeAll()
                model.removeAll()
            case 1..<600:
                set.insert(slot)
                model.insert(slot)
            default:
                set.remove(slot)
                model.remove(slot)
            }
            if change % 50 == 0 || change > 1990, !agree(set, with: model) {
                Issue.record("after change \(change): \(members(of: set)), not \(model)")
                return
            }
        }
    }

    @Test(arguments: slotCounts)
    func `Sent words give an equal set, whatever was in it before`(slotCount: Int) throws {
        var random = SplitMix64(seed: 77)
        for density in [0, 10, 50, 100] {
            var sent = SlotSet(slotCount: slotCount)
            var received = sent
            for slot in 0..<slotCount {
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

    @Test func `Slot s is bit s mod 64 of word s over 64`() {
        var set = SlotSet(slotCount: 130)
        for slot in [0, 63, 64, 129] { set.insert(slot) }
        #expect(set.words == [1 | 1 << 63, 1, 2])
    }

    @Test(arguments: [1, 2, 63, 65, 127, 200])
    func `Each single bit past the last slot is refused and leaves nothing`(
        slotCount: Int
    ) {
        let wordCount = SlotSet.wordCount(slotCount: slotCount)
        for bit in slotCount..<64 * wordCount {
            var words = [UInt64](repeating: .max, count: wordCount)
            words[wordCount - 1] = bit % 64 == 63 ? 1 << 63 : 1 << UInt64(bit % 64)
            let message = Message(byteCount: 8 * wordCount) { $0.store(words.span, at: 0) }
            var set = SlotSet(slotCount: slotCount)
            expectCorrupt("past \(slotCount - 1)") { () throws(LinkError) in
                try message.read { (bytes) throws(LinkError) in
                    try set.load(from: bytes, at: 0)
                }
            }
            #expect(set == SlotSet(slotCount: slotCount))
        }
    }

    @Test(arguments: slotCounts)
    func `Words that do not fit the message are refused`(slotCount: Int) {
        var set = SlotSet(slotCount: slotCount)
        let byteCount = set.byteCount
        for (size, offset) in [(byteCount, 1), (byteCount, -1), (byteCount, Int.max)] {
            expectCorrupt("\(slotCount) slots does not fit") { () throws(LinkError) in
                try Message(byteCount: size).read { (bytes) throws(LinkError) in
                    try set.load(from: bytes, at: offset)
                }
            }
        }
    }

    @Test func `A slot that the set does not have traps`() async {
        await #expect(processExitsWith: .failure) {
            var set = SlotSet(slotCount: 65)
            set.insert(65)
        }
        await #expect(processExitsWith: .failure) {
            _ = SlotSet(slotCount: 65).contains(-1)
        }
        await #expect(processExitsWith: .failure) { _ = SlotSet(slotCount: -1) }
    }
}
