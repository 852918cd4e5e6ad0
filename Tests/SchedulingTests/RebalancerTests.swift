import ActivationPredictor
import PackedSets
import Scheduling
import SeededRandom
import Testing

/// Each rebalancer against what it promises.
@Suite struct RebalancerTests {
    static let layout = NeuronLayout(layerCount: 2, neuronCounts: [33, 130])

    private static func all(_ prefill: PrefillActivity) -> [any Rebalancer] {
        let cold = layout.map { PackedSet(elementCount: layout.neuronCounts[$1]) }
        return [
            NoRebalancer(), StaticFrequencyRebalancer(prefill: prefill, hot: cold),
            WindowRebalancer(layout: layout), WindowRebalancer(layout: layout, windowTokenCount: 1),
            WindowRebalancer(layout: layout, minimumLoadPercent: 115),
            LongestProcessingTimeRebalancer(layout: layout), OracleRebalancer(),
        ]
    }

    /// Replays tokens and hands each batch of remaps, with the table before it, to `check`.
    private func replay(
        _ rebalancer: any Rebalancer, dimmCount: Int, seed: UInt64, tokenCount: Int = 12,
        check: ([Remap], HomeTable) -> Void
    ) throws -> HomeTable {
        var rebalancer = rebalancer
        var random = SplitMix64(seed: seed)
        var table = HomeTable(
            layout: Self.layout, dimmCount: dimmCount,
            homes: DrawnActivity.homes(
                layout: Self.layout, dimmCount: dimmCount, using: &random))
        func move(_ remaps: [Remap]) throws {
            check(remaps, table)
            for remap in remaps { try table.commit(table.propose(remap)) }
        }
        for token in DrawnActivity.tokens(tokenCount, layout: Self.layout, seed: seed) {
            if rebalancer.needsTruth { try move(rebalancer.remaps(before: token, homes: table)) }
            for (layer, blocks) in token.enumerated() {
                for (block, active) in blocks.enumerated() {
                    rebalancer.observe(layer: layer, block: block, activeCold: active)
                }
            }
            try move(rebalancer.endToken(homes: table))
        }
        return table
    }

    @Test(arguments: [1, 2, 3, 8, 16], 0..<7)
    func `Remaps start at home, end elsewhere, name no neuron twice, and repeat`(
        dimmCount: Int, choice: Int
    ) throws {
        var prefill = PrefillActivity(layout: Self.layout)
        for token in DrawnActivity.tokens(9, layout: Self.layout, seed: 77) {
            prefill.add(token: token)
        }
        let rebalancer = Self.all(prefill)[choice]
        var moved = 0
        var batches: [[Remap]] = []
        let end = try replay(rebalancer, dimmCount: dimmCount, seed: UInt64(choice)) {
            remaps, table in
            let places = Set(remaps.map { [$0.layer, $0.block, $0.neuron] })
            if places.count != remaps.count { Issue.record("a neuron moves twice") }
            if remaps.contains(where: {
                $0.from == $0.to
                    || table.home(layer: $0.layer, block: $0.block, neuron: $0.neuron) != $0.from
            }) {
                Issue.record("a remap that cannot be made")
            }
            moved += remaps.count
            batches.append(remaps)
        }
        #expect((moved == 0) == (dimmCount == 1 || choice == 0), "\(rebalancer.name): \(moved)")
        var again: [[Remap]] = []
        let endAgain = try replay(rebalancer, dimmCount: dimmCount, seed: UInt64(choice)) {
            remaps, _ in again.append(remaps)
        }
        #expect(again == batches)
        #expect(endAgain == end)
    }

    /// Z of each DIMM over the counts of one block.
    private func loads(_ counts: [Int], homes: [UInt16], dimmCount: Int) -> [Int] {
        var loads = Array(repeating: 0, count: dimmCount)
        for (neuron, count) in counts.enumerated() { loads[Int(homes[neuron])] += count }
        return loads
    }

