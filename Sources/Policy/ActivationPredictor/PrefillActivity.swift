package import PackedSets

/// What the prompt showed: how often each neuron was active, and who was in its last token.
///
/// Filled layer by layer, so that it fits a prefill that takes all tokens through one layer
/// before the next, as well as a recorded trace, token by token.
package struct PrefillActivity: Equatable, Sendable {
    package let layout: NeuronLayout
    private var counts: [[MembershipCounts]]  // [layers][blocks]
    private var tokenCounts: [[Int]]  // [layers][blocks]
    private var latest: [[PackedSet]]  // [layers][blocks]

    /// No token seen yet.
    package init(layout: NeuronLayout) {
        self.layout = layout
        counts = layout.map { _, block in
            MembershipCounts(elementCount: layout.neuronCounts[block])
        }
        tokenCounts = layout.map { _, _ in 0 }
        latest = layout.map { _, block in PackedSet(elementCount: layout.neuronCounts[block]) }
    }

    /// What `tokenCount` tokens showed, already counted; who was in the last one is not known.
    ///
    /// - Parameter counts: [layers][blocks][neurons].
    package init(layout: NeuronLayout, counts: [[[UInt32]]], tokenCount: Int) {
        self.init(layout: layout)
        precondition(counts.count == layout.layerCount)
        precondition(counts.allSatisfy { $0.map(\.count) == layout.neuronCounts })
        precondition(counts.joined().joined().allSatisfy { $0 <= tokenCount })
        self.counts = counts.map { $0.map { MembershipCounts($0) } }
        tokenCounts = layout.map { _, _ in tokenCount }
    }

    /// Adds the next token's active neurons of one block.
    package mutating func add(_ active: PackedSet, layer: Int, block: Int) {
        precondition(active.elementCount == layout.neuronCounts[block])
        counts[layer][block].add(active)
        tokenCounts[layer][block] += 1
        latest[layer][block] = active
    }

    /// Adds a whole token, [layers][blocks].
    package mutating func add(token: [[PackedSet]]) {
        precondition(token.count == layout.layerCount)
        for (layer, blocks) in token.enumerated() {
            precondition(blocks.count == layout.blockCount)
            for (block, active) in blocks.enumerated() { add(active, layer: layer, block: block) }
        }
    }

    /// In how many tokens each neuron was active, [neurons].
    package func activeCounts(layer: Int, block: Int) -> [UInt32] {
        counts[layer][block].values
    }

    package func tokenCount(layer: Int, block: Int) -> Int { tokenCounts[layer][block] }

    /// Active in the last token added; nobody before the first.
    package func lastActive(layer: Int, block: Int) -> PackedSet { latest[layer][block] }
}
