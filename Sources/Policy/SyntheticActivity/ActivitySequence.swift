package import PackedSets
import SeededRandom

/// The activity of one text, token after token: a set of active neurons per layer and block.
///
/// Starts at token 0 in the stationary state. Equal process and seed, equal bits, on any machine:
/// integer thresholds only. A copy continues on its own from where it was taken.
package struct ActivitySequence: Sendable {
    package let process: ActivityProcess
    /// The token whose activity is shown.
    package private(set) var token = 0
    private var random: SplitMix64
    private var blocks: [BlockSequence]

    package init(process: ActivityProcess, seed: UInt64) {
        self.process = process
        var random = SplitMix64(seed: seed)
        let rules = DrawRules(process.statistics)
        blocks = process.blocks.map {
            BlockSequence(
                $0, layerCount: process.shape.layerCount, rules: rules, using: &random)
        }
        self.random = random
    }

    /// The neurons that the present token activates.
    package func activeNeurons(layer: Int, block: Int) -> PackedSet {
        process.check(layer: layer, block: block)
        return blocks[block].active[layer]
    }

    /// Goes to the next token.
    ///
    /// - Complexity: two words of 64 neurons cost about ten steps of the random generator.
    package mutating func advance() {
        token += 1
        for block in blocks.indices {
            blocks[block].advance(process.blocks[block], using: &random)
        }
    }
}

/// Texts that are decoded together: independent sequences of one process, and their union.
package struct ActivityBatch: Sendable {
    package private(set) var sequences: [ActivitySequence]

    /// - Parameter sequenceCount: the batch, at least 1.
    package init(process: ActivityProcess, sequenceCount: Int, seed: UInt64) {
        precondition(sequenceCount >= 1)
        var seeds = SplitMix64(seed: seed)
        sequences = (0..<sequenceCount).map { _ in
            ActivitySequence(process: process, seed: seeds.next())
        }
    }

    /// The neurons that at least one sequence's present token activates.
    package func activeNeurons(layer: Int, block: Int) -> PackedSet {
        var union = sequences[0].activeNeurons(layer: layer, block: block)
        for sequence in sequences.dropFirst() {
            union.formUnion(sequence.activeNeurons(layer: layer, block: block))
        }
        return union
    }

    /// Goes to the next token in every sequence.
    package mutating func advance() {
        for index in sequences.indices { sequences[index].advance() }
    }
}
