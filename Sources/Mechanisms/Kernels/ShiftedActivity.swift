/// Which neurons of a SwiGLU layer are active under the shifted threshold rule, and by how much
/// their activation differs from its usual value.
///
/// Neuron j is active iff `weights[j] × |silu(gates[j]) − means[j]| > threshold`. Every neuron
/// contributes its mean activation (a matrix computed beforehand); an active one adds
/// `silu(gates[j]) − means[j]` times its up projection.
///
/// - Parameters:
///   - gates: gate projections before the activation function, [slots].
///   - means: calibrated mean of silu(gate), [slots].
///   - weights: calibrated weight of a deviation, [slots].
///   - threshold: a negative one makes every neuron active, 0 every one that deviates at all.
///   - active: at least [slots]; the first so many as returned are ascending active slots.
///   - shifted: at least [slots]; likewise `silu(gate) − mean` of each active slot.
/// - Returns: the number of active slots.
package func findShiftedActivity(
    gates: Span<Float>, means: Span<Float>, weights: Span<Float>, threshold: Float,
    active: inout MutableSpan<UInt32>, shifted: inout MutableSpan<Float>,
    path: KernelPath = .automatic
) -> Int {
    precondition(means.count == gates.count)
    precondition(weights.count == gates.count)
    precondition(active.count >= gates.count)
    precondition(shifted.count >= gates.count)
    if path.usesVectors {
        return vectorShiftedActivity(
            gates, means, weights, threshold, active: &active, shifted: &shifted)
    }
    var found = 0
    for slot in gates.indices {
        let deviation = silu(gates[slot]) - means[slot]
        if weights[slot] * abs(deviation) > threshold {
            active[found] = UInt32(slot)
            shifted[found] = deviation
            found += 1
        }
    }
    return found
}
