/// What a run learns of a neuron that it did not compute.
package enum Feedback: String, CaseIterable, Sendable {
    /// Only computed neurons are observed: a gate that nobody evaluated has no known value. This
    /// is what a system that saves the work can know.
    case observed
    /// Every neuron is observed, whoever paid for it: the assumption of figures that are scored
    /// on recorded activity.
    case full
}

/// What happens to the state of a neuron that was not observed.
package enum UnobservedStates: String, CaseIterable, Sendable {
    /// As if it had been inactive: the paper's rule. With feedback from computed neurons only, a
    /// neuron that is not predicted once can never be seen active again, and recall falls to 0.
    case decremented
    /// Unchanged until the next observation.
    case held
}

/// The constants of the paper's predictor; the defaults are the paper's.
///
/// Source: Liu et al., HPCA 2025, arXiv 2502.16963, section on the lightweight predictor.
package struct PredictorConstants: Equatable, Sendable {
    /// Lambda: what one active parent adds to the state.
    package let correlationWeight: Int
    /// T: predicted active when state + lambda × active parents is above.
    package let activeThreshold: Int
    /// T_h: hot, and token-only predicted active, when the state is above.
    package let hotThreshold: Int
    /// Added to the state of a neuron that was active, up to 15.
    package let gain: Int
    /// Taken from the state of one that was not, down to 0.
    package let decay: Int
    package let unobserved: UnobservedStates

    package static let paper = PredictorConstants(
        uncheckedWeight: 6, activeThreshold: 15, hotThreshold: 10, gain: 4, decay: 1,
        unobserved: .decremented)

    /// What keeps the loop alive when only computed neurons are observed: a lower T, and states
    /// held while a neuron is not computed. Needs parents by ``ParentMeasure/jaccard``.
    package static let closedLoop = PredictorConstants(
        uncheckedWeight: 6, activeThreshold: 9, hotThreshold: 10, gain: 4, decay: 1,
        unobserved: .held)

    /// - Throws: `constantOutOfRange` for what 4-bit states cannot express.
    package init(
        correlationWeight: Int = 6, activeThreshold: Int = 15, hotThreshold: Int = 10,
        gain: Int = 4, decay: Int = 1, unobserved: UnobservedStates = .decremented
    ) throws(PredictorError) {
        let state = 0...NeuronStateTable.maximumState
        try Self.check("lambda", correlationWeight, state)
        try Self.check("T", activeThreshold, 0...3 * NeuronStateTable.maximumState)
        try Self.check("T_h", hotThreshold, state)
        try Self.check("gain", gain, state)
        try Self.check("decay", decay, state)
        self.init(
            uncheckedWeight: correlationWeight, activeThreshold: activeThreshold,
            hotThreshold: hotThreshold, gain: gain, decay: decay, unobserved: unobserved)
    }

    private init(
        uncheckedWeight: Int, activeThreshold: Int, hotThreshold: Int, gain: Int, decay: Int,
        unobserved: UnobservedStates
    ) {
        correlationWeight = uncheckedWeight
        self.activeThreshold = activeThreshold
        self.hotThreshold = hotThreshold
        self.gain = gain
        self.decay = decay
        self.unobserved = unobserved
    }

    private static func check(
        _ name: String, _ value: Int, _ allowed: ClosedRange<Int>
    ) throws(PredictorError) {
        guard allowed.contains(value) else {
            throw .constantOutOfRange(name: name, value: value, allowed: allowed)
        }
    }
}
