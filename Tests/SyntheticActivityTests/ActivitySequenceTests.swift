import ModelCatalogue
import PackedSets
import Quantities
import SyntheticActivity
import Testing

/// The sequences: their bits, their frequencies, and the extremes of each parameter.
@Suite struct ActivitySequenceTests {
    private func process(
        neuronCounts: [Int] = [4096], layerCount: Int = 2, contextShare: UInt64 = 700_000,
        spell: Int = 8, context: Int = 1024, upsets: Int = 24
    ) throws -> ActivityProcess {
        try ActivityProcess(
            shape: ActivityShape(layerCount: layerCount, neuronCounts: neuronCounts),
            statistics: ActivityStatistics(
                density: Proportion(millionths: 190_000),
                frequentShare: Proportion(millionths: 430_000),
                contextShare: Proportion(millionths: contextShare), longestSpell: spell,
                longestContext: context, upsetsPer256: upsets),
            seed: 11)
    }

    /// FNV-1a over all words of all sets of the first tokens.
    private func hash(_ sequence: ActivitySequence, tokenCount: Int) -> UInt64 {
        var sequence = sequence
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for _ in 0..<tokenCount {
            for block in 0..<sequence.process.shape.blockCount {
                for layer in 0..<sequence.process.shape.layerCount {
                    for word in sequence.activeNeurons(layer: layer, block: block).words {
                        hash = (hash ^ word) &* 0x100_0000_01B3
                    }
                }
            }
            sequence.advance()
        }
        return hash
    }

    @Test(arguments: [
        (ModelFamily.opt, 7_604_000_284_532_575_579 as UInt64),
        (.llama2, 11_857_722_003_508_335_906), (.falcon, 12_420_110_075_824_615_083),
    ])
    func `A seed gives the same bits on every machine`(
        family: ModelFamily, golden: UInt64
    ) throws {
        let process = try ActivityProcess(
            shape: ActivityShape(layerCount: 3, neuronCounts: [200, 1024]),
            statistics: family.statistics(), seed: 7)
        #expect(hash(ActivitySequence(process: process, seed: 8), tokenCount: 100) == golden)
        #expect(hash(ActivitySequence(process: process, seed: 9), tokenCount: 100) != golden)
    }

