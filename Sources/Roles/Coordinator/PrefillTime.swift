import ModelFile
import Pacing
import Quantities
import Transformer

/// What the prefill of a prompt moves and computes; sizes alone.
struct PrefillWork {
    struct Layer {
        /// Weights that come from the DIMMs.
        let streamedByteCount: Int
        /// Weights that the GPU reads, resident ones too.
        let readByteCount: Int
        let macCount: Int
    }

    let layers: [Layer]
    let headByteCount: Int
    let headMACCount: Int
}

/// Emulated time of the prefill: the GPU computes a layer while the next one's weights come over
/// PCIe, two layers' buffers at a time.
///
/// Weights that live on the DIMMs alone are streamed from all of them.
///
/// Source: Sheng et al., "FlexGen", ICML 2023, block schedule; equal to `StreamedPrefill` where
/// PCIe is the only link that matters.
extension Timekeeper {
    /// Advances by the prefill; the weights' transfers are booked on the links like any other.
    mutating func runPrefill(_ work: PrefillWork) throws(CoordinatorError) {
        beginStep("prefill", layer: 0)
        let first = try streamLayer(0, of: work, readyAt: now)
        var stepStart = first.arrival
        advance(to: stepStart, "stream layer 0", unit: first.link)
        for (index, layer) in work.layers.enumerated() {
            beginStep("prefill", layer: index)
            let computeEnd = try placeKernel(
                "prefill layer", at: stepStart, byteCount: layer.readByteCount,
                macCount: layer.macCount)
            var next = computeEnd
            var bound = "GPU"
            if index + 1 < work.layers.count {
                let streamed = try streamLayer(index + 1, of: work, readyAt: stepStart)
                if streamed.arrival > computeEnd { bound = streamed.link }
                next = max(computeEnd, streamed.arrival)
            }
            advance(to: next, "prefill layer \(index)", unit: bound)
            stepStart = next
        }
        beginStep("output head", layer: -1)
        try runKernel(
            "output head", byteCount: work.headByteCount, macCount: work.headMACCount,
            synchronises: false)
        try endStep()
        endPrefill()
    }

    /// Each DIMM sends its share of the layer's weights; returns when the last is on the GPU, and
    /// the link that it came over last.
    private mutating func streamLayer(
        _ layer: Int, of work: PrefillWork, readyAt: EmulatedTime
    ) throws(CoordinatorError) -> (arrival: EmulatedTime, link: String) {
        let byteCount = work.layers[layer].streamedByteCount
        let dimmCount = machine.paths.count
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
}

extension PrefillWork {
    /// QKV and MLP weights of a real model live on the DIMMs; the dense part (output projections,
    /// embedding, head) is resident.
    init(model: DecoderModel, tokenCount: Int) {
        // Each token attends over itself and those before it.
        let attention = tokenCount * (tokenCount + 1) * model.shape.querySize
        layers = model.weights.layers.map { weights in
            // An element of a bias is one addition a token.
            let tensors = weights.neuronTensors + weights.sumBiases + [weights.attentionOutput]
            return Layer(
                streamedByteCount: weights.neuronTensors.reduce(0) { $0 + $1.byteCount },
                readByteCount: tensors.reduce(0) { $0 + $1.byteCount },
                macCount: tensors.reduce(0) { $0 + $1.elementCount } * tokenCount + attention)
        }
        headByteCount = model.weights.output.byteCount
        headMACCount = model.weights.output.elementCount
    }
}
