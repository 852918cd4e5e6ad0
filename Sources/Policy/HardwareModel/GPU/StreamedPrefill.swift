package import Quantities

/// Prefill on a GPU that holds two layers' weights: while one is computed the next arrives.
///
/// Steps as in FlexGen's block schedule: step i computes layer i and loads layer i + 1, and ends
/// when both are done. Before the first step the pipeline fills with layer 0.
///
/// Equation: t₀ + Σ max(cᵢ, tᵢ₊₁), with t after the last layer zero; t transfer, c compute.
///
/// - Source: Sheng et al., "FlexGen", ICML 2023, algorithm 1, with the cache on the GPU.
package struct StreamedPrefill: Hashable, Sendable {
    /// One layer: how long its weights take over the link and how long it computes on them.
    package struct Layer: Hashable, Sendable {
        /// Zero when the weights are resident.
        package let transfer: EmulatedDuration
        package let compute: EmulatedDuration

        package init(transfer: EmulatedDuration, compute: EmulatedDuration) {
            self.transfer = transfer
            self.compute = compute
        }
    }

    /// When a layer's weights travel and when it is computed, from the start of prefill.
    package struct Span: Hashable, Sendable {
        package let transferStart: EmulatedDuration
        package let transferEnd: EmulatedDuration
        package let computeStart: EmulatedDuration
        package let computeEnd: EmulatedDuration
    }

    /// One span a layer, in order.
    package let spans: [Span]
    package let total: EmulatedDuration

    /// - Parameter layers: in order; without any, prefill takes no time.
    package init(layers: [Layer]) {
        var spans: [Span] = []
        var stepStart = EmulatedDuration.zero
        var transferStart = EmulatedDuration.zero
        stepStart += layers.first?.transfer ?? .zero
        for (index, layer) in layers.enumerated() {
            let computeEnd = stepStart + layer.compute
            spans.append(
                Span(
                    transferStart: transferStart, transferEnd: transferStart + layer.transfer,
                    computeStart: stepStart, computeEnd: computeEnd))
            let nextTransfer = index + 1 < layers.count ? layers[index + 1].transfer : .zero
            transferStart = stepStart
            stepStart = max(computeEnd, stepStart + nextTransfer)
        }
        self.spans = spans
        total = stepStart
    }
}
