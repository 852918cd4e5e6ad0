import ModelFile
import Pacing
import Quantities
import Transformer

/// Emulated time of the prefill: the GPU computes a layer while the next one's weights come over
/// PCIe, two layers' buffers at a time.
///
/// QKV and MLP weights live on the DIMMs and are streamed from all of them; the dense part
/// (output projections, embedding, head) is resident.
///
/// Source: Sheng et al., "FlexGen", ICML 2023, block schedule; equal to `StreamedPrefill` where
/// PCIe is the only link that matters.
extension Timekeeper {
    /// Advances by the prefill of `tokenCount` tokens; the weights' transfers are booked on the
    /// links like any other.
    mutating func runPrefill(
        model: DecoderModel, tokenCount: Int, dimmCount: Int
    ) throws(CoordinatorError) {
        beginStep("prefill", layer: 0)
        let first = try streamLayer(0, of: model, dimmCount: dimmCount, readyAt: now)
        var stepStart = first.arrival
        advance(to: stepStart, "stream layer 0", unit: first.link)
        for layer in 0..<model.shape.layerCount {
            beginStep("prefill", layer: layer)
            let computeEnd = try placeLayer(
                layer, of: model, tokenCount: tokenCount, at: stepStart)
            var next = computeEnd
            var bound = "GPU"
            if layer + 1 < model.shape.layerCount {
                let streamed = try streamLayer(
                    layer + 1, of: model, dimmCount: dimmCount, readyAt: stepStart)
                if streamed.arrival > computeEnd { bound = streamed.link }
                next = max(computeEnd, streamed.arrival)
            }
            advance(to: next, "prefill layer \(layer)", unit: bound)
            stepStart = next
        }
        beginStep("output head", layer: -1)
        try runKernel(
            "output head", byteCount: model.weights.output.byteCount,
            macCount: model.weights.output.elementCount, synchronises: false)
        try endStep()
        endPrefill()
    }

    /// Each DIMM sends its share of the layer's weights; returns when the last is on the GPU, and
    /// the link that it came over last.
    private mutating func streamLayer(
        _ layer: Int, of model: DecoderModel, dimmCount: Int, readyAt: EmulatedTime
    ) throws(CoordinatorError) -> (arrival: EmulatedTime, link: String) {
        let byteCount = model.weights.layers[layer].neuronTensors
            .reduce(0) { $0 + $1.byteCount }
        var latest = (arrival: readyAt, link: machine.linkNames[0])
        for dimm in 0..<dimmCount {
            // The first DIMMs take what the division leaves.
            let share = byteCount / dimmCount + (dimm < byteCount % dimmCount ? 1 : 0)
            let booking = try transfer(
                "weights of layer \(layer)", share, dimm: dimm, readyAt: readyAt, ring: nil)
            if booking.arrival > latest.arrival {
                latest = (booking.arrival, machine.linkNames[booking.bottleneck])
            }
        }
        return latest
    }

    /// All products of a layer over the prompt, and its attention: each token over itself and
    /// those before it.
    private mutating func placeLayer(
        _ layer: Int, of model: DecoderModel, tokenCount: Int, at start: EmulatedTime
    ) throws(CoordinatorError) -> EmulatedTime {
        let weights = model.weights.layers[layer]
        // An element of a bias is one addition a token.
        let tensors = weights.neuronTensors + weights.sumBiases + [weights.attentionOutput]
        let byteCount = tensors.reduce(0) { $0 + $1.byteCount }
        let products = tensors.reduce(0) { $0 + $1.elementCount } * tokenCount
        let attention = tokenCount * (tokenCount + 1) * model.shape.querySize
        return try placeKernel(
            "prefill layer", at: start, byteCount: byteCount, macCount: products + attention)
    }
}
