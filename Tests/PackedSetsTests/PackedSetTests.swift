import PackedSets
import SeededRandom
import Testing

/// Sets of small integers, against the standard library's sets.
@Suite struct PackedSetTests {
    static let elementCounts = [0, 1, 2, 63, 64, 65, 127, 128, 200, 1536]

    private func members(of set: PackedSet) -> [UInt32] {
        var list = [UInt32](repeating: .max, count: set.memberCount + 1)
        let count = set.writeMembers(to: &list)
        precondition(list[count] == .max, "nothing is written past the members")
        return Array(list.prefix(count))
    }

    private func agree(_ set: PackedSet, with model: Set<Int>) -> Bool {
        set.memberCount == model.count
            && (0..<set.elementCount).allSatisfy { set.contains($0) == model.contains($0) }
            && members(of: set).map(Int.init) == model.sorted() && set.members == model.sorted()
    }

    @Test(arguments: elementCounts)
    func `A new set is empty and as long as its elements need`(elementCount: Int) {
        let set = PackedSet(elementCount: elementCount)
        #expect(set.elementCount == elementCount)
        #expect(set.words.count == (elementCount + 63) / 64)
        #expect(PackedSet.wordCount(elementCount: elementCount) == set.words.count)
        #expect(set.byteCount == 8 * set.words.count)
        #expect(agree(set, with: []))
    }

    @Test(arguments: elementCounts)
    func `Any sequence of changes leaves what a set would hold`(elementCount: Int) {
        var random = SplitMix64(seed: UInt64(elementCount))
        var set = PackedSet(elementCount: elementCount)
        var model: Set<Int> = []
        for change in 0..<2000 where elementCount > 0 {
            let slot = Int.random(in: 0..<elementCount, using: &random)
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

    @Test func `Element e is bit e mod 64 of word e over 64`() {
        var set = PackedSet(elementCount: 130)
        for slot in [0, 63, 64, 129] { set.insert(slot) }
        #expect(set.words == [1 | 1 << 63, 1, 2])
    }

    @Test(arguments: elementCounts)
    func `Union, intersection and difference are those of the library's sets`(
        elementCount: Int
    ) {
        var random = SplitMix64(seed: 5)
        let sets = (0..<2).map { _ in
            Set((0..<elementCount).filter { _ in Bool.random(using: &random) })
        }
        let packed = sets.map { PackedSet(elementCount: elementCount, members: $0) }
        var (union, intersection, difference) = (packed[0], packed[0], packed[0])
        union.formUnion(packed[1])
        intersection.formIntersection(packed[1])
        difference.subtract(packed[1])
        #expect(agree(union, with: sets[0].union(sets[1])))
        #expect(agree(intersection, with: sets[0].intersection(sets[1])))
        #expect(agree(difference, with: sets[0].subtracting(sets[1])))
        #expect(packed[0].intersectionCount(packed[1]) == intersection.memberCount)
        let full = PackedSet.full(elementCount: elementCount)
        #expect(agree(full, with: Set(0..<elementCount)))
        #expect(full.isEmpty == (elementCount == 0))
    }

    @Test func `A word past the last element is not valid and traps`() async {
        let set = PackedSet(elementCount: 65)
        #expect(set.isValid(word: .max, at: 0) && set.isValid(word: 1, at: 1))
        #expect(!set.isValid(word: 2, at: 1))
        await #expect(processExitsWith: .failure) {
            var set = PackedSet(elementCount: 65)
            set.setWord(2, at: 1)
        }
    }

    @Test func `An element that the set cannot have traps`() async {
        await #expect(processExitsWith: .failure) {
            var set = PackedSet(elementCount: 65)
            set.insert(65)
        }
        await #expect(processExitsWith: .failure) {
            _ = PackedSet(elementCount: 65).contains(-1)
        }
        await #expect(processExitsWith: .failure) { _ = PackedSet(elementCount: -1) }
    }
}
