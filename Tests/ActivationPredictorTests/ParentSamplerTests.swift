import ActivationPredictor
import PackedSets
import SeededRandom
import Testing

/// Parents found by counting bits against parents found by looking at every pair and token.
@Suite struct ParentSamplerTests {
    /// The two best of `scores`, ties to the lowest index.
    private func best(_ scores: [Double]) -> [UInt16] {
        scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(2).map(UInt16.init)
    }

    private func modelParents(
        _ tokens: [[[PackedSet]]], layer: Int, block: Int, measure: ParentMeasure,
        minimumSupport: Int
    ) -> [UInt16] {
        let children = tokens.map { $0[layer][block] }
        let below = tokens.map { $0[layer - 1][block] }
        let neuronCount = children.first?.elementCount ?? 0
        return (0..<neuronCount).flatMap { child in
            best(
                (0..<neuronCount).map { parent in
                    let belowCount = below.count { $0.contains(parent) }
                    guard belowCount >= max(minimumSupport, 1) else { return 0 }
                    let pairs = zip(children, below)
                    let both = pairs.count { $0.contains(child) && $1.contains(parent) }
                    let either = pairs.count { $0.contains(child) || $1.contains(parent) }
                    return Double(both) / Double(measure == .conditional ? belowCount : either)
                })
        }
    }

    /// Token counts around the 64 of a chunk, and one past the 31 chunks that bytes can count.
    @Test(arguments: [
        (2, 1), (5, 63), (63, 64), (64, 65), (65, 130), (20, 2050),
    ])
    func `Sampled parents are those of every pair counted one by one`(
        neuronCount: Int, tokenCount: Int
    ) {
        let layout = NeuronLayout(layerCount: 3, neuronCounts: [neuronCount, neuronCount + 3])
        let tokens = RandomActivity.tokens(
            tokenCount, layout: layout, seed: UInt64(neuronCount + tokenCount))
        var sampler = ParentSampler(layout: layout)
        for token in tokens { sampler.add(token: token) }
        #expect(sampler.tokenCount == tokenCount)
        for measure in ParentMeasure.allCases {
            for minimumSupport in [1, tokenCount / 2] {
                let table = sampler.table(by: measure, minimumSupport: minimumSupport)
                for block in 0...1 {
                    #expect(table.parents(layer: 0, block: block).isEmpty)
                    for layer in 1...2 {
                        let expected = modelParents(
                            tokens, layer: layer, block: block, measure: measure,
                            minimumSupport: minimumSupport)
                        #expect(table.parents(layer: layer, block: block) == expected)
                    }
                }
            }
        }
    }

    @Test func `Without activity the first two neurons are everyone's parents`() {
        let layout = NeuronLayout(layerCount: 2, neuronCounts: [3])
        let table = ParentSampler(layout: layout).table(by: .jaccard)
        #expect(table.parents(layer: 1, block: 0) == [0, 1, 0, 1, 0, 1])
        #expect(table.byteCount == 12)
    }

    /// Neuron 0 below is active in every token, neuron 1 in one in which the child is active too:
    /// P(child | 1) = 1, but Jaccard prefers neuron 0. With a support of 2 both do.
    @Test func `Jaccard and support keep rare neurons from being perfect parents`() {
        let layout = NeuronLayout(layerCount: 2, neuronCounts: [3])
        var sampler = ParentSampler(layout: layout)
        for token in 0..<4 {
            let below = PackedSet(elementCount: 3, members: token == 0 ? [0, 1] : [0])
            let child = PackedSet(elementCount: 3, members: token < 3 ? [2] : [])
            sampler.add(token: [[below], [child]])
        }
        let conditional = sampler.table(by: .conditional).parents(layer: 1, block: 0)
        #expect(conditional.suffix(2) == [1, 0])
        let jaccard = sampler.table(by: .jaccard).parents(layer: 1, block: 0)
        #expect(jaccard.suffix(2) == [0, 1])
        let supported = sampler.table(by: .conditional, minimumSupport: 2)
        #expect(supported.parents(layer: 1, block: 0).suffix(2) == [0, 1])
    }

    /// (layers, parents of the last layer, the error)
    @Test(
        arguments: [
            ([[[]]], PredictorError.layerCount(1, expected: 2)),
            ([[[]], [[], []]], .blockCount(2, layer: 1, expected: 1)),
            ([[[0]], [[0, 1, 0, 1]]], .parentCount(1, layer: 0, block: 0, expected: 0)),
            ([[[]], [[0, 1, 0]]], .parentCount(3, layer: 1, block: 0, expected: 4)),
            (
                [[[]], [[0, 1, 0, 2]]],
                .parentOutOfRange(2, layer: 1, block: 0, neuron: 1, neuronCount: 2)
            ),
        ] as [([[[UInt16]]], PredictorError)])
    func `A table from outside that does not fit the model is refused`(
        parents: [[[UInt16]]], error: PredictorError
    ) {
        let layout = NeuronLayout(layerCount: 2, neuronCounts: [2])
        #expect(throws: error) { try CorrelationTable(layout: layout, parents: parents) }
        #expect(!error.description.isEmpty)
    }

    @Test func `A table from outside comes back as it was`() throws {
        let layout = NeuronLayout(layerCount: 2, neuronCounts: [2])
        let table = try CorrelationTable(layout: layout, parents: [[[]], [[1, 0, 1, 1]]])
        #expect(table.parents(layer: 1, block: 0) == [1, 0, 1, 1])
    }
}
