import PackedSets
import Testing

@Suite struct MembershipCountsTests {
    /// Member n is in every (n + 1)-th set; counts up to 300 need nine bits.
    @Test(arguments: [1, 63, 64, 65, 200])
    func `Counts are those of counting member by member`(elementCount: Int) {
        var counts = MembershipCounts(elementCount: elementCount)
        var expected = Array(repeating: UInt32(0), count: elementCount)
        for round in 0..<300 {
            let set = PackedSet(
                elementCount: elementCount,
                members: (0..<elementCount).filter { round % ($0 + 1) == 0 })
            counts.add(set)
            set.addMembers(to: &expected)
        }
        #expect(expected[0] == 300)
        #expect(counts.values == expected)
        #expect(MembershipCounts(expected) == counts)
        expected[0] += 1
        #expect(MembershipCounts(expected) != counts)
        expected[0] -= 1
        let even = PackedSet(
            elementCount: elementCount, members: stride(from: 0, to: elementCount, by: 2))
        #expect(counts.total(in: even) == even.members.reduce(0) { $0 + Int(expected[$1]) })
    }

    @Test(arguments: [0, 1, 2, 3, 100])
    func `Room for sets changes no count`(setCount: Int) {
        var roomy = MembershipCounts(elementCount: 70, setCount: setCount)
        var grown = MembershipCounts(elementCount: 70)
        for first in [3, 0, 69] {
            let set = PackedSet(elementCount: 70, members: first..<70)
            roomy.add(set)
            grown.add(set)
            #expect(roomy == grown)
            #expect(roomy.values == grown.values)
            #expect(roomy.total(in: set) == grown.total(in: set))
        }
    }

    @Test func `Nothing added is nothing counted`() {
        var counts = MembershipCounts(elementCount: 70)
        #expect(counts.values == Array(repeating: 0, count: 70))
        counts.add(PackedSet(elementCount: 70))
        #expect(counts == MembershipCounts(Array(repeating: 0, count: 70)))
    }
}
