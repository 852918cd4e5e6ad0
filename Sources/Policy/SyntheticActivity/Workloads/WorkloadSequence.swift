package import PackedSets
import SeededRandom

/// One text's activity under a ``Workload``, token after token.
///
/// Starts at token 0 in the stationary state of its frequencies. Each token a neuron is drawn anew
/// with probability 1 / spell, so that its frequency is that of the law whatever the spell. Equal
/// arguments, equal bits, on any machine. A copy continues on its own from where it was taken.
package struct WorkloadSequence: Sendable {
    package let workload: Workload
    package let shape: ActivityShape
    /// The token whose activity is shown.
    package private(set) var token = 0
    private var random: SplitMix64
    private var blocks: [[WorkloadBlock]]  // [layers][blocks]
    private var aim: (token: Int, thresholds: [[[UInt32]]])?  // [layers][blocks][neurons]

    /// - Precondition: the workload is no trace.
    package init(_ workload: Workload, shape: ActivityShape, seed: UInt64) {
        precondition(workload.kind != .trace)
        self.workload = workload
        self.shape = shape
        var random = SplitMix64(seed: seed)
        let laws = shape.neuronCounts.map { Self.thresholds(workload, neuronCount: $0) }
        blocks = (0..<shape.layerCount).map { _ in
            laws.map { law in
                WorkloadBlock(
                    thresholds: law, clusterCount: Int(workload[.clusters]), using: &random)
            }
        }
        self.random = random
        drawAll()
        updateBurst()
    }

    /// Another text of the same law: equal frequencies, other draws.
    package func parted(seed: UInt64) -> WorkloadSequence {
        var other = self
        other.random = SplitMix64(seed: seed)
        other.drawAll()
        other.updateBurst()
        return other
    }

    /// Each rank's frequency times 2³².
    private static func thresholds(_ workload: Workload, neuronCount: Int) -> [UInt32] {
        let density = workload[.density]
        let frequencies =
            switch workload.kind {
            case .uniform, .hotDIMM, .trace: [Double](repeating: density, count: neuronCount)
            case .zipf, .drift, .bursts:
                ZipfLaw(mean: density, exponent: workload[.exponent], count: neuronCount)
                    .frequencies
            }
        return frequencies.map(threshold)
    }

    private static func threshold(_ frequency: Double) -> UInt32 {
        UInt32(min(max(0, frequency) * 0x1p32, 0x1p32 - 1))
    }

    /// The neurons that the present token activates.
    package func activeNeurons(layer: Int, block: Int) -> PackedSet {
        blocks[layer][block].shown
    }

    /// How often each neuron is drawn active at the present token, bursts left out, [neurons].
    package func expectedFrequencies(layer: Int, block: Int) -> [Double] {
        let shift = shift(block: block)
        return (0..<shape.neuronCounts[block]).map {
            Double(blocks[layer][block].threshold(ofNeuron: $0, shift: shift)) * 0x1p-32
        }
    }

    /// Whether a burst is under way; it ends its period.
    package var isBursting: Bool {
        guard workload.kind == .bursts else { return false }
        let period = Int(workload[.period])
        return token % period >= period - burstLength
    }

    private var burstLength: Int { Int((workload[.duty] * workload[.period]).rounded()) }

    /// For ``Workload/Kind/hotDIMM``: says who is at home where, so that from a token on the chosen
    /// share of the cold activations falls on the chosen DIMM. Others keep the density that makes
    /// the whole what it was; a share that would need more than every neuron of the DIMM active is
    /// cut to that.
    ///
    /// - Parameters:
    ///   - homes: each neuron's DIMM, [layers][blocks][neurons].
    ///   - hot: neurons that the GPU computes, [layers][blocks]; they stay as they are.
    ///   - token: the first after the prompt.
    package mutating func aim(homes: [[[UInt16]]], hot: [[PackedSet]], from token: Int) {
        guard workload.kind == .hotDIMM else { return }
        let dimm = UInt16(workload[.dimm])
        let density = workload[.density]
        let share = workload[.share]
        let thresholds = zip(homes, hot).map { homes, hot in
            zip(homes, hot).map { homes, hot in
                let coldCount = homes.count - hot.memberCount
                let targetCount = homes.indices.count { homes[$0] == dimm && !hot.contains($0) }
                let wanted = density * Double(coldCount)
                let onTarget =
                    targetCount == 0 ? 0 : min(1, share * wanted / Double(targetCount))
                let others = coldCount - targetCount
                let elsewhere =
                    others == 0 ? 0 : (wanted - onTarget * Double(targetCount)) / Double(others)
                return homes.indices.map { neuron in
                    Self.threshold(
                        hot.contains(neuron)
                            ? density : homes[neuron] == dimm ? onTarget : elsewhere)
                }
            }
        }
        aim = (token, thresholds)
    }

    /// Goes to the next token.
    ///
    /// - Complexity: proportional to neurons / spell.
    package mutating func advance() {
        token += 1
        if let aim, aim.token == token {
            for layer in blocks.indices {
                for block in blocks[layer].indices {
                    blocks[layer][block].aimed = aim.thresholds[layer][block]
                }
            }
            drawAll()
            return
        }
        let share = Int((256 / workload[.spell]).rounded())
        for layer in blocks.indices {
            for block in blocks[layer].indices {
                blocks[layer][block].redraw(
                    per256: max(1, share), shift: shift(block: block), using: &random)
            }
        }
        updateBurst()
    }

    /// By how many indices the frequencies have wandered.
    private func shift(block: Int) -> Int {
        guard workload.kind == .drift else { return 0 }
        return Int(Double(token) * workload[.rate] * Double(shape.neuronCounts[block]))
    }

    private mutating func drawAll() {
        for layer in blocks.indices {
            for block in blocks[layer].indices {
                blocks[layer][block].redraw(
                    per256: 256, shift: shift(block: block), using: &random)
            }
        }
    }

    /// Begins a burst on its first token, at a place of its own in every block, and ends it.
    private mutating func updateBurst() {
        guard workload.kind == .bursts else { return }
        let period = Int(workload[.period])
        let begins = isBursting && token % period == period - burstLength
        for layer in blocks.indices {
            for block in blocks[layer].indices {
                if begins {
                    blocks[layer][block].beginBurst(
                        width: workload[.width], level: Self.threshold(workload[.level]),
                        using: &random)
                } else if !isBursting {
                    blocks[layer][block].burst = nil
                }
            }
        }
    }
}

