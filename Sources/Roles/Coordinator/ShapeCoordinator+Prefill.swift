import HardwareModel
import Messages
import ModelCatalogue
import NeuronPlacement
import Pacing
import Quantities

/// The prompt of a run by shape: its time, and what it leaves on the DIMMs.
extension ShapeCoordinator {
    /// Takes the prefill's time, then hands its keys and values to the DIMMs.
    package mutating func runPrefill() throws(CoordinatorError) {
        engine.clock.beginWork()
        let work = prefillWork
        try engine.time?.runPrefill(work)
        if let time = engine.time {
            try engine.pacing { () throws(PacingError) in
                try engine.finishWork(at: time.now, lasting: time.prefillDuration)
            }
        }
        for layer in 0..<options.model.layerCount {
            for dimm in engine.exchange.indices { try sendRows(layer: layer, dimm: dimm) }
        }
        // The first token is seen outside.
        try engine.catchUp()
    }

    private var prefillWork: PrefillWork {
        let model = options.model
        let tokens = options.batchSize * options.promptTokenCount
        let attention =
            options.batchSize * options.promptTokenCount * (options.promptTokenCount + 1)
            * model.querySize
        let weightCount = model.layerNeuronWeightCount + model.projectionWeightCount
        return PrefillWork(
            layers: blocks.residentByteCounts(options).map { resident in
                PrefillWork.Layer(
                    streamedByteCount: model.layerNeuronByteCount - resident,
                    readByteCount: model.layerNeuronByteCount + model.projectionByteCount,
                    macCount: weightCount * tokens + attention)
            }, headByteCount: model.headByteCount,
            headMACCount: model.headWeightCount * options.batchSize)
    }

    /// The prompt's keys and values of a layer, in messages that fit the link.
    private mutating func sendRows(layer: Int, dimm: Int) throws(CoordinatorError) {
        let rows = rowsOwned(layer: layer, dimm: dimm)
        guard rows.count > 0 else { return }
        let limit = engine.exchange.maximumPayloadByteCount(of: dimm)
        let rowsPerMessage = max(1, limit / rows.byteCount)
        for first in stride(from: 0, to: rows.count, by: rowsPerMessage) {
            let count = min(rowsPerMessage, rows.count - first)
            try engine.post(
                "keys and values",
                MessageHeader(
                    .storeKeysAndValues, layer: layer, position: first, count: count,
                    step: engine.exchange.nextStep()),
                byteCount: count * rows.byteCount, writtenByteCount: 0, to: dimm
            ) { _ in }
        }
    }

    /// How many of the prompt's positions a DIMM keeps, and the bytes of one: keys and values of
    /// its heads in all sequences.
    private func rowsOwned(layer: Int, dimm: Int) -> (count: Int, byteCount: Int) {
        let model = options.model
        let head = 2 * model.headSize * model.bytesPerActivation * options.batchSize
        switch options.attentionSplit {
        case .heads:
            let headCount = heads.heads(layer: layer, dimm: dimm).count
            return (headCount == 0 ? 0 : options.promptTokenCount, headCount * head)
        case .sequence:
            let others = engine.exchange.count - 1 - dimm
            return (
                (options.promptTokenCount + others) / engine.exchange.count,
                model.keyValueHeadCount * head
            )
        }
    }
}
