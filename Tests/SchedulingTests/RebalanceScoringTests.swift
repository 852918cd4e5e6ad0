import ActivationPredictor
import PackedSets
import Quantities
import Scheduling
import Testing

/// Placements, balance, and whole replays.
@Suite struct RebalanceScoringTests {
    static let layout = NeuronLayout(layerCount: 2, neuronCounts: [50, 131])
    static let placements: [InitialPlacement] = [
        .contiguous, .roundRobin, .random(seed: 3), .frequencyBalanced, .frequencySorted,
    ]

    private func prefill(layout: NeuronLayout, seed: UInt64 = 4) -> PrefillActivity {
        var prefill = PrefillActivity(layout: layout)
        for token in DrawnActivity.tokens(20, layout: layout, seed: seed) {
            prefill.add(token: token)
        }
        return prefill
    }

    private func homes(
        _ placement: InitialPlacement, layout: NeuronLayout, dimmCount: Int
    ) -> [[[UInt16]]] {
        let prefill = prefill(layout: layout)
        return placement.homes(
            layout: layout, dimmCount: dimmCount, frequencies: prefill,
            hot: RebalanceScoring.hottest(Proportion(millionths: 200_000), of: prefill))
    }

    @Test(arguments: placements, [1, 2, 7, 8])
    func `Every placement gives each DIMM its share of the neurons`(
        placement: InitialPlacement, dimmCount: Int
    ) {
        let homes = homes(placement, layout: Self.layout, dimmCount: dimmCount)
        for blocks in homes {
            for (block, list) in blocks.enumerated() {
                let neuronCount = Self.layout.neuronCounts[block]
                #expect(list.count == neuronCount)
                let share = (neuronCount + dimmCount - 1) / dimmCount
                for dimm in 0..<dimmCount {
                    #expect(list.count { Int($0) == dimm } <= share)
                }
                #expect(list.allSatisfy { $0 < dimmCount })
            }
        }
        #expect(self.homes(placement, layout: Self.layout, dimmCount: dimmCount) == homes)
    }

