package import PackedSets

/// Says, before a block is computed, which of its neurons will be active.
///
/// One value serves one sequence of tokens: ``beginDecode(after:)`` once, then for every token
/// ``beginToken()`` and, layer by layer, ``predict(layer:block:parents:truth:into:)`` followed by
/// ``observe(layer:block:active:observed:)``. Implementations are values: a copy goes its own way.
/// They are pure, so equal calls give equal answers.
package protocol ActivityPredictor: Sendable {
    /// What reports call it.
    var name: String { get }

    /// Whether predictions need the very activity that they predict. Only bounds do; who has no
    /// means to know the truth beforehand must not offer such a predictor.
    var needsTruth: Bool { get }

    /// Memory of its tables.
    var byteCount: Int { get }

    /// The prompt is through: sets the tables to what it showed.
    mutating func beginDecode(after prefill: PrefillActivity)

    /// A new token begins.
    mutating func beginToken()

    /// Overwrites `predicted` with the neurons that should be computed.
    ///
    /// - Parameters:
    ///   - parents: who is known to be active at this token in the same block of the layer below;
    ///     nil in layer 0. A predictor that reads parents answers all neurons there.
    ///   - truth: nil unless ``needsTruth``.
    mutating func predict(
        layer: Int, block: Int, parents: PackedSet?, truth: PackedSet?,
        into predicted: inout PackedSet)

    /// What came of it.
    ///
    /// - Parameters:
    ///   - active: the neurons known to have been active.
    ///   - observed: the neurons of which it is known whether they were; nil for all. `active` is
    ///     one of its subsets.
    mutating func observe(layer: Int, block: Int, active: PackedSet, observed: PackedSet?)
}

extension ActivityPredictor {
    package var needsTruth: Bool { false }
    package mutating func beginToken() {}

    /// The prediction as a new set of `neuronCount` elements.
    package mutating func predict(
        layer: Int, block: Int, neuronCount: Int, parents: PackedSet?, truth: PackedSet? = nil
    ) -> PackedSet {
        var predicted = PackedSet(elementCount: neuronCount)
        predict(layer: layer, block: block, parents: parents, truth: truth, into: &predicted)
        return predicted
    }
}

extension PackedSet {
    /// Every element.
    mutating func insertAll() { self = .full(elementCount: elementCount) }
}
