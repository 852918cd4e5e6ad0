package import ModelCatalogue
import Quantities
import SeededRandom

/// The fixed part of a model's synthetic activity: how often each neuron fires in the long run and
/// which neurons of the previous layer fire with it. ``ActivitySequence`` is one text's activity.
///
/// The neurons of a block come in pairs with one frequency and, mostly, one value; a pair has its
/// counterpart in every layer. The article Process has the equations.
package struct ActivityProcess: Sendable {
    package let shape: ActivityShape
    package let statistics: ActivityStatistics
    /// The sum of the shape parameters of the frequencies' Beta distribution.
    package let concentration: Double
    let blocks: [BlockProcess]

    /// Finds the distribution of frequencies and deals them to the neurons.
    ///
    /// - Parameter seed: decides which neuron is how frequent and who is whose parent.
    /// - Throws: ``ActivityError`` if the statistics are out of range or contradict each other.
    package init(
        shape: ActivityShape, statistics: ActivityStatistics, seed: UInt64
    ) throws(ActivityError) {
        try statistics.check()
        let mean = statistics.density.doubleValue
        let found = BetaFrequencies.concentration(
            mean: mean, frequentShare: statistics.frequentShare.doubleValue)
        guard let found else {
            throw .frequentShare(statistics.frequentShare, density: statistics.density)
        }
        let distribution = BetaFrequencies(
            mean: mean, concentration: found, cellCount: 4096)
        guard (distribution.mean - mean).magnitude <= mean / 1024 else {
            throw .frequentShare(statistics.frequentShare, density: statistics.density)
        }
        var random = SplitMix64(seed: seed)
        self.shape = shape
        self.statistics = statistics
        concentration = found
        blocks = shape.neuronCounts.map {
            BlockProcess(
                layerCount: shape.layerCount, neuronCount: $0, distribution: distribution,
                using: &random)
        }
    }

    /// How often a neuron is active in the long run, 0 to 1: what profiling many texts tends to.
    package func expectedFrequency(layer: Int, block: Int, neuron: Int) -> Double {
        check(layer: layer, block: block)
        precondition(neuron >= 0 && neuron < shape.neuronCounts[block])
        return blocks[block].expectedFrequency(layer: layer, neuron: neuron)
    }

    /// ``expectedFrequency(layer:block:neuron:)`` of all neurons of a layer's block, [neurons].
    package func expectedFrequencies(layer: Int, block: Int) -> [Double] {
        check(layer: layer, block: block)
        let process = blocks[block]
        return (0..<process.neuronCount).map {
            process.expectedFrequency(layer: layer, neuron: $0)
        }
    }

    /// The neurons of the previous layer's same block that fire with `neuron`: its pair's
    /// counterparts, ascending. None in layer 0; one instead of two where the last pair is
    /// incomplete.
    package func parents(layer: Int, block: Int, neuron: Int) -> [Int] {
        check(layer: layer, block: block)
        precondition(neuron >= 0 && neuron < shape.neuronCounts[block])
        guard layer > 0 else { return [] }
        let process = blocks[block]
        let pair = process.pair(ofNeuron: neuron, layer: layer)
        return [pair, pair + 64 * process.pairWordCount]
            .filter { $0 < process.neuronCount }
            .map { process.order.neuron(ofColumn: $0, layer: layer - 1) }
            .sorted()
    }

    func check(layer: Int, block: Int) {
        precondition(layer >= 0 && layer < shape.layerCount)
        precondition(block >= 0 && block < shape.blockCount)
    }
}

/// The fixed part of one block, the same pairs in every layer.
///
/// In word `w` of columns, `w` below ``pairWordCount``, bit `b` is the first neuron of pair
/// `64 w + b`; the second is the same bit of word `w + pairWordCount`, if there is one.
struct BlockProcess: Sendable {
    let neuronCount: Int
    let pairWordCount: Int
    /// Each pair's frequency times 2³², rounded down and at most 2³² - 1, [pairs].
    let thresholds: [UInt32]
    let order: WordOrder

    init(
        layerCount: Int, neuronCount: Int, distribution: BetaFrequencies,
        using random: inout SplitMix64
    ) {
        self.neuronCount = neuronCount
        order = WordOrder(layerCount: layerCount, neuronCount: neuronCount, using: &random)
        pairWordCount = (order.wordCount + 1) / 2
        let pairCount = min(64 * pairWordCount, neuronCount)
        var thresholds = distribution.stratified(count: pairCount)
            .map { UInt32(min($0 * 0x1p32, 0x1p32 - 1)) }
        shuffle(&thresholds, first: pairCount, using: &random)
        self.thresholds = thresholds
    }

    func pair(ofNeuron neuron: Int, layer: Int) -> Int {
        let column = order.column(ofNeuron: neuron, layer: layer)
        return column < 64 * pairWordCount ? column : column - 64 * pairWordCount
    }

    func expectedFrequency(layer: Int, neuron: Int) -> Double {
        Double(thresholds[pair(ofNeuron: neuron, layer: layer)]) * 0x1p-32
    }
}

extension ActivityProcess {
    /// Two parents for each neuron, as ``parents(layer:block:neuron:)`` names them: neuron `n`'s at
    /// 2n and 2n + 1, the same twice where a pair is incomplete; empty in layer 0.
    package func parentPairs(layer: Int, block: Int) -> [UInt16] {
        check(layer: layer, block: block)
        let process = blocks[block]
        precondition(process.neuronCount <= 1 << 16)
        guard layer > 0 else { return [] }
        let secondColumn = 64 * process.pairWordCount
        var parents: [UInt16] = []
        parents.reserveCapacity(2 * process.neuronCount)
        for neuron in 0..<process.neuronCount {
            let pair = process.pair(ofNeuron: neuron, layer: layer)
            let columns = [pair, pair + secondColumn].map { $0 < process.neuronCount ? $0 : pair }
            for column in columns {
                parents.append(
                    UInt16(process.order.neuron(ofColumn: column, layer: layer - 1)))
            }
        }
        return parents
    }
}

extension ActivityStatistics {
    /// Refuses parameters outside what the process can do.
    fileprivate func check() throws(ActivityError) {
        guard density > .zero, density < .one else { throw .density(density) }
        let spells = 1...Int(UInt16.max)
        guard spells.contains(longestSpell) else { throw .spell(longestSpell) }
        guard spells.contains(longestContext) else { throw .context(longestContext) }
        guard (0...255).contains(upsetsPer256) else { throw .upsets(upsetsPer256) }
    }
}
