/// Which neurons of a ReLU layer are active, and their activations.
///
/// Neuron j is active iff `ups[j] + biases[j] > 0`, and its activation is that sum; an inactive
/// one's is exactly zero, so it may be left out. What is not a number is not active.
///
/// One compiled loop serves every processor: it is a small part of the product before it.
///
/// - Parameters:
///   - ups: up projections without bias, [slots].
///   - biases: [slots].
///   - active: at least [slots]; the first so many as returned are ascending active slots.
///   - activations: at least [slots]; likewise the activation of each active slot.
/// - Returns: the number of active slots.
package func findPositiveActivity(
    ups: Span<Float>, biases: Span<Float>, active: inout MutableSpan<UInt32>,
    activations: inout MutableSpan<Float>
) -> Int {
    precondition(biases.count == ups.count)
    precondition(active.count >= ups.count)
    precondition(activations.count >= ups.count)
    var found = 0
    for slot in ups.indices {
        let sum = ups[slot] + biases[slot]
        if sum > 0 {
            active[found] = UInt32(slot)
            activations[found] = sum
            found += 1
        }
    }
    return found
}
