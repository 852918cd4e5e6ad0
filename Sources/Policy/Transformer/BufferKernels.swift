package import Kernels
import ModelFile

// Kernels over rows of whole buffers. Swift lets no span of one stored property live while
// another property of the same value changes; as arguments, two properties are apart.

/// Norm of each of `rowCount` rows, [rows, hidden].
package func normaliseRows(
    _ state: [Float], by norm: Norm, epsilon: Float, rowCount: Int, into normed: inout [Float]
) {
    let width = norm.weights.count
    var all = normed.mutableSpan
    for row in 0..<rowCount {
        let extent = row * width..<(row + 1) * width
        var target = all._mutatingExtracting(extent)
        norm.apply(to: state.span.extracting(extent), epsilon: epsilon, into: &target)
    }
}

/// Adds `bias` to each of `rowCount` rows, [rows, bias.count]; nothing where there is none.
func addBias(_ bias: [Float]?, toRows rows: inout [Float], rowCount: Int) {
    guard let bias else { return }
    let width = bias.count
    var all = rows.mutableSpan
    for row in 0..<rowCount {
        var target = all._mutatingExtracting(row * width..<(row + 1) * width)
        add(bias.span, to: &target)
    }
}

/// Adds the first `count` elements of `source` to `target`.
package func addElements(_ source: [Float], to target: inout [Float], count: Int) {
    var all = target.mutableSpan
    var part = all._mutatingExtracting(0..<count)
    add(source.span.extracting(0..<count), to: &part)
}

/// Rotates the heads of each of `rowCount` rows, [rows, width]; row r is at `position` + r.
/// Without a table, positions are learned and heads stay as they are.
package func rotateRows(
    _ rows: inout [Float], width: Int, rowCount: Int, headSize: Int, position: Int,
    table: RotaryTable?
) {
    guard let table else { return }
    var all = rows.mutableSpan
    for row in 0..<rowCount {
        var heads = all._mutatingExtracting(row * width..<(row + 1) * width)
        table.rotate(
            &heads, headSize: headSize, position: position + row, pairing: .interleaved)
    }
}

/// Activations silu(gate) · up of the first `count` elements.
func activateElements(_ gates: [Float], _ ups: [Float], into output: inout [Float], count: Int) {
    var all = output.mutableSpan
    var part = all._mutatingExtracting(0..<count)
    siluMultiply(
        gate: gates.span.extracting(0..<count), up: ups.span.extracting(0..<count), into: &part)
}

/// Activations max(0, up) of the first `count` elements; what is not a number gives zero.
func rectifyElements(_ ups: [Float], into output: inout [Float], count: Int) {
    for index in 0..<count { output[index] = ups[index] > 0 ? ups[index] : 0 }
}

/// Attention of one position's query group.
///
/// - Parameters:
///   - queries, context: the group's elements lie at `extent` of both.
///   - keys, values: [at least positionCount, headSize].
///   - scores: scratch, at least [group, positionCount].
func attendGroup(
    queries: [Float], keys: [Float], values: [Float], headSize: Int, positionCount: Int,
    scale: Float, extent: Range<Int>, scores: inout [Float], into context: inout [Float]
) {
    var allScores = scores.mutableSpan
    var scoreSpan = allScores._mutatingExtracting(0..<extent.count / headSize * positionCount)
    var all = context.mutableSpan
    var target = all._mutatingExtracting(extent)
    let rows = 0..<positionCount * headSize
    attend(
        queries: queries.span.extracting(extent), headSize: headSize,
        keys: keys.span.extracting(rows), values: values.span.extracting(rows), scale: scale,
        scores: &scoreSpan, into: &target)
}

extension ActivityRule {
    /// Writes the active neurons among one row of gates, and silu(gate) − mean of each; returns
    /// how many there are.
    func select(
        layer: Int, gates: [Float], row: Int, active: inout [UInt32], deviations: inout [Float]
    ) -> Int {
        let (layerMeans, layerWeights) = (means[layer], weights[layer])
        let width = layerMeans.count
        var activeSpan = active.mutableSpan
        var deviationSpan = deviations.mutableSpan
        return findShiftedActivity(
            gates: gates.span.extracting(row * width..<(row + 1) * width),
            means: layerMeans.span, weights: layerWeights.span,
            threshold: thresholds[layer], active: &activeSpan, shifted: &deviationSpan)
    }

    /// As ``applyShift(layer:to:into:)``, for the first row of both buffers.
    package func applyShift(layer: Int, to input: [Float], hidden: Int, into output: inout [Float])
    {
        var all = output.mutableSpan
        var target = all._mutatingExtracting(0..<hidden)
        applyShift(layer: layer, to: input.span.extracting(0..<hidden), into: &target)
    }
}

extension DecoderModel {
    /// As ``embed(_:at:into:)``, into row `row` of a buffer [rows, hidden].
    func embed(_ token: Int, at position: Int, intoRow row: Int, of state: inout [Float]) {
        var all = state.mutableSpan
        var target = all._mutatingExtracting(row * shape.hiddenSize..<(row + 1) * shape.hiddenSize)
        embed(token, at: position, into: &target)
    }
}
