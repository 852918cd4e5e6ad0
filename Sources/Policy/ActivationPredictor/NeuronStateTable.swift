package import PackedSets

/// The recent activity of the neurons of one block as a number 0...15 each: up when a neuron was
/// active, down when not, and never out of that range.
///
/// Sixteen states share a 64-bit word, neuron `n` in bits 4(n mod 16) and up of word n / 16, and
/// are updated and compared together. A word of a ``PackedSet`` meets four words of states. States
/// past the last neuron stay 0.
package struct NeuronStateTable: Equatable, Sendable {
    package static let maximumState = 15
    /// Words of states that belong to one word of a set.
    private static let wordsPerSetWord = 4

    package let neuronCount: Int
    private var words: [UInt64]

    /// All states 0.
    package init(neuronCount: Int) {
        precondition(neuronCount >= 0)
        self.neuronCount = neuronCount
        let laneCount = StateLanes.laneCount
        words = Array(repeating: 0, count: (neuronCount + laneCount - 1) / laneCount)
    }

    /// Memory of the states: half a byte each, in whole words.
    package var byteCount: Int { 8 * words.count }

    // MARK: One neuron

    package func state(of neuron: Int) -> Int {
        precondition(neuron >= 0 && neuron < neuronCount)
        return Int(words[neuron / 16] >> UInt64(4 * (neuron % 16)) & 15)
    }

    package mutating func setState(_ state: Int, of neuron: Int) {
        precondition(neuron >= 0 && neuron < neuronCount)
        precondition(state >= 0 && state <= Self.maximumState)
        let shift = UInt64(4 * (neuron % 16))
        words[neuron / 16] = words[neuron / 16] & ~(15 << shift) | UInt64(state) << shift
    }

    // MARK: Start

    /// The state after prefill, by the share f of its tokens in which the neuron was active: 0
    /// below 2 %, 15 above 90 %, and 1...14 in equal steps between.
    ///
    /// - Returns: 0 when no token was seen.
    package static func initialState(activeCount: Int, tokenCount: Int) -> Int {
        precondition(activeCount >= 0 && activeCount <= tokenCount)
        guard tokenCount > 0 else { return 0 }
        let share = Double(activeCount) / Double(tokenCount)
        if share < 0.02 { return 0 }
        if share > 0.9 { return maximumState }
        let step = ((share - 0.02) / 0.88 * 14).rounded(.down)
        return min(max(1 + Int(step), 1), maximumState - 1)
    }

    /// Sets every state from how often its neuron was active in `tokenCount` tokens.
    ///
    /// - Parameter activeCounts: [neuronCount].
    package mutating func initialise(activeCounts: [UInt32], tokenCount: Int) {
        precondition(activeCounts.count == neuronCount)
        for index in words.indices { words[index] = 0 }
        for (neuron, count) in activeCounts.enumerated() {
            let state = Self.initialState(activeCount: Int(count), tokenCount: tokenCount)
            words[neuron / 16] |= UInt64(state) << UInt64(4 * (neuron % 16))
        }
    }

    // MARK: All neurons at once

    /// One token: `+gain` for the active, `-decay` for the others, within 0...15.
    ///
    /// - Parameters:
    ///   - active: the neurons known to have been active.
    ///   - observed: the neurons whose states move, active or not; nil moves all.
    package mutating func update(
        active: PackedSet, observed: PackedSet? = nil, gain: Int, decay: Int
    ) {
        precondition(active.elementCount == neuronCount)
        precondition(gain >= 0 && gain <= Self.maximumState)
        precondition(decay >= 0 && decay <= Self.maximumState)
        precondition(observed == nil || observed?.elementCount == neuronCount)
        let activeWords = active.words
        let observedWords = observed?.words
        let gain = UInt64(gain)
        let decay = UInt64(decay)
        for (setIndex, activeWord) in activeWords.enumerated() {
            let observedWord = observedWords?[setIndex] ?? .max
            let risingWord = observedWord & activeWord
            let first = setIndex * Self.wordsPerSetWord
            let end = min(first + Self.wordsPerSetWord, words.count)
            var shift: UInt64 = 0
            for index in first..<end {
                let rising = StateLanes.spread(risingWord &>> shift)
                let moving =
                    observedWords == nil
                    ? StateLanes.lowBits : StateLanes.spread(observedWord &>> shift)
                // At most 15 in each lane: the products do not cross lanes.
                words[index] = StateLanes.subtractSaturating(
                    StateLanes.addSaturating(words[index], rising &* gain),
                    (moving ^ rising) &* decay)
                shift &+= 16
            }
        }
    }

    /// States plus `weight` for each of a neuron's two parents that is active, at most 15: how
    /// strongly own activity and parents together speak for a neuron.
    ///
    /// - Parameters:
    ///   - parents: two per neuron, as in ``CorrelationTable``.
    ///   - below: the active neurons of the layer below; names every parent.
    package func raised(
        by weight: Int, forActiveParents parents: [UInt16], below: PackedSet
    ) -> NeuronStateTable {
        precondition(weight >= 0 && weight <= Self.maximumState)
        precondition(parents.count == 2 * neuronCount)
        var flags = FlagBytes(elementCount: below.elementCount)
        flags.load(below.words)
        var raised = self
        for setIndex in below.words.indices where 64 * setIndex < neuronCount {
            let active = ParentLookup.word(
                firstChild: 64 * setIndex, parents: parents.span, isActive: flags.bytes.span)
            let first = setIndex * Self.wordsPerSetWord
            let end = min(first + Self.wordsPerSetWord, words.count)
            var shift: UInt64 = 0
            for index in first..<end {
                for bits in [active.any, active.both] {
                    raised.words[index] = StateLanes.addSaturating(
                        raised.words[index],
                        StateLanes.spread(bits &>> shift) &* UInt64(weight))
                }
                shift &+= 16
            }
        }
        return raised
    }

    /// The neurons whose state is above `threshold`; all of them when that is negative.
    package func neurons(above threshold: Int) -> PackedSet {
        guard threshold >= 0 else { return .full(elementCount: neuronCount) }
        var set = PackedSet(elementCount: neuronCount)
        for index in set.words.indices {
            set.setWord(word(above: threshold, at: index), at: index)
        }
        return set
    }

    /// The neurons in exactly this state.
    package func neurons(inState state: Int) -> PackedSet {
        var set = neurons(above: state - 1)
        set.subtract(neurons(above: state))
        return set
    }

    /// Word `setIndex` of the set of neurons above `threshold`, which is not negative.
    @inline(__always)
    func word(above threshold: Int, at setIndex: Int) -> UInt64 {
        guard threshold < Self.maximumState else { return 0 }
        let complements = StateLanes.broadcast(Self.maximumState - threshold)
        let first = setIndex * Self.wordsPerSetWord
        let end = min(first + Self.wordsPerSetWord, words.count)
        var word: UInt64 = 0
        var shift: UInt64 = 0
        for index in first..<end {
            let above = StateLanes.above(words[index], complements: complements)
            word |= StateLanes.gather(above) &<< shift
            shift &+= 16
        }
        return word
    }
}