    @Test(arguments: placements)
    func `Fewer neurons than DIMMs find homes, too`(placement: InitialPlacement) {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [0, 1, 3])
        let homes = homes(placement, layout: layout, dimmCount: 8)
        #expect(homes[0].map(\.count) == [0, 1, 3])
        #expect(Set(homes[0][2]).count == 3)
    }

    @Test func `Placements by hand`() {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [5])
        var prefill = PrefillActivity(layout: layout)
        for active in [[4, 1, 2], [4, 1, 2], [4, 1], [4]] {
            prefill.add(token: [[PackedSet(elementCount: 5, members: active)]])
        }
        func homes(_ placement: InitialPlacement, hot: [Int] = []) -> [UInt16] {
            placement.homes(
                layout: layout, dimmCount: 2, frequencies: prefill,
                hot: [[PackedSet(elementCount: 5, members: hot)]])[0][0]
        }
        #expect(homes(.contiguous) == [0, 0, 0, 1, 1])
        #expect(homes(.roundRobin) == [0, 1, 0, 1, 0])
        // Order 4 (4 tokens), 1 (3), 2 (2), 0, 3 (none).
        #expect(homes(.frequencySorted) == [1, 0, 0, 1, 0])
        #expect(homes(.frequencyBalanced) == [0, 1, 1, 0, 0])
        // With 4 hot: 1 and 2 part, 0 joins the less loaded 2, 3 evens out the number, and 4 fills
        // up where the load is less.
        #expect(homes(.frequencyBalanced, hot: [4]) == [1, 0, 1, 0, 1])
        let seeds = (0..<4).map { homes(.random(seed: $0)) }
        #expect(Set(seeds).count > 1)
    }

    @Test func `Imbalance by hand`() {
        var imbalance = LoadImbalance()
        #expect(imbalance.mean == 0 && imbalance.maximum == 0 && imbalance.sampleCount == 0)
        #expect(imbalance.weighted == 0)
        imbalance.add(loads: [0, 0])
        imbalance.add(loads: [])
        #expect(imbalance.sampleCount == 0, "nothing to balance")
        imbalance.add(loads: [2, 2])
        imbalance.add(loads: [4, 0])
        #expect(imbalance.mean == 1.5)
        #expect(imbalance.maximum == 2)
        #expect(imbalance.weighted == 6.0 / 4)
        var other = LoadImbalance()
        other.add(loads: [3, 0, 0])
        imbalance += other
        #expect(imbalance.mean == 2)
        #expect(imbalance.weighted == 9.0 / 5)
        #expect(imbalance.maximum == 3)
        #expect(imbalance.sampleCount == 3)
        #expect(LoadImbalance.ratio(loads: [1, 1, 2]) == 1.5)
    }

    @Test func `The hottest are the most frequent, ties to the lowest index`() {
        let layout = NeuronLayout(layerCount: 1, neuronCounts: [5])
        var prefill = PrefillActivity(layout: layout)
        for active in [[3, 1, 2], [3]] {
            prefill.add(token: [[PackedSet(elementCount: 5, members: active)]])
        }
        func hottest(_ millionths: UInt64) -> [Int] {
            RebalanceScoring.hottest(Proportion(millionths: millionths), of: prefill)[0][0].members
        }
        #expect(hottest(0) == [])
        #expect(hottest(200_000) == [3])
        #expect(hottest(599_999) == [1, 3])
        #expect(hottest(1_000_000) == [0, 1, 2, 3, 4])
    }

    private func result(
        _ placement: InitialPlacement, dimmCount: Int, seed: UInt64, tokenCount: Int = 80,
        rebalancer: @escaping RebalanceScoring.Choice
    ) throws -> RebalanceResult {
        var scoring = RebalanceScoring(
            layout: Self.layout, dimmCount: dimmCount, placement: placement,
            prefillTokenCount: 20, rebalancer: rebalancer)
        try scoring.add(tokens: DrawnActivity.tokens(tokenCount, layout: Self.layout, seed: seed))
        return try #require(scoring.result)
    }

    static let choices: [RebalanceScoring.Choice] = [
        { _, _ in OracleRebalancer() }, { _, _ in NoRebalancer() },
        { StaticFrequencyRebalancer(prefill: $0, hot: $1) },
        { _, _ in WindowRebalancer(layout: layout) },
        { _, _ in WindowRebalancer(layout: layout, minimumLoadPercent: 115) },
        { _, _ in LongestProcessingTimeRebalancer(layout: layout) },
    ]

    @Test(arguments: placements, [1, 3, 8])
    func `No rebalancer passes the oracle, and equal replays give equal figures`(
        placement: InitialPlacement, dimmCount: Int
    ) throws {
        let results = try Self.choices.map {
            try result(placement, dimmCount: dimmCount, seed: 12, rebalancer: $0)
        }
        let oracle = results[0].imbalance
        for result in results {
            #expect(result.imbalance.sampleCount == oracle.sampleCount)
            #expect(result.imbalance.mean >= oracle.mean)
            #expect(result.imbalance.maximum >= oracle.maximum)
        }
        #expect(results.map(\.tokenCount) == Array(repeating: 60, count: 6))
        let again = try Self.choices.map {
            try result(placement, dimmCount: dimmCount, seed: 12, rebalancer: $0)
        }
        #expect(again == results)
    }

    /// What a random placement leaves is the noise of single tokens, which no window can repair;
    /// what a sorted start adds to it persists, and is.
    @Test func `From a sorted start the window repairs most of the skew`() throws {
        func mean(_ placement: InitialPlacement, choice: Int) throws -> Double {
            try result(
                placement, dimmCount: 8, seed: 2, tokenCount: 220,
                rebalancer: Self.choices[choice]
            ).imbalance.mean
        }
        let noise = try mean(.random(seed: 1), choice: 1)
        let start = try mean(.frequencySorted, choice: 1)
        let window = try mean(.frequencySorted, choice: 3)
        #expect(start > noise + 0.5)
        #expect(window - noise < (start - noise) / 4)
    }

    /// A rebalancer from elsewhere that asks for the impossible.
    private struct Wrong: Rebalancer {
        let name = "wrong"
        mutating func observe(layer: Int, block: Int, activeCold: PackedSet) {}
        mutating func endToken(homes: HomeTable) -> [Remap] {
            [Remap(layer: 0, block: 0, neuron: 0, from: 1, to: 0)]
        }
    }

    @Test func `A remap that cannot be made is reported, not ignored`() {
        let remap = Remap(layer: 0, block: 0, neuron: 0, from: 1, to: 0)
        #expect(throws: SchedulingError.notAtHome(remap, home: 0)) {
            try result(.roundRobin, dimmCount: 2, seed: 1) { _, _ in Wrong() }
        }
    }

    @Test func `A trace that ends within the prompt has no result`() throws {
        var scoring = RebalanceScoring(
            layout: Self.layout, dimmCount: 2, placement: .contiguous, prefillTokenCount: 20
        ) { _, _ in NoRebalancer() }
        try scoring.add(tokens: DrawnActivity.tokens(20, layout: Self.layout, seed: 1))
        #expect(scoring.result == nil)
    }

    @Test func `Remaps are told per layer and token`() throws {
        let result = try result(
            .frequencySorted, dimmCount: 8, seed: 2, rebalancer: Self.choices[3])
        #expect(result.remapCount > 0)
        #expect(result.remapsPerLayerAndToken == Double(result.remapCount) / 120)
        #expect(result.rebalancer == "window 5")
        #expect(result.placement == .frequencySorted && result.dimmCount == 8)
    }
}