    @Test func `Blocks and sequences are independent of who looks at them`() throws {
        let process = try process(neuronCounts: [64, 130])
        var sequence = ActivitySequence(process: process, seed: 1)
        #expect(sequence.token == 0)
        for _ in 0..<5 { sequence.advance() }
        var copy = sequence
        let before = sequence.activeNeurons(layer: 1, block: 1)
        for _ in 0..<20 { sequence.advance() }
        #expect(copy.token == 5)
        #expect(copy.activeNeurons(layer: 1, block: 1) == before)
        for _ in 0..<20 { copy.advance() }
        #expect(copy.token == 25)
        for layer in 0..<2 {
            for block in 0..<2 {
                #expect(
                    copy.activeNeurons(layer: layer, block: block)
                        == sequence.activeNeurons(layer: layer, block: block))
            }
        }
    }

    @Test(arguments: ActivityProcessTests.neuronCounts)
    func `Any number of neurons has activity of its own length`(neuronCount: Int) throws {
        let process = try process(neuronCounts: [neuronCount], layerCount: 3, spell: 1)
        var sequence = ActivitySequence(process: process, seed: 3)
        var seen = (0..<3).map { _ in PackedSet(elementCount: neuronCount) }
        for _ in 0..<400 {
            for layer in 0..<3 {
                let active = sequence.activeNeurons(layer: layer, block: 0)
                if active.elementCount != neuronCount { Issue.record("\(active.elementCount)") }
                seen[layer].formUnion(active)
            }
            sequence.advance()
        }
        // Whoever is active in over 5 % of the tokens is seen, unless a context kept it away.
        for layer in 0..<3 {
            let frequencies = process.expectedFrequencies(layer: layer, block: 0)
            let frequent = frequencies.indices.filter { frequencies[$0] > 0.05 }
            let missed = frequent.filter { !seen[layer].contains($0) }
            #expect(missed.count <= frequent.count / 20, "\(missed)")
        }
    }

    /// 1 000 texts; a count is off by over 5.5 standard deviations once in 26 million.
    @Test(arguments: [0, 20])
    func `Every neuron fires as often as expected, at the start and later`(token: Int) throws {
        let textCount = 1000
        let process = try process(neuronCounts: [1000])
        var counts = [[Int]](repeating: Array(repeating: 0, count: 1000), count: 2)
        for seed in 0..<textCount {
            var sequence = ActivitySequence(process: process, seed: UInt64(seed))
            for _ in 0..<token { sequence.advance() }
            for layer in 0..<2 {
                sequence.activeNeurons(layer: layer, block: 0).forEachMember {
                    counts[layer][$0] += 1
                }
            }
        }
        for layer in 0..<2 {
            let expected = process.expectedFrequencies(layer: layer, block: 0)
            for neuron in 0..<1000 {
                let p = expected[neuron]
                let mean = p * Double(textCount)
                let deviation = (mean * (1 - p)).squareRoot()
                if abs(Double(counts[layer][neuron]) - mean) > 5.5 * deviation + 3 {
                    Issue.record("\(layer), \(neuron): \(counts[layer][neuron]) of \(mean)")
                }
            }
        }
    }

    @Test func `The first tokens resemble each other as much as later ones`() throws {
        let process = try process(neuronCounts: [65_536], layerCount: 1)
        var first = 0.0
        var later = 0.0
        for seed in 0..<10 {
            let history = Measurement.history(process, tokenCount: 60, seed: UInt64(seed))
            first += Measurement.similarity(Array(history[..<6]), at: 5) / 10
            later += Measurement.similarity(Array(history[54...]), at: 5) / 10
        }
        #expect(abs(first - later) < 0.005)
    }

    /// Then only frequencies make tokens similar: E[p²] / E[p].
    @Test func `Spells of one token without context leave what frequencies explain`() throws {
        let process = try process(neuronCounts: [65_536], contextShare: 0, spell: 1)
        let history = Measurement.history(process, tokenCount: 60, seed: 1)
        let frequencies = process.expectedFrequencies(layer: 0, block: 0)
        let expected =
            frequencies.reduce(0) { $0 + $1 * $1 } / frequencies.reduce(0, +)
        for distance in [1, 2, 10, 50] {
            #expect(abs(Measurement.similarity(history, at: distance) - expected) < 0.01)
        }
    }

    /// S(d) of the article: spells of 1 to 4 tokens are over after 1 in 2/5 of the cases, after 2
    /// in 7/10; contexts outlast the test.
    @Test func `Similarity follows the equation`() throws {
        let process = try process(
            neuronCounts: [262_144], layerCount: 1, contextShare: 500_000, spell: 4,
            context: 65_535)
        let history = Measurement.history(process, tokenCount: 150, seed: 2)
        let frequencies = process.expectedFrequencies(layer: 0, block: 0)
        let alone = frequencies.reduce(0) { $0 + $1 * $1 } / frequencies.reduce(0, +)
        for (distance, ended) in [(1, 0.4), (2, 0.7), (3, 0.9), (4, 1.0), (8, 1.0)] {
            let correlation = 1 - ended + ended * 0.25
            let expected = alone + (1 - alone) * correlation
            let measured = Measurement.similarity(history, at: distance)
            #expect(abs(measured - expected) < 0.006, "\(distance): \(measured), \(expected)")
        }
    }

    @Test func `With context alone a value lasts as long as its context`() throws {
        let process = try process(contextShare: 1_000_000, spell: 1, context: 1)
        let lasting = try self.process(contextShare: 1_000_000, spell: 1, context: 65_535)
        let brief = Measurement.history(process, tokenCount: 2, seed: 1)
        let long = Measurement.history(lasting, tokenCount: 2, seed: 1)
        #expect(Measurement.similarity(brief, at: 1) < 0.45)
        #expect(Measurement.similarity(long, at: 1) > 0.99)
    }

    @Test func `Without upsets a child does what its parents do`() throws {
        let process = try process(neuronCounts: [1000], layerCount: 4, upsets: 0)
        var sequence = ActivitySequence(process: process, seed: 1)
        for token in 0..<50 {
            for layer in 1..<4 {
                let parentsActive = sequence.activeNeurons(layer: layer - 1, block: 0)
                let active = sequence.activeNeurons(layer: layer, block: 0)
                for neuron in 0..<1000 {
                    for parent in process.parents(layer: layer, block: 0, neuron: neuron)
                    where parentsActive.contains(parent) != active.contains(neuron) {
                        Issue.record("token \(token), layer \(layer): \(neuron), \(parent)")
                    }
                }
            }
            sequence.advance()
        }
    }

    /// Half of the pairs are upset in each layer. Child and parent share a draw if the child's
    /// layer neither breaks the link (1/4) nor lets the child part (1/8), and the parent had not
    /// parted (1/8): 5/8 x 7/8, the same for both children and both parents.
    @Test func `Upsets part all four links of two pairs equally often`() throws {
        let tokenCount = 8000
        let process = try process(
            neuronCounts: [1024], contextShare: 0, spell: 1, context: 1, upsets: 128)
        let frequencies = process.expectedFrequencies(layer: 1, block: 0)
        let children = frequencies.indices.filter { (0.3...0.7).contains(frequencies[$0]) }
        let parents = children.map { process.parents(layer: 1, block: 0, neuron: $0) }
        var together = parents.map { $0.map { _ in 0 } }
        var sequence = ActivitySequence(process: process, seed: 6)
        for _ in 0..<tokenCount {
            let above = sequence.activeNeurons(layer: 0, block: 0)
            let active = sequence.activeNeurons(layer: 1, block: 0)
            for (index, child) in children.enumerated() where active.contains(child) {
                for (link, parent) in parents[index].enumerated() where above.contains(parent) {
                    together[index][link] += 1
                }
            }
            sequence.advance()
        }
        #expect(children.count > 150)
        var mean = 0.0
        for (index, child) in children.enumerated() {
            let p = frequencies[child]
            for count in together[index] {
                let both = Double(count) / Double(tokenCount)
                let correlation = (both - p * p) / (p * (1 - p))
                mean += correlation / Double(2 * children.count)
                if abs(correlation - 35 / 64) > 0.12 { Issue.record("\(child): \(correlation)") }
            }
        }
        #expect(abs(mean - 35 / 64) < 0.01, "\(mean)")
    }
}
