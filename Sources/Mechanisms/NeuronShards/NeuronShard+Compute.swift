import Kernels
import MappedMemory

/// The two products of a shard with an input vector; timing knows nothing of these.
extension NeuronShard {
    /// This unit's part of q, k and v: the named neurons' columns times their inputs.
    ///
    /// - Parameters:
    ///   - input: normed state of all neurons, [hidden].
    ///   - slots: ascending positions in the layer's `qkvNeurons`, of which `count` are meant.
    ///   - coefficients: scratch, at least `count` long.
    ///   - sum: its first elements are overwritten: q, then k, then v.
    package borrowing func projectQKV(
        layer: Int, input: [Float], slots: [UInt32], count: Int, coefficients: inout [Float],
        into sum: inout PartialSum
    ) {
        sum.clear(sum.count)
        let shard = layers[layer]
        for index in 0..<count {
            coefficients[index] = input[Int(shard.qkvNeurons[Int(slots[index])])]
        }
        var start = 0
        for columns in [shard.query, shard.key, shard.value] {
            let end = start + columns.layout.outputCount
            columns.accumulate(
                storage.bytes, slots: slots, coefficients: coefficients, count: count,
                into: &sum, from: start)
            start = end
        }
    }

    /// This unit's part of the feed-forward block.
    ///
    /// Without a gate every candidate's up projection is computed, and the down projection of
    /// those that ReLU leaves active: nothing is lost. The block's own bias is the caller's to add.
    ///
    /// - Parameters:
    ///   - input: normed state, [hidden].
    ///   - slots: ascending positions in the layer's `feedForwardNeurons` to consider, of which
    ///     `count` are meant.
    ///   - rule: `nil` computes every one of them; else only those whose gate is active. A model
    ///     without gates has no rule.
    ///   - scratch: afterwards names the active slots.
    ///   - sum: its first elements are overwritten, [hidden].
    /// - Returns: how many neurons were active.
    package borrowing func feedForward(
        layer: Int, input: [Float], slots: [UInt32], count: Int, rule: GateRule?,
        scratch: inout FeedForwardScratch, into sum: inout PartialSum
    ) -> Int {
        let shard = layers[layer]
        let activeCount: Int
        if let gate = shard.gate {
            scratch.multiplyGates(gate, storage.bytes, slots: slots, count: count, by: input)
            if let rule {
                activeCount = scratch.activateByRule(
                    rule, shard.up, storage.bytes, slots: slots, count: count, by: input)
            } else {
                activeCount = count
                scratch.activateAll(
                    shard.up, storage.bytes, slots: slots, count: count, by: input)
            }
        } else {
            precondition(rule == nil, "an activity rule is about gates")
            activeCount = scratch.activatePositive(
                shard.up, shard.upBias, storage.bytes, slots: slots, count: count, by: input)
        }
        sum.clear(shard.down.outputCount)
        shard.down.accumulate(
            storage.bytes, slots: scratch.active, coefficients: scratch.coefficients,
            count: activeCount, into: &sum)
        return activeCount
    }
}

/// When a slot's gate counts as active; the unit's part of an activity rule.
package struct GateRule: Equatable, Sendable {
    package private(set) var means: [Float]  // [slots]
    package private(set) var weights: [Float]  // [slots]
    package let threshold: Float

    package init(means: [Float], weights: [Float], threshold: Float) {
        precondition(means.count == weights.count)
        self.means = means
        self.weights = weights
        self.threshold = threshold
    }

    /// The values of the neuron that a slot holds from now on.
    package mutating func setSlot(_ slot: Int, mean: Float, weight: Float) {
        means[slot] = mean
        weights[slot] = weight
    }
}
