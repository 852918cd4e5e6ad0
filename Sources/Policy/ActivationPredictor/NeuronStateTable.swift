package import PackedSets

/// The recent activity of the neurons of one block as a number 0...15 each: up when a neuron was
/// active, down when not, and never out of that range.
///
/// The states of 64 neurons are four words, one for each bit of theirs, and are updated and
/// compared together: words 4w to 4w + 3 belong to word `w` of a ``PackedSet``. States past the
/// last neuron stay 0.
package struct NeuronStateTable: Equatable, Sendable {
    package static let maximumState = 15

    package let neuronCount: Int
    private var words: [UInt64]

    /// All states 0.
    package init(neuronCount: Int) {
        precondition(neuronCount >= 0)
        self.neuronCount = neuronCount
        let setWordCount = PackedSet.wordCount(elementCount: neuronCount)
        words = Array(repeating: 0, count: StatePlanes.count * setWordCount)
    }

    /// Memory of the states: half a byte each, 64 at a time.
    package var byteCount: Int { 8 * words.count }

    // MARK: One neuron

    package func state(of neuron: Int) -> Int {
        precondition(neuron >= 0 && neuron < neuronCount)
        let first = StatePlanes.count * (neuron / 64)
        return (0..<StatePlanes.count).reduce(0) {
            $0 | Int(words[first + $1] >> UInt64(neuron % 64) & 1) << $1
        }
    }

    package mutating func setState(_ state: Int, of neuron: Int) {
        precondition(neuron >= 0 && neuron < neuronCount)
        precondition(state >= 0 && state <= Self.maximumState)
        let first = StatePlanes.count * (neuron / 64)
        let bit: UInt64 = 1 << UInt64(neuron % 64)
        for plane in 0..<StatePlanes.count {
            let isSet = state >> plane & 1 == 1
            words[first + plane] = words[first + plane] & ~bit | (isSet ? bit : 0)
        }
    }

    /// The states of the neurons of word `setIndex` of a set.
    @inline(__always)
    func planes(at setIndex: Int) -> StatePlanes {
        let first = StatePlanes.count &* setIndex
        return StatePlanes(
            plane0: words[first], plane1: words[first &+ 1], plane2: words[first &+ 2],
            plane3: words[first &+ 3])
    }

    @inline(__always)
    private mutating func setPlanes(_ planes: StatePlanes, at setIndex: Int) {
        let first = StatePlanes.count &* setIndex
        words[first] = planes.plane0
        words[first &+ 1] = planes.plane1
        words[first &+ 2] = planes.plane2
        words[first &+ 3] = planes.plane3
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
        let states = (0...tokenCount).map {
            UInt64(Self.initialState(activeCount: $0, tokenCount: tokenCount))
        }
        for first in stride(from: 0, to: neuronCount, by: 64) {
            var planes = StatePlanes(plane0: 0, plane1: 0, plane2: 0, plane3: 0)
            for neuron in first..<min(first + 64, neuronCount) {
                let state = states[Int(activeCounts[neuron])]
                let bit = UInt64(neuron - first)
                planes.plane0 |= (state & 1) &<< bit
                planes.plane1 |= (state &>> 1 & 1) &<< bit
                planes.plane2 |= (state &>> 2 & 1) &<< bit
                planes.plane3 |= (state &>> 3) &<< bit
            }
            setPlanes(planes, at: first / 64)
        }
    }

    /// The states after a prompt, of one block's neurons.
    package init(after prefill: PrefillActivity, layer: Int, block: Int) {
        self.init(neuronCount: prefill.layout.neuronCounts[block])
        initialise(
            activeCounts: prefill.activeCounts(layer: layer, block: block),
            tokenCount: prefill.tokenCount(layer: layer, block: block))
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
        let gain = StatePlanes.Constant(gain)
        let decay = StatePlanes.Constant(decay)
        for (index, activeWord) in activeWords.enumerated() {
            let observedWord = observedWords?[index] ?? .max
            var planes = planes(at: index)
            planes.add(gain, where: observedWord & activeWord)
            planes.subtract(decay, where: observedWord & ~activeWord)
            setPlanes(planes, at: index)
        }
    }

    /// The neurons whose state is above `threshold`; all of them when that is negative.
    package func neurons(above threshold: Int) -> PackedSet {
        guard threshold >= 0 else { return .full(elementCount: neuronCount) }
        var set = PackedSet(elementCount: neuronCount)
        guard threshold < Self.maximumState else { return set }
        let threshold = StatePlanes.Constant(threshold)
        var above = set.words
        for index in above.indices { above[index] = planes(at: index).above(threshold) }
        set.setWords(above)
        return set
    }

    /// The neurons in exactly this state.
    package func neurons(inState state: Int) -> PackedSet {
        var set = neurons(above: state - 1)
        set.subtract(neurons(above: state))
        return set
    }

    /// Word `setIndex` of the set of neurons above `threshold`.
    @inline(__always)
    func word(above threshold: StatePlanes.Constant, at setIndex: Int) -> UInt64 {
        planes(at: setIndex).above(threshold)
    }
}
