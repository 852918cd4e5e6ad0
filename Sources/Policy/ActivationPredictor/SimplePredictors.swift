// What the paper's predictor is held against: memory of one token, of the prompt, the two answers
// that take no thought, and the bound that needs the truth.
package import PackedSets

/// Whoever was active in the token before, as far as that is known.
package struct LastTokenPredictor: ActivityPredictor {
    package let name: String
    private var latest: [[PackedSet]]  // [layers][blocks]

    package init(name: String = "same-as-last-token", layout: NeuronLayout) {
        self.name = name
        latest = layout.map { _, block in PackedSet(elementCount: layout.neuronCounts[block]) }
    }

    package var byteCount: Int { latest.joined().reduce(0) { $0 + $1.byteCount } }

    package mutating func beginDecode(after prefill: PrefillActivity) {
        for layer in latest.indices {
            for block in latest[layer].indices {
                latest[layer][block] = prefill.lastActive(layer: layer, block: block)
            }
        }
    }

    package mutating func predict(
        layer: Int, block: Int, parents: PackedSet?, truth: PackedSet?,
        into predicted: inout PackedSet
    ) {
        precondition(predicted.elementCount == latest[layer][block].elementCount)
        predicted = latest[layer][block]
    }

    package mutating func observe(
        layer: Int, block: Int, active: PackedSet, observed: PackedSet?
    ) {
        latest[layer][block] = active
    }
}

/// Whoever was active in more than a share of the prompt's tokens; never changes its mind.
package struct FrequencyPredictor: ActivityPredictor {
    package let name: String
    /// Active in more than this share, in percent, of the prompt's tokens.
    package let thresholdPercent: Int
    private var chosen: [[PackedSet]]  // [layers][blocks]

    package init(name: String? = nil, layout: NeuronLayout, thresholdPercent: Int = 30) {
        precondition(thresholdPercent >= 0 && thresholdPercent <= 100)
        self.name = name ?? "prefill frequency > \(thresholdPercent) %"
        self.thresholdPercent = thresholdPercent
        chosen = layout.map { _, block in PackedSet(elementCount: layout.neuronCounts[block]) }
    }

    package var byteCount: Int { chosen.joined().reduce(0) { $0 + $1.byteCount } }

    package mutating func beginDecode(after prefill: PrefillActivity) {
        for layer in chosen.indices {
            for block in chosen[layer].indices {
                let limit = thresholdPercent * prefill.tokenCount(layer: layer, block: block)
                let counts = prefill.activeCounts(layer: layer, block: block)
                chosen[layer][block] = PackedSet(
                    elementCount: counts.count,
                    members: counts.indices.filter { 100 * Int(counts[$0]) > limit })
            }
        }
    }

    package mutating func predict(
        layer: Int, block: Int, parents: PackedSet?, truth: PackedSet?,
        into predicted: inout PackedSet
    ) {
        precondition(predicted.elementCount == chosen[layer][block].elementCount)
        predicted = chosen[layer][block]
    }

    package mutating func observe(
        layer: Int, block: Int, active: PackedSet, observed: PackedSet?
    ) {}
}

/// Everyone or no one, always.
package struct ConstantPredictor: ActivityPredictor {
    package let name: String
    package let isActive: Bool

    package init(name: String? = nil, isActive: Bool) {
        self.name = name ?? (isActive ? "all-active" : "none-active")
        self.isActive = isActive
    }

    package var byteCount: Int { 0 }
    package mutating func beginDecode(after prefill: PrefillActivity) {}

    package mutating func predict(
        layer: Int, block: Int, parents: PackedSet?, truth: PackedSet?,
        into predicted: inout PackedSet
    ) {
        if isActive { predicted.insertAll() } else { predicted.removeAll() }
    }

    package mutating func observe(
        layer: Int, block: Int, active: PackedSet, observed: PackedSet?
    ) {}
}

/// The truth itself: the bound that no predictor passes.
package struct OraclePredictor: ActivityPredictor {
    package let name: String

    package init(name: String = "oracle") { self.name = name }

    package var needsTruth: Bool { true }
    package var byteCount: Int { 0 }
    package mutating func beginDecode(after prefill: PrefillActivity) {}

    package mutating func predict(
        layer: Int, block: Int, parents: PackedSet?, truth: PackedSet?,
        into predicted: inout PackedSet
    ) {
        guard let truth else { preconditionFailure("the oracle is asked without the truth") }
        predicted = truth
    }

    package mutating func observe(
        layer: Int, block: Int, active: PackedSet, observed: PackedSet?
    ) {}
}
