import PackedSets
import Testing

/// Sets as bytes, and sets that stand for other sets' elements.
@Suite struct FlagBytesTests {
    /// A linear congruential generator: these tests need many sets, not good ones.
    private struct Draws: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    private func set(_ elementCount: Int, _ random: inout Draws) -> PackedSet {
        PackedSet(
            elementCount: elementCount,
            members: (0..<elementCount).filter { _ in random.next() >> 40 % 3 == 0 })
    }

    @Test(arguments: [0, 1, 7, 8, 63, 64, 65, 200, 1536])
    func `Every element has its byte, and loading again forgets`(elementCount: Int) {
        var random = Draws(state: UInt64(elementCount))
        var flags = FlagBytes(elementCount: elementCount)
        for _ in 0..<20 {
            let set = set(elementCount, &random)
            flags.load(set.words)
            let isRight = (0..<elementCount).allSatisfy {
                flags.bytes[$0] == (set.contains($0) ? 1 : 0)
            }
            if !isRight { Issue.record("\(set.members)") }
            #expect(flags.bytes[flags.placeOfNobody] == 0)
        }
    }

    @Test func `Sets that are added are counted`() {
        var random = Draws(state: 5)
        var flags = FlagBytes(elementCount: 200)
        var counts = Array(repeating: UInt8(0), count: 200)
        for _ in 0..<255 {
            let set = set(200, &random)
            flags.add(set.words)
            for member in set.members { counts[member] += 1 }
        }
        #expect(Array(flags.bytes[..<200]) == counts)
    }

    @Test func `Words can be loaded behind others`() {
        var flags = FlagBytes(elementCount: 192)
        flags.load([.max], atWord: 2)
        flags.load([1 << 63], atWord: 0)
        #expect(flags.bytes.indices.filter { flags.bytes[$0] == 1 } == [63] + Array(128..<192))
    }

    @Test(arguments: [(1, 1), (64, 64), (100, 37), (1536, 2048), (70_000, 300)])
    func `A selection has who its elements stand for, in any order`(
        sourceCount: Int, targetCount: Int
    ) {
        var random = Draws(state: 9)
        let sources = (0..<targetCount).map { _ in
            random.next() >> 40 % 5 == 0 ? nil : Int.random(in: 0..<sourceCount, using: &random)
        }
        let selection = SetSelection(sources, sourceCount: sourceCount)
        var flags = FlagBytes(elementCount: sourceCount)
        var words = [UInt64](repeating: .max, count: selection.wordCount)
        for _ in 0..<10 {
            let source = set(sourceCount, &random)
            flags.load(source.words)
            selection.select(from: flags, into: &words)
            let expected = PackedSet(
                elementCount: targetCount,
                members: sources.indices.filter { sources[$0].map { source.contains($0) } ?? false }
            )
            #expect(words == expected.words)
        }
    }

    @Test func `Words of sets are replaced, cut and full as their elements say`() {
        var set = PackedSet(elementCount: 70)
        set.setWords([5, 3])
        #expect(set.members == [0, 2, 64, 65])
        set.formIntersection(words: [9, 4, 2], from: 1)
        #expect(set.members == [2, 65])
        #expect((0..<2).map { set.fullWord(at: $0) } == PackedSet.full(elementCount: 70).words)
        #expect(PackedSet(elementCount: 128).fullWord(at: 1) == .max)
    }

    @Test func `What does not fit traps`() async {
        await #expect(processExitsWith: .failure) {
            var set = PackedSet(elementCount: 70)
            set.setWords([0, 64])
        }
        await #expect(processExitsWith: .failure) {
            var flags = FlagBytes(elementCount: 64)
            flags.load([1], atWord: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = SetSelection([4], sourceCount: 4)
        }
        await #expect(processExitsWith: .failure) {
            var words: [UInt64] = [0]
            SetSelection([0], sourceCount: 4).select(
                from: FlagBytes(elementCount: 100), into: &words)
        }
    }
}
