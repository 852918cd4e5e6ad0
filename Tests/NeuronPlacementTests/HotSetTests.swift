import NeuronPlacement
import Quantities
import SeededRandom
import Testing

/// Which neurons get a second copy on the GPU.
@Suite struct HotSetTests {
    private func choose(
        _ counts: [[UInt32]], share: UInt64, memory: Int = .max, bytes: Int = 1
    ) -> [[UInt32]] {
        HotSetSelection(hotShare: Proportion(millionths: share), memoryByteCount: memory)
            .choose(from: [BlockActivity(counts: counts, bytesPerNeuron: bytes)])[0]
    }

    @Test func `The most frequent neurons are hot, and come ascending`() {
        #expect(choose([[1, 9, 3, 7, 5]], share: 600_000) == [[1, 3, 4]])
    }

    @Test func `Among equals the lowest indices are hot`() {
        #expect(choose([[4, 4, 4, 4, 4]], share: 400_000) == [[0, 1]])
        #expect(choose([[0, 4, 0, 4, 4]], share: 400_000) == [[1, 3]])
        #expect(choose([[0, 0, 0]], share: 1_000_000) == [[0, 1, 2]])
    }

    @Test(arguments: [
        (0, 0), (99_999, 0), (100_000, 1), (199_999, 1), (200_000, 2), (999_999, 9),
        (1_000_000, 10),
    ])
    func `A share of ten neurons is rounded down`(share: Int, count: Int) {
        let chosen = choose([(0..<10).map { UInt32($0) }], share: UInt64(share))
        #expect(chosen == [(10 - count..<10).map { UInt32($0) }])
    }

    @Test func `Each layer has its own share`() {
        // Layer 0 is busier throughout, and still gets no more than its half.
        #expect(choose([[9, 9, 9, 9], [1, 2, 3, 4]], share: 500_000) == [[0, 1], [2, 3]])
    }

    @Test func `Memory goes to the most frequent over all layers and blocks`() {
        let selection = HotSetSelection(hotShare: .one, memoryByteCount: 30)
        let chosen = selection.choose(from: [
            BlockActivity(counts: [[1, 8], [2, 5]], bytesPerNeuron: 10),
            BlockActivity(counts: [[7, 0], [3, 4]], bytesPerNeuron: 10),
        ])
        #expect(chosen == [[[1], [1]], [[0], []]])
    }

    @Test func `Ties for memory go by layer, then block, then index`() {
        for (memory, expected) in [
            (1, [[[0], []], [[], []]]), (2, [[[0, 1], []], [[], []]]),
            (3, [[[0, 1], []], [[0], []]]), (5, [[[0, 1], [0]], [[0, 1], []]]),
            (8, [[[0, 1], [0, 1]], [[0, 1], [0, 1]]]),
        ] as [(Int, [[[UInt32]]])] {
            let block = BlockActivity(counts: [[6, 6], [6, 6]], bytesPerNeuron: 1)
            let selection = HotSetSelection(hotShare: .one, memoryByteCount: memory)
            #expect(selection.choose(from: [block, block]) == expected)
        }
    }

    @Test func `No memory, no share, no neurons and no blocks give nothing hot`() {
        #expect(choose([[5, 6]], share: 1_000_000, memory: 0) == [[]])
        #expect(choose([[5, 6]], share: 1_000_000, memory: 9, bytes: 10) == [[]])
        #expect(choose([[5, 6]], share: 0) == [[]])
        #expect(choose([[], []], share: 1_000_000) == [[], []])
        let selection = HotSetSelection(hotShare: .one, memoryByteCount: 10)
        #expect(selection.choose(from: []).isEmpty)
    }

    @Test func `What costs nothing is hot without memory`() {
        #expect(choose([[5, 6, 7]], share: 700_000, memory: 0, bytes: 0) == [[1, 2]])
    }

    @Test(arguments: 0..<200)
    func `Any selection is what picking the best again and again gives`(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        let blocks = (0..<Int.random(in: 1...3, using: &random)).map { _ in
            let width = Int.random(in: 0...20, using: &random)
            return BlockActivity(
                // Few distinct counts, so that ties are common.
                counts: (0..<3).map { _ in
                    (0..<width).map { _ in UInt32.random(in: 0...4, using: &random) }
                },
                bytesPerNeuron: Int.random(in: 1...9, using: &random))
        }
        let share = UInt64.random(in: 0...1_000_000, using: &random)
        let memory = Int.random(in: 0...300, using: &random)
        let selection = HotSetSelection(
            hotShare: Proportion(millionths: share), memoryByteCount: memory)
        let chosen = selection.choose(from: blocks)
        #expect(chosen == Self.model(blocks, share: share, memory: memory))
        let bytes = zip(chosen, blocks).reduce(0) { total, pair in
            total + pair.0.reduce(0) { $0 + $1.count } * pair.1.bytesPerNeuron
        }
        #expect(bytes <= memory)
    }

    /// The rule word by word: quadratic, and without sorting.
    private static func model(
        _ blocks: [BlockActivity], share: UInt64, memory: Int
    ) -> [[[UInt32]]] {
        var candidates: Set<[Int]> = []  // layer, block, index
        for (block, activity) in blocks.enumerated() {
            for (layer, counts) in activity.counts.enumerated() {
                var rest = Set(counts.indices)
                for _ in 0..<Int(share) * counts.count / 1_000_000 {
                    let most = rest.map { counts[$0] }.max()
                    guard let best = rest.filter({ counts[$0] == most }).min() else { break }
                    rest.remove(best)
                    candidates.insert([layer, block, best])
                }
            }
        }
        func count(_ candidate: [Int]) -> UInt32 {
            blocks[candidate[1]].counts[candidate[0]][candidate[2]]
        }
        var chosen = blocks.map { $0.counts.map { _ in Set<UInt32>() } }
        var rest = memory
        while let most = candidates.map(count).max() {
            let equals = candidates.filter { count($0) == most }
            guard let best = equals.min(by: { $0.lexicographicallyPrecedes($1) }) else { break }
            candidates.remove(best)
            let bytes = blocks[best[1]].bytesPerNeuron
            if bytes <= rest {
                rest -= bytes
                chosen[best[1]][best[0]].insert(UInt32(best[2]))
            }
        }
        return chosen.map { $0.map { $0.sorted() } }
    }
}
