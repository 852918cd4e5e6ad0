import ModelCatalogue
import PackedSets
import Quantities
import SeededRandom

/// The statistics as integers that random words are compared with.
struct DrawRules: Sendable {
    let longestSpell: Int
    let longestContext: Int
    let upsetsPer256: Int
    /// The share of values that repeat the context, times 2³⁰.
    let contextThreshold: UInt64

    init(_ statistics: ActivityStatistics) {
        longestSpell = statistics.longestSpell
        longestContext = statistics.longestContext
        upsetsPer256 = statistics.upsetsPer256
        contextThreshold = statistics.contextShare.roundingDown(1 << 30)
    }
}

/// The state of one block of one sequence.
///
/// A *spell* is how long a pair keeps its values; when it ends, the pair is *refreshed* in all
/// layers: its values are drawn again from its context and frequency.
struct BlockSequence: Sendable {
    /// The present token's active neurons, [layers].
    private(set) var active: [PackedSet]
    private let rules: DrawRules
    /// Tokens until the end of each pair's spell and context, [pairs].
    private var spellRests: [UInt16]
    private var contextRests: [UInt16]
    /// One bit per pair: the context; which pairs this token refreshes; their newest value.
    private var contexts: [UInt64]
    private var refreshed: [UInt64]
    private var values: [UInt64]

    init(
        _ process: BlockProcess, layerCount: Int, rules: DrawRules,
        using random: inout SplitMix64
    ) {
        self.rules = rules
        let pairCount = process.thresholds.count
        active = Array(repeating: PackedSet(elementCount: process.neuronCount), count: layerCount)
        spellRests = (0..<pairCount).map { _ in
            drawRest(ofLongest: rules.longestSpell, using: &random)
        }
        contextRests = (0..<pairCount).map { _ in
            drawRest(ofLongest: rules.longestContext, using: &random)
        }
        contexts = Array(repeating: 0, count: process.pairWordCount)
        refreshed = contexts
        values = contexts
        for pair in 0..<pairCount {
            refreshed[pair / 64] |= 1 << UInt64(pair % 64)
            if drawWord(using: &random) < process.thresholds[pair] {
                contexts[pair / 64] |= 1 << UInt64(pair % 64)
            }
        }
        refresh(process, using: &random)
    }

    mutating func advance(_ process: BlockProcess, using random: inout SplitMix64) {
        endSpells(process, using: &random)
        refresh(process, using: &random)
    }

    /// Counts down spells and contexts; draws anew those that ended.
    private mutating func endSpells(_ process: BlockProcess, using random: inout SplitMix64) {
        for word in refreshed.indices {
            var ended: UInt64 = 0
            var context = contexts[word]
            for pair in 64 * word..<min(64 * word + 64, spellRests.count) {
                let bit: UInt64 = 1 << UInt64(pair % 64)
                spellRests[pair] -= 1
                if spellRests[pair] == 0 {
                    ended |= bit
                    spellRests[pair] = drawLength(upTo: rules.longestSpell, using: &random)
                }
                contextRests[pair] -= 1
                if contextRests[pair] == 0 {
                    contextRests[pair] = drawLength(upTo: rules.longestContext, using: &random)
                    let isSet = drawWord(using: &random) < process.thresholds[pair]
                    context = context & ~bit | (isSet ? bit : 0)
                }
            }
            refreshed[word] = ended
            contexts[word] = context
        }
    }

    /// Draws the refreshed pairs' values, layer after layer.
    private mutating func refresh(_ process: BlockProcess, using random: inout SplitMix64) {
        let thresholds = process.thresholds.span
        for word in values.indices {
            var rest = refreshed[word]
            var value = values[word] & ~rest
            let context = contexts[word]
            while rest != 0 {
                let place = rest.trailingZeroBitCount
                value |=
                    draw(context, place, thresholds[64 &* word &+ place], random.next())
                    &<< UInt64(place)
                rest &= rest &- 1
            }
            values[word] = value
        }
        for layer in active.indices {
            var shown = active[layer].words
            var words = shown.mutableSpan
            for word in values.indices {
                let differences = upset(word: word, thresholds, using: &random)
                let value = values[word]
                show(
                    value ^ differences.first, ofWord: word, pairWord: word, layer, process,
                    in: &words)
                let second = word + process.pairWordCount
                if second < process.order.wordCount {
                    show(
                        value ^ differences.second, ofWord: second, pairWord: word, layer,
                        process, in: &words)
                }
            }
            active[layer].setWords(shown)
        }
    }

    /// Lets some of a word's refreshed pairs part from the previous layer, with a new value.
    ///
    /// - Returns: where the first and where the second neuron differ from their pair's value.
    private mutating func upset(
        word: Int, _ thresholds: Span<UInt32>, using random: inout SplitMix64
    ) -> (first: UInt64, second: UInt64) {
        var rest = refreshed[word] & drawMask(per256: rules.upsetsPer256, using: &random)
        var first: UInt64 = 0
        var second: UInt64 = 0
        var value = values[word]
        let context = contexts[word]
        while rest != 0 {
            let place = rest.trailingZeroBitCount
            let bit = rest & (0 &- rest)
            let drawn: UInt64 = random.next()
            let new = draw(context, place, thresholds[64 &* word &+ place], drawn)
            let changed = (value ^ new &<< UInt64(place)) & bit
            // The draw leaves the two highest bits alone. No branch: it would be mispredicted.
            let isSecond = 0 &- (drawn >> 62 & 1)
            let isAlone = 0 &- (drawn >> 63)
            value ^= changed & ~isAlone
            first |= changed & isAlone & ~isSecond
            second |= changed & isAlone & isSecond
            rest &= rest &- 1
        }
        values[word] = value
        return (first, second)
    }

    /// Writes new values of the refreshed pairs to their neurons in a layer.
    @inline(__always)
    private func show(
        _ newValues: UInt64, ofWord word: Int, pairWord: Int, _ layer: Int,
        _ process: BlockProcess, in shown: inout MutableSpan<UInt64>
    ) {
        let (position, rotation) = process.order.place(ofWord: word, layer: layer)
        var changing = rotatedLeft(refreshed[pairWord], by: rotation)
        let elementsBefore = 64 * position
        if process.neuronCount - elementsBefore < 64 {
            changing &= 1 << UInt64(process.neuronCount - elementsBefore) - 1
        }
        let old = shown[position]
        shown[position] = old ^ ((old ^ rotatedLeft(newValues, by: rotation)) & changing)
    }

    /// A pair's value, 0 or 1, from the lower 62 bits of a random word: its context, or active as
    /// often as its frequency says.
    ///
    /// - Parameters:
    ///   - contexts: of 64 pairs.
    ///   - place: of the pair among them.
    @inline(__always)
    private func draw(
        _ contexts: UInt64, _ place: Int, _ threshold: UInt32, _ random: UInt64
    ) -> UInt64 {
        // No branch: it would be mispredicted.
        let repeats: UInt64 = random >> 32 & (1 << 30 - 1) < rules.contextThreshold ? 1 : 0
        let isFrequent: UInt64 = UInt32(truncatingIfNeeded: random) < threshold ? 1 : 0
        return contexts &>> UInt64(place) & repeats | isFrequent & ~repeats
    }
}
