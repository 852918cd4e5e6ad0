import Messages
import ModelFile
import NeuronPlacement
import Transformer

/// What the coordinator does about a failing worker.
struct ExchangeMending {
    let recovery: any WorkerRecovery
    /// One for each DIMM, empty.
    let journals: [RequestJournal]
    /// Mean and weight of a feed-forward neuron's activity rule, by layer and neuron; zero where
    /// there is none.
    let rule: (Int, Int) -> (mean: Float, weight: Float)

    /// For the workers of a real model.
    init(
        recovery: any WorkerRecovery, model: DecoderModel, heads: HeadMap, rule: ActivityRule?,
        dimmCount: Int
    ) {
        let sizes = RowJournal.Sizes(
            headSize: model.shape.headSize, groupWidth: model.shape.groupWidth)
        self.recovery = recovery
        journals = (0..<dimmCount).map { dimm in
            RequestJournal(
                rows: RowJournal(
                    sizes: sizes,
                    heads: (0..<model.shape.layerCount).map {
                        heads.heads(layer: $0, dimm: dimm)
                    }))
        }
        self.rule = { layer, neuron in
            guard let rule else { return (0, 0) }
            return (rule.means[layer][neuron], rule.weights[layer][neuron])
        }
    }

    /// For the workers of a model known by its shape alone.
    init(recovery: any WorkerRecovery, dimmCount: Int) {
        self.recovery = recovery
        journals = (0..<dimmCount).map { _ in RequestJournal(rows: nil) }
        rule = { _, _ in (0, 0) }
    }
}