    @Test(arguments: 0..<40)
    func `The window never raises the difference of a pair, nor of any move`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let dimmCount = Int.random(in: 2...9, using: &random)
        let layout = NeuronLayout(
            layerCount: 1, neuronCounts: [Int.random(in: 1...90, using: &random)])
        var table = HomeTable(
            layout: layout, dimmCount: dimmCount,
            homes: DrawnActivity.homes(layout: layout, dimmCount: dimmCount, using: &random))
        var window = WindowRebalancer(layout: layout)
        var counts = Array(repeating: 0, count: layout.neuronCounts[0])
        for token in DrawnActivity.tokens(5, layout: layout, seed: seed) {
            for neuron in token[0][0].members { counts[neuron] += 1 }
            window.observe(layer: 0, block: 0, activeCold: token[0][0])
            let remaps = window.endToken(homes: table)
            var partners: [Int: Set<Int>] = [:]
            for remap in remaps {
                partners[remap.from, default: []].insert(remap.to)
                partners[remap.to, default: []].insert(remap.from)
                let before = loads(
                    counts, homes: table.homes(layer: 0, block: 0), dimmCount: dimmCount)
                let difference = before[remap.from] - before[remap.to]
                let after = difference - 2 * counts[remap.neuron]
                if difference <= 0 || abs(after) >= difference {
                    Issue.record("\(remap): difference \(difference) becomes \(after)")
                }
                try table.commit(table.propose(remap))
            }
            #expect(partners.values.allSatisfy { $0.count == 1 }, "each DIMM is in one pair")
        }
    }

    /// Loads 15, 9, 4, 2 over DIMMs 0 to 3: 0 pairs with 3, 1 with 2. Of DIMM 0's neurons with
    /// counts 5, 5, 3, 2 the first 5 makes it 10 to 7; the next 5 and the 3 would not bring them
    /// closer, the 2 makes it 8 to 9. DIMM 1, with 5 and 4 to DIMM 2's 4, moves the 4: 5 to 8.
    @Test func `A window by hand`() {
        let counts = [5, 5, 3, 2, 5, 4, 4, 2]
        let homes: [UInt16] = [0, 0, 0, 0, 1, 1, 2, 3]
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [8])
        let table = HomeTable(layout: layout, dimmCount: 4, homes: [[homes]])
        func remaps(_ percent: Int?) -> [[Int]] {
            var window = WindowRebalancer(layout: layout, minimumLoadPercent: percent)
            var result: [Remap] = []
            for token in 0..<5 {
                #expect(result.isEmpty)
                window.observe(
                    layer: 0, block: 0,
                    activeCold: PackedSet(
                        elementCount: 8, members: (0..<8).filter { counts[$0] > token }))
                result = window.endToken(homes: table)
            }
            return result.map { [$0.neuron, $0.from, $0.to] }
        }
        #expect(remaps(nil) == [[0, 0, 3], [3, 0, 3], [5, 1, 2]])
        // The mean is 7.5: 9 is 120 % of it.
        #expect(remaps(119) == [[0, 0, 3], [3, 0, 3], [5, 1, 2]])
        #expect(remaps(120) == [[0, 0, 3], [3, 0, 3]])
        #expect(remaps(200) == [])
    }

    @Test func `Each window counts anew`() throws {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [2])
        let table = HomeTable(layout: layout, dimmCount: 2, homes: [[[0, 0]]])
        var window = WindowRebalancer(layout: layout, windowTokenCount: 1)
        window.observe(layer: 0, block: 0, activeCold: .full(elementCount: 2))
        #expect(window.endToken(homes: table).count == 1)
        #expect(window.endToken(homes: table).isEmpty)
    }

    /// The best split of `weights` by trying all.
    private func bestMaximum(_ weights: [Int], dimmCount: Int) -> Int {
        var best = Int.max
        var homes = Array(repeating: UInt16(0), count: weights.count)
        for code in 0..<Int(pow: dimmCount, weights.count) {
            var rest = code
            for neuron in homes.indices {
                homes[neuron] = UInt16(rest % dimmCount)
                rest /= dimmCount
            }
            best = min(best, loads(weights, homes: homes, dimmCount: dimmCount).max() ?? 0)
        }
        return best
    }

    @Test(arguments: 0..<20)
    func `The longest processing time keeps Graham's bound`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let dimmCount = Int.random(in: 2...3, using: &random)
        let counts = (0..<7).map { _ in Int.random(in: 0...6, using: &random) }
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [7])
        var table = HomeTable(
            layout: layout, dimmCount: dimmCount,
            homes: DrawnActivity.homes(layout: layout, dimmCount: dimmCount, using: &random))
        var rebalancer = LongestProcessingTimeRebalancer(layout: layout, windowTokenCount: 6)
        for token in 0..<6 {
            rebalancer.observe(
                layer: 0, block: 0,
                activeCold: PackedSet(
                    elementCount: 7, members: (0..<7).filter { counts[$0] > token }))
            for remap in rebalancer.endToken(homes: table) {
                try table.commit(table.propose(remap))
            }
        }
        let highest =
            loads(
                counts, homes: table.homes(layer: 0, block: 0), dimmCount: dimmCount
            ).max() ?? 0
        // max ≤ (4/3 - 1/(3J)) × best, times 3J.
        let best = bestMaximum(counts, dimmCount: dimmCount)
        #expect(3 * dimmCount * highest <= (4 * dimmCount - 1) * best)
    }

    @Test func `Static balancing weighs the cold alone, and once`() throws {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [4])
        var prefill = PrefillActivity(layout: layout)
        for active in [[0, 1, 2, 3], [0, 1], [0]] {
            prefill.add(token: [[PackedSet(elementCount: 4, members: active)]])
        }
        let table = HomeTable(layout: layout, dimmCount: 2, homes: [[[0, 0, 0, 0]]])
        var rebalancer = StaticFrequencyRebalancer(
            prefill: prefill, hot: [[PackedSet(elementCount: 4, members: [0])]])
        // Counts 2, 1, 1 for the cold 1, 2, 3: 1 stays on DIMM 0, the other two go to DIMM 1.
        #expect(
            rebalancer.endToken(homes: table) == [
                Remap(layer: 0, block: 0, neuron: 2, from: 0, to: 1),
                Remap(layer: 0, block: 0, neuron: 3, from: 0, to: 1),
            ])
        #expect(rebalancer.endToken(homes: table).isEmpty)
    }

    @Test(arguments: [1, 2, 5, 8, 40])
    func `The oracle gives no DIMM more than the mean, rounded up`(dimmCount: Int) throws {
        var random = SplitMix64(seed: 6)
        var table = HomeTable(
            layout: Self.layout, dimmCount: dimmCount,
            homes: DrawnActivity.homes(
                layout: Self.layout, dimmCount: dimmCount, using: &random))
        var oracle = OracleRebalancer()
        for token in DrawnActivity.tokens(10, layout: Self.layout, seed: 6) {
            for remap in oracle.remaps(before: token, homes: table) {
                try table.commit(table.propose(remap))
            }
            for (layer, blocks) in token.enumerated() {
                for (block, active) in blocks.enumerated() {
                    let loads = table.loads(of: active, layer: layer, block: block)
                    let bound = (active.memberCount + dimmCount - 1) / dimmCount
                    #expect(loads.max() == bound)
                }
            }
            #expect(oracle.remaps(before: token, homes: table).isEmpty, "already even")
        }
    }

    /// Each sequence of a batch is counted for itself, more often than 16 bits can tell.
    @Test func `A long window of a large batch is counted`() throws {
        var rebalancer = WindowRebalancer(layout: Self.layout, windowTokenCount: 2)
        let homes = HomeTable(
            layout: Self.layout, dimmCount: 2,
            homes: Self.layout.map { Array(repeating: 0, count: Self.layout.neuronCounts[$1]) })
        let active = PackedSet(elementCount: 33, members: [4, 7])
        var remaps: [Remap] = []
        for _ in 0..<2 {
            for _ in 0..<40_000 { rebalancer.observe(layer: 1, block: 0, activeCold: active) }
            remaps = rebalancer.endToken(homes: homes)
        }
        #expect(remaps.map(\.to) == [1])
    }
}

extension Int {
    fileprivate init(pow base: Int, _ exponent: Int) {
        self = (0..<exponent).reduce(1) { power, _ in power * base }
    }
}
