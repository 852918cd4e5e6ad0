import Kernels
import ModelFile
package import PackedSets

/// Records which feed-forward neurons the tokens of a forward pass find active, in every layer:
/// by the rule where there is one, by ReLU in a model without gates. Pass it as the observer of
/// ``ReferenceTransformer/forward(_:at:isDense:observer:)``.
package final class ActivityRecorder: LayerObserver {
    private let selection: ActivitySelection
    private var sets: [[PackedSet]]  // [layers][tokens]

    /// - Parameter rule: `nil` in a model without gates, and where every neuron counts.
    package init(model: DecoderModel, rule: ActivityRule?) {
        selection = ActivitySelection(model: model, rule: rule)
        sets = Array(repeating: [], count: model.shape.layerCount)
    }

    package func observe(layer: Int, tokenCount: Int, gates: Span<Float>, ups: Span<Float>) {
        let values = gates.isEmpty ? ups : gates
        let width = values.count / tokenCount
        for row in 0..<tokenCount {
            sets[layer].append(
                selection.active(
                    layer: layer, values: values.extracting(row * width..<(row + 1) * width)))
        }
    }

    /// The tokens recorded since the last call, in order: [tokens][layers].
    package func takeTokens() -> [[PackedSet]] {
        let tokenCount = sets.map(\.count).min() ?? 0
        let tokens = (0..<tokenCount).map { token in sets.map { $0[token] } }
        for layer in sets.indices { sets[layer].removeAll(keepingCapacity: true) }
        return tokens
    }
}

/// The truly active neurons of a layer, from its input: what a run that computes only predicted
/// neurons does not know, and its predictions are held against.
///
/// Row by row the products are those of the run itself, so the two agree to the last bit.
package struct ActivityTruth: Sendable {
    private let model: DecoderModel
    private let selection: ActivitySelection
    private let threadCount: Int

    /// - Parameters:
    ///   - rule: as in ``ActivityRecorder``.
    ///   - threadCount: threads of the product; the answer does not depend on it.
    package init(model: DecoderModel, rule: ActivityRule?, threadCount: Int) {
        self.model = model
        self.threadCount = threadCount
        selection = ActivitySelection(model: model, rule: rule)
    }

    /// - Parameter input: normed state, [hidden].
    package func active(layer: Int, input: [Float]) -> PackedSet {
        let weights = model.weights.layers[layer]
        var values = [Float](repeating: 0, count: model.shape.feedForwardSize)
        model.multiply(
            weights.gate ?? weights.up, input, into: &values, tokenCount: 1,
            threadCount: threadCount)
        addBias(model.biases(layer: layer)?.up, toRows: &values, rowCount: 1)
        return selection.active(layer: layer, values: values.span)
    }
}

/// What makes a neuron active, given its gate, or its up projection in a model without gates.
private struct ActivitySelection: Sendable {
    private enum Criterion {
        case everyone
        case positive
        case rule(ActivityRule)
    }

    private let criterion: Criterion

    init(model: DecoderModel, rule: ActivityRule?) {
        let isGated = model.shape.architecture.isGated
        precondition(rule == nil || isGated, "an activity rule is about gates")
        criterion = rule.map { .rule($0) } ?? (isGated ? .everyone : .positive)
    }

    /// - Parameter values: one token's gates, or up projections with their biases.
    func active(layer: Int, values: Span<Float>) -> PackedSet {
        switch criterion {
        case .everyone:
            return .full(elementCount: values.count)
        case .positive:
            var set = PackedSet(elementCount: values.count)
            for neuron in values.indices where values[neuron] > 0 { set.insert(neuron) }
            return set
        case .rule(let rule):
            let (means, weights) = (rule.means[layer], rule.weights[layer])
            var active = [UInt32](repeating: 0, count: values.count)
            var deviations = [Float](repeating: 0, count: values.count)
            var activeSpan = active.mutableSpan
            var deviationSpan = deviations.mutableSpan
            let count = findShiftedActivity(
                gates: values, means: means.span, weights: weights.span,
                threshold: rule.thresholds[layer], active: &activeSpan, shifted: &deviationSpan)
            return PackedSet(
                elementCount: values.count, members: active[..<count].lazy.map { Int($0) })
        }
    }
}