/// One block of one layer.
private struct WorkloadBlock: Sendable {
    private let thresholds: [UInt32]  // by rank
    private let ranks: [UInt32]  // by neuron
    private var active: PackedSet
    /// Neurons that a burst activates beside.
    var burst: PackedSet?
    /// In place of the ranks' thresholds, by neuron.
    var aimed: [UInt32]?

    init(thresholds: [UInt32], clusterCount: Int, using random: inout SplitMix64) {
        self.thresholds = thresholds
        let count = thresholds.count
        let size = max(1, (count + clusterCount - 1) / clusterCount)
        var starts = Array(stride(from: 0, to: count, by: size))
        shuffle(&starts, first: starts.count, using: &random)
        ranks = starts.flatMap { start in
            (start..<min(start + size, count)).map { UInt32($0) }
        }
        active = PackedSet(elementCount: count)
    }

    var shown: PackedSet {
        guard let burst else { return active }
        var both = active
        both.formUnion(burst)
        return both
    }

    /// - Parameter shift: indices by which frequencies have moved up, round the end.
    func threshold(ofNeuron neuron: Int, shift: Int) -> UInt32 {
        if let aimed { return aimed[neuron] }
        let place = (neuron - shift % ranks.count + ranks.count) % ranks.count
        return thresholds[Int(ranks[place])]
    }

    mutating func redraw(per256 share: Int, shift: Int, using random: inout SplitMix64) {
        let count = ranks.count
        for index in active.words.indices {
            var rest = share >= 256 ? UInt64.max : drawMask(per256: share, using: &random)
            if count - 64 * index < 64 { rest &= 1 << UInt64(count - 64 * index) - 1 }
            var word = active.words[index] & ~rest
            while rest != 0 {
                let bit = rest & (0 &- rest)
                let neuron = 64 * index + rest.trailingZeroBitCount
                if drawWord(using: &random) < threshold(ofNeuron: neuron, shift: shift) {
                    word |= bit
                }
                rest &= rest - 1
            }
            active.setWord(word, at: index)
        }
    }

    mutating func beginBurst(width: Double, level: UInt32, using random: inout SplitMix64) {
        let count = ranks.count
        var set = PackedSet(elementCount: count)
        let first = drawIndex(below: count, using: &random)
        for step in 0..<Int(width * Double(count)) where drawWord(using: &random) < level {
            set.insert((first + step) % count)
        }
        burst = set
    }
}

/// Frequencies that fall with a power of the rank: min(1, c / rank^exponent), with c so that their
/// mean is a given one.
struct ZipfLaw {
    /// By rank, from the most frequent.
    let frequencies: [Double]

    init(mean: Double, exponent: Double, count: Int) {
        let weights = (0..<count).map { power(1 / Double($0 + 1), exponent) }
        let target = mean * Double(count)
        func total(_ factor: Double) -> Double {
            weights.reduce(0) { $0 + min(1, factor * $1) }
        }
        var low = 0.0
        var high = 1 / (weights.last ?? 1)  // all are 1 there
        for _ in 0..<64 {
            let middle = (low + high) / 2
            if total(middle) < target { low = middle } else { high = middle }
        }
        frequencies = weights.map { min(1, high * $0) }
    }
}
