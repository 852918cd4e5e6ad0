package import PackedSets

/// The paper's predictor, whole and in parts: from a neuron's own recent activity (its state s1)
/// and from how many of its two parents are active at this token (s2).
///
/// Source: Liu et al., HPCA 2025, arXiv 2502.16963.
package struct StatePredictor: ActivityPredictor {
    package enum Rule: String, CaseIterable, Sendable {
        /// s1 + lambda × s2 > T: the paper's.
        case combined
        /// s1 > T_h.
        case tokenOnly
        /// Both parents active.
        case layerOnly
    }

    /// What is computed of the first layer, whose neurons have no parents.
    package enum FirstLayer: String, CaseIterable, Sendable {
        /// All: s1 + lambda × s2 > T cannot hold where s2 is always 0, and nothing may be missed.
        case full
        /// s1 > T_h, as by the token-only rule; a rule without states computes all.
        case byState = "by-state"
    }

    package let name: String
    package let layout: NeuronLayout
    package let rule: Rule
    package let firstLayer: FirstLayer
    package let constants: PredictorConstants
    private let correlations: CorrelationTable?
    /// Nil under `layerOnly`, which needs none. Whoever decides what is hot reads them too.
    package private(set) var states: NeuronStates?
    /// Who is active below, for the look-up of parents.
    private var below: FlagBytes

    /// - Parameter correlations: needed by every rule but `tokenOnly`; of the same layout.
    package init(
        name: String, layout: NeuronLayout, rule: Rule, constants: PredictorConstants = .paper,
        correlations: CorrelationTable? = nil, firstLayer: FirstLayer = .full
    ) {
        precondition(rule == .tokenOnly || correlations != nil)
        precondition(correlations == nil || correlations?.layout == layout)
        self.name = name
        self.layout = layout
        self.rule = rule
        self.firstLayer = firstLayer
        self.constants = constants
        self.correlations = rule == .tokenOnly ? nil : correlations
        states = rule == .layerOnly ? nil : NeuronStates(layout: layout, constants: constants)
        below = FlagBytes(elementCount: layout.neuronCounts.max() ?? 0)
    }

    /// States and parents.
    package var byteCount: Int { (states?.byteCount ?? 0) + (correlations?.byteCount ?? 0) }

    package mutating func beginDecode(after prefill: PrefillActivity) {
        precondition(prefill.layout == layout)
        states?.beginDecode(after: prefill)
    }

    package mutating func predict(
        layer: Int, block: Int, parents: PackedSet?, truth: PackedSet?,
        into predicted: inout PackedSet
    ) {
        precondition(predicted.elementCount == layout.neuronCounts[block])
        // Whatever the rule, the first layer is treated alike: all three then differ in the same
        // layers only.
        guard let parents, layer > 0 else {
            predictFirst(layer: layer, block: block, into: &predicted)
            return
        }
        precondition(parents.elementCount == layout.neuronCounts[block])
        let table = states?.table(layer: layer, block: block)
        let children = correlations?.parents(layer: layer, block: block)
        if children != nil { below.load(parents.words) }
        switch (rule, table, children) {
        case (.combined, let table?, let children?):
            predictCombined(table, children, into: &predicted)
        case (.tokenOnly, let table?, _):
            predictHot(table, into: &predicted)
        case (.layerOnly, _, let children?):
            var words = predicted.words
            for index in words.indices {
                words[index] =
                    ParentLookup.word(
                        firstChild: 64 * index, parents: children.span,
                        isActive: below.bytes.span
                    ).both
            }
            predicted.setWords(words)
        default: preconditionFailure("a \(rule) predictor was made without what it reads")
        }
    }

    private func predictFirst(layer: Int, block: Int, into predicted: inout PackedSet) {
        guard firstLayer == .byState, let states else { return predicted.insertAll() }
        predictHot(states.table(layer: layer, block: block), into: &predicted)
    }

    private func predictHot(_ table: NeuronStateTable, into predicted: inout PackedSet) {
        predicted = table.neurons(above: constants.hotThreshold)
    }

    /// s1 + lambda s2 > T is: above T alone, or above T - lambda with a parent active, or above
    /// T - 2 lambda with both.
    private func predictCombined(
        _ states: NeuronStateTable, _ parents: [UInt16], into predicted: inout PackedSet
    ) {
        let weight = constants.correlationWeight
        let alone = Threshold(constants.activeThreshold)
        let withOne = Threshold(constants.activeThreshold - weight)
        let withBoth = Threshold(constants.activeThreshold - 2 * weight)
        let (parents, isActive) = (parents.span, below.bytes.span)
        var words = predicted.words
        for index in words.indices {
            let everyone = predicted.fullWord(at: index)
            let alone = alone.word(of: states, at: index, everyone: everyone)
            let withBoth = withBoth.word(of: states, at: index, everyone: everyone)
            // Parents decide about the others alone.
            let undecided = withBoth & ~alone
            var word = alone
            if undecided != 0 {
                let withOne = withOne.word(of: states, at: index, everyone: everyone)
                let active = ParentLookup.word(
                    firstChild: 64 &* index, parents: parents, isActive: isActive,
                    of: undecided)
                word |= withOne & active.any | withBoth & active.both
            }
            words[index] = word
        }
        predicted.setWords(words)
    }

    package mutating func observe(
        layer: Int, block: Int, active: PackedSet, observed: PackedSet?
    ) {
        states?.observe(layer: layer, block: block, active: active, observed: observed)
    }
}

/// What a state must be above, below 0 and beyond the highest state, too: then everyone is, or
/// nobody.
private enum Threshold {
    case everyone
    case nobody
    case above(StatePlanes.Constant)

    init(_ value: Int) {
        if value < 0 {
            self = .everyone
        } else if value >= NeuronStateTable.maximumState {
            self = .nobody
        } else {
            self = .above(StatePlanes.Constant(value))
        }
    }

    @inline(__always)
    func word(of states: NeuronStateTable, at index: Int, everyone: UInt64) -> UInt64 {
        switch self {
        case .everyone: everyone
        case .nobody: 0
        case .above(let threshold): states.word(above: threshold, at: index)
        }
    }
}
