import ModelCatalogue
import PackedSets
import SyntheticActivity
import Testing

/// Several texts at once.
@Suite struct ActivityBatchTests {
    @Test func `A batch is the union of its sequences, token after token`() throws {
        let process = try Measurement.process(
            .opt, ActivityShape(layerCount: 2, neuronCounts: [100, 300]))
        var batch = ActivityBatch(process: process, sequenceCount: 3, seed: 1)
        for token in 0..<10 {
            #expect(batch.sequences.map(\.token) == [token, token, token])
            for layer in 0..<2 {
                for block in 0..<2 {
                    let sets = batch.sequences.map { $0.activeNeurons(layer: layer, block: block) }
                    let union = Set(sets.flatMap(\.members)).sorted()
                    #expect(batch.activeNeurons(layer: layer, block: block).members == union)
                    #expect(sets[0] != sets[1] && sets[1] != sets[2] && sets[0] != sets[2])
                }
            }
            batch.advance()
        }
    }

    @Test func `A batch of one is one sequence, and a longer one begins with it`() throws {
        let process = try Measurement.process(
            .falcon, ActivityShape(layerCount: 1, neuronCounts: [300]))
        var one = ActivityBatch(process: process, sequenceCount: 1, seed: 4)
        var four = ActivityBatch(process: process, sequenceCount: 4, seed: 4)
        for _ in 0..<5 {
            let alone = one.activeNeurons(layer: 0, block: 0)
            #expect(alone == one.sequences[0].activeNeurons(layer: 0, block: 0))
            #expect(alone == four.sequences[0].activeNeurons(layer: 0, block: 0))
            one.advance()
            four.advance()
        }
    }

    /// Independent texts with common frequencies: the mean of 1 - (1 - p)^b.
    @Test(arguments: ModelFamily.allCases, [2, 16])
    func `The union grows as independent sequences make it grow`(
        family: ModelFamily, sequenceCount: Int
    ) throws {
        let process = try Measurement.process(
            family, ActivityShape(layerCount: 1, neuronCounts: [65_536]))
        let expected = process.expectedFrequencies(layer: 0, block: 0).reduce(0) { sum, p in
            sum + 1 - (0..<sequenceCount).reduce(1) { product, _ in product * (1 - p) }
        }
        var measured = 0.0
        for seed in 0..<4 {
            let batch = ActivityBatch(
                process: process, sequenceCount: sequenceCount, seed: UInt64(seed))
            measured += Double(batch.activeNeurons(layer: 0, block: 0).memberCount) / 4
        }
        #expect(abs(measured / expected - 1) < 0.02)
    }
}
