import Kernels

/// Buffers of one feed-forward step over at most `slotCount` slots, reused from step to step.
package struct FeedForwardScratch {
    private var gates: [Float]
    private var ups: [Float]
    private var candidateMeans: [Float]
    private var candidateWeights: [Float]
    private var candidateBiases: [Float]
    /// Positions within the candidate list that are active.
    private var activePositions: [UInt32]
    /// Slots that are active, ascending; the first `activeCount` are meaningful.
    package private(set) var active: [UInt32]
    /// What multiplies each active slot's down column.
    private(set) var coefficients: [Float]

    package init(slotCount: Int) {
        gates = Array(repeating: 0, count: slotCount)
        ups = gates
        candidateMeans = gates
        candidateWeights = gates
        candidateBiases = gates
        coefficients = gates
        active = Array(repeating: 0, count: slotCount)
        activePositions = active
    }

    /// Gate projections of the candidate slots.
    mutating func multiplyGates(
        _ matrix: PlacedRows, _ storage: RawSpan, slots: [UInt32], count: Int, by input: [Float]
    ) {
        matrix.multiply(storage, rows: slots, count: count, by: input, into: &gates)
    }

    /// Every candidate is active with silu(gate) · up.
    mutating func activateAll(
        _ matrix: PlacedRows, _ storage: RawSpan, slots: [UInt32], count: Int, by input: [Float]
    ) {
        matrix.multiply(storage, rows: slots, count: count, by: input, into: &ups)
        for index in 0..<count { active[index] = slots[index] }
        activate(gates, ups, count: count, into: &coefficients)
    }

    /// The candidates whose gate the rule calls active, with (silu(gate) − mean) · up; returns
    /// how many there are.
    mutating func activateByRule(
        _ rule: GateRule, _ matrix: PlacedRows, _ storage: RawSpan, slots: [UInt32], count: Int,
        by input: [Float]
    ) -> Int {
        for index in 0..<count {
            candidateMeans[index] = rule.means[Int(slots[index])]
            candidateWeights[index] = rule.weights[Int(slots[index])]
        }
        let activeCount = findActive(
            gates: gates, means: candidateMeans, weights: candidateWeights, count: count,
            threshold: rule.threshold, positions: &activePositions, deviations: &coefficients)
        for index in 0..<activeCount { active[index] = slots[Int(activePositions[index])] }
        matrix.multiply(storage, rows: active, count: activeCount, by: input, into: &ups)
        for index in 0..<activeCount { coefficients[index] *= ups[index] }
        return activeCount
    }

    /// The candidates whose up projection with its bias is positive, with that sum; returns how
    /// many there are.
    mutating func activatePositive(
        _ matrix: PlacedRows, _ biases: PlacedRows?, _ storage: RawSpan, slots: [UInt32],
        count: Int, by input: [Float]
    ) -> Int {
        matrix.multiply(storage, rows: slots, count: count, by: input, into: &ups)
        // A bias is the weight of an input that is always 1; the product is exact.
        biases?.multiply(
            storage, rows: slots, count: count, by: Self.unitInput, into: &candidateBiases)
        let activeCount = findPositive(
            ups: ups, biases: candidateBiases, count: count, positions: &activePositions,
            activations: &coefficients)
        for index in 0..<activeCount { active[index] = slots[Int(activePositions[index])] }
        return activeCount
    }

    private static let unitInput: [Float] = [1]
}

// Swift lets no span of one stored property live while another property changes; as arguments,
// two properties are apart.

private func activate(_ gates: [Float], _ ups: [Float], count: Int, into output: inout [Float]) {
    var all = output.mutableSpan
    var activations = all._mutatingExtracting(0..<count)
    siluMultiply(
        gate: gates.span.extracting(0..<count), up: ups.span.extracting(0..<count),
        into: &activations)
}

private func findActive(
    gates: [Float], means: [Float], weights: [Float], count: Int, threshold: Float,
    positions: inout [UInt32], deviations: inout [Float]
) -> Int {
    var positionSpan = positions.mutableSpan
    var deviationSpan = deviations.mutableSpan
    return findShiftedActivity(
        gates: gates.span.extracting(0..<count), means: means.span.extracting(0..<count),
        weights: weights.span.extracting(0..<count), threshold: threshold,
        active: &positionSpan, shifted: &deviationSpan)
}

private func findPositive(
    ups: [Float], biases: [Float], count: Int, positions: inout [UInt32],
    activations: inout [Float]
) -> Int {
    var positionSpan = positions.mutableSpan
    var activationSpan = activations.mutableSpan
    return findPositiveActivity(
        ups: ups.span.extracting(0..<count), biases: biases.span.extracting(0..<count),
        active: &positionSpan, activations: &activationSpan)
}
