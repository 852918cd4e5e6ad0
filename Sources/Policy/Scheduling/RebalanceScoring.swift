package import ActivationPredictor
package import PackedSets
package import Quantities

/// Replays recorded activity on DIMMs and measures how evenly a placement and a rebalancer spread
/// it. Loads count active neurons: there is no time in this.
///
/// The first tokens are the prompt: they choose the hot neurons, which the GPU then computes, and
/// the initial placement. Remaps take effect between tokens, and all of them succeed.
package struct RebalanceScoring: Sendable {
    /// A rebalancer, built when the prompt is through.
    package typealias Choice = @Sendable (PrefillActivity, _ hot: [[PackedSet]]) -> any Rebalancer

    package let layout: NeuronLayout
    package let dimmCount: Int
    package let placement: InitialPlacement
    package let hotShare: Proportion
    package let prefillTokenCount: Int
    private let choice: Choice
    private var prefill: PrefillActivity
    private var replay: Replay?
    private var tokenCount = 0

    fileprivate struct Replay: Sendable {
        var rebalancer: any Rebalancer
        var homes: HomeTable
        let hot: [[PackedSet]]
        var imbalance = LoadImbalance()
        var remapCount = 0
    }

    /// - Parameter hotShare: the most frequent neurons of each block, this share of them.
    package init(
        layout: NeuronLayout, dimmCount: Int, placement: InitialPlacement,
        hotShare: Proportion = Proportion(millionths: 200_000), prefillTokenCount: Int,
        rebalancer choice: @escaping Choice
    ) {
        precondition(prefillTokenCount >= 0)
        precondition(dimmCount >= 1)
        self.layout = layout
        self.dimmCount = dimmCount
        self.placement = placement
        self.hotShare = hotShare
        self.prefillTokenCount = prefillTokenCount
        self.choice = choice
        prefill = PrefillActivity(layout: layout)
    }

    /// The most frequent neurons of each block, ties to the lowest index, [layers][blocks].
    package static func hottest(
        _ share: Proportion, of prefill: PrefillActivity
    ) -> [[PackedSet]] {
        prefill.layout.map { layer, block in
            let counts = prefill.activeCounts(layer: layer, block: block)
            let hotCount = Int(share.roundingDown(UInt64(counts.count)))
            return PackedSet(
                elementCount: counts.count,
                members: InitialPlacement.byFrequency(counts).prefix(hotCount))
        }
    }

    /// Replays the next token: its active neurons, [layers][blocks].
    ///
    /// - Throws: what is wrong with a remap that the rebalancer asked for.
    package mutating func add(token: [[PackedSet]]) throws(SchedulingError) {
        precondition(token.count == layout.layerCount)
        precondition(token.allSatisfy { $0.map(\.elementCount) == layout.neuronCounts })
        defer { tokenCount += 1 }
        guard tokenCount >= prefillTokenCount else {
            prefill.add(token: token)
            return
        }
        if replay == nil {
            let hot = Self.hottest(hotShare, of: prefill)
            let homes = placement.homes(
                layout: layout, dimmCount: dimmCount, frequencies: prefill, hot: hot)
            replay = Replay(
                rebalancer: choice(prefill, hot),
                homes: HomeTable(layout: layout, dimmCount: dimmCount, homes: homes), hot: hot)
        }
        try replay?.add(token: token)
    }

    /// Replays all of `tokens`.
    package mutating func add(
        tokens: some Sequence<[[PackedSet]]>
    ) throws(SchedulingError) {
        for token in tokens { try add(token: token) }
    }

    /// What was measured; nil before the first token after the prompt.
    package var result: RebalanceResult? {
        guard let replay else { return nil }
        return RebalanceResult(
            rebalancer: replay.rebalancer.name, placement: placement, dimmCount: dimmCount,
            imbalance: replay.imbalance, remapCount: replay.remapCount,
            layerCount: layout.layerCount, tokenCount: tokenCount - prefillTokenCount)
    }
}

extension RebalanceScoring.Replay {
    fileprivate mutating func add(token: [[PackedSet]]) throws(SchedulingError) {
        var cold = token
        for layer in cold.indices {
            for block in cold[layer].indices { cold[layer][block].subtract(hot[layer][block]) }
        }
        if rebalancer.needsTruth { try move(rebalancer.remaps(before: cold, homes: homes)) }
        for (layer, blocks) in cold.enumerated() {
            for (block, active) in blocks.enumerated() {
                imbalance.add(loads: homes.loads(of: active, layer: layer, block: block))
                rebalancer.observe(layer: layer, block: block, activeCold: active)
            }
        }
        try move(rebalancer.endToken(homes: homes))
    }

    private mutating func move(_ remaps: [Remap]) throws(SchedulingError) {
        for remap in remaps { try homes.commit(homes.propose(remap)) }
        remapCount += remaps.count
    }
}

/// How evenly one rebalancer spread one trace.
package struct RebalanceResult: Equatable, Sendable {
    package let rebalancer: String
    package let placement: InitialPlacement
    package let dimmCount: Int
    package let imbalance: LoadImbalance
    package let remapCount: Int
    package let layerCount: Int
    /// Tokens after the prompt.
    package let tokenCount: Int

    package var remapsPerLayerAndToken: Double {
        let sites = layerCount * tokenCount
        return sites == 0 ? 0 : Double(remapCount) / Double(sites)
    }
}
