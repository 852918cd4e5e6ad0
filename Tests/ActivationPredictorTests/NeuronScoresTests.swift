import ActivationPredictor
import PackedSets
import SeededRandom
import Testing

/// Scores bit by bit against one number a neuron.
@Suite struct NeuronScoresTests {
    private struct Drawn {
        var states: [[Int]]  // [sequences][neurons]
        var tables: [NeuronStateTable]

        init(_ sequenceCount: Int, _ neuronCount: Int, using random: inout SplitMix64) {
            states = (0..<sequenceCount).map { _ in
                (0..<neuronCount).map { _ in Int.random(in: 0...15, using: &random) }
            }
            tables = states.map { states in
                var table = NeuronStateTable(neuronCount: states.count)
                for (neuron, state) in states.enumerated() { table.setState(state, of: neuron) }
                return table
            }
        }

        func sum(_ neuron: Int) -> Int { states.reduce(0) { $0 + $1[neuron] } }
    }

    /// 130 sequences: their parents' counts need more than a byte together.
    @Test(arguments: [(1, 70), (3, 64), (16, 129), (130, 65)])
    func `Sums, order and ties are those of a plain model`(
        sequenceCount: Int, neuronCount: Int
    ) {
        var random = SplitMix64(seed: UInt64(sequenceCount))
        let drawn = Drawn(sequenceCount, neuronCount, using: &random)
        let preferred = Drawn(sequenceCount, neuronCount, using: &random)
        let parents = (0..<2 * neuronCount).map { _ in
            UInt16(Int.random(in: 0..<neuronCount, using: &random))
        }
        let below = (0..<sequenceCount).map { _ in
            RandomActivity.set(elementCount: neuronCount, using: &random)
        }
        var scores = NeuronScores(preferring: preferred.tables, largest: 15 + 2 * 6)
        for table in drawn.tables { scores.add(table) }
        scores.add(6, forActiveParents: parents, below: below)
        let model = (0..<neuronCount).map { neuron in
            let active = below.reduce(0) { count, set in
                count
                    + [parents[2 * neuron], parents[2 * neuron + 1]]
                    .count { set.contains(Int($0)) }
            }
            return drawn.sum(neuron) + 6 * active
        }
        #expect((0..<neuronCount).map { scores.score(of: $0) } == model)
        for threshold in [0, 10, model[0], model.max() ?? 0, 1 << 20] {
            let above = model.indices.filter { model[$0] > threshold }
            #expect(scores.neurons(above: threshold).members == above)
        }
        let some = RandomActivity.set(elementCount: neuronCount, using: &random)
        let ranks = model.indices.map { (model[$0], preferred.sum($0)) }
        let rising = some.members.sorted {
            (ranks[$0].0, ranks[$0].1, $0) < (ranks[$1].0, ranks[$1].1, $1)
        }
        let falling = some.members.sorted {
            (ranks[$1].0, ranks[$1].1, $0) < (ranks[$0].0, ranks[$0].1, $1)
        }
        for count in [0, 1, 7, some.memberCount, neuronCount] {
            #expect(scores.lowest(count, of: some) == Array(rising.prefix(count)))
            #expect(scores.highest(count, of: some) == Array(falling.prefix(count)))
        }
    }

    @Test func `Between equals the lowest index comes first`() {
        let scores = NeuronScores(neuronCount: 200, largest: 15)
        let all = PackedSet.full(elementCount: 200)
        #expect(scores.highest(3, of: all) == [0, 1, 2])
        #expect(scores.lowest(3, of: all) == [0, 1, 2])
        #expect(scores.neurons(above: 0).isEmpty)
    }

    @Test func `A score beyond what was announced is a broken contract`() async {
        await #expect(processExitsWith: .failure) {
            var states = NeuronStateTable(neuronCount: 1)
            states.setState(15, of: 0)
            var scores = NeuronScores(neuronCount: 1, largest: 0)
            scores.add(states)
        }
        await #expect(processExitsWith: .failure) {
            var states = NeuronStateTable(neuronCount: 1)
            states.setState(15, of: 0)
            var scores = NeuronScores(neuronCount: 1, largest: 15)
            scores.add(states)
            scores.add(states)
        }
    }
}
