package import ActivationPredictor
package import Messages
package import ModelCatalogue
package import PackedSets
package import Quantities

/// Who was active at each token of a run that computes nothing: recorded, or drawn.
///
/// The source stands at one token, at first the prompt's first.
package protocol ActivitySource {
    /// Sequences that are decoded together.
    var sequenceCount: Int { get }

    /// The neurons that a sequence's present token activates.
    ///
    /// - Parameter block: 0 is QKV, 1 is MLP.
    func activeNeurons(sequence: Int, layer: Int, block: Int) -> PackedSet

    /// Goes to the next token of every sequence; false when there is none.
    mutating func advance() -> Bool
}

/// Where the neurons of a shape start.
package struct ShapePlacement: Sendable {
    /// A home DIMM for each neuron, [layers][blocks][neurons].
    package let homes: [[[UInt16]]]
    /// Neurons with a copy on the GPU, [layers][blocks].
    package let hot: [[PackedSet]]

    package init(homes: [[[UInt16]]], hot: [[PackedSet]]) {
        precondition(homes.count == hot.count)
        self.homes = homes
        self.hot = hot
    }
}

/// What speaks for a copy on the GPU.
package enum HotCriterion: String, CaseIterable, Sendable {
    /// Copies stay as they start.
    case none
    /// How active a neuron was of late: its state.
    case token
    /// How many of its two parents are active.
    case layer
    /// Both together, as in the prediction.
    case both
}

/// What a run by shape asks of the coordinator.
package struct ShapeOptions: Sendable {
    package let model: ModelSpecification
    package let batchSize: Int
    package let promptTokenCount: Int
    /// Positions that the caches hold.
    package let contextCapacity: Int
    package let attentionSplit: ShapeConfiguration.AttentionSplit
    /// The host CPU in place of the DIMMs; `nil` for DIMMs.
    package let host: ShapeConfiguration.Host?
    package let placement: ShapePlacement
    /// Who predicts, one per sequence; `nil` computes every neuron.
    package let predictor: (any ActivityPredictor)?
    package let feedback: Feedback
    package let hotCriterion: HotCriterion
    /// The neurons' parents, which ``HotCriterion/layer`` and ``HotCriterion/both`` read.
    package let correlations: CorrelationTable?
    /// Who moves neurons between DIMMs, and how states rise and fall.
    package let policy: PlacementPolicy
    /// At most this share of a block's neurons has copies on the GPU.
    package let hotShare: Proportion
    /// The GPU's memory for neurons. What hot ones leave of it is filled with others, which are
    /// computed where they are at home and need not be streamed for the prompt.
    package let neuronMemoryByteCount: Int
    /// Memory that a worker's requests really read where time is wall time; 0 for none.
    package let arenaByteCount: Int
    package let topologyText: String

    package init(
        model: ModelSpecification, batchSize: Int, promptTokenCount: Int, contextCapacity: Int,
        attentionSplit: ShapeConfiguration.AttentionSplit, host: ShapeConfiguration.Host?,
        placement: ShapePlacement, predictor: (any ActivityPredictor)?, feedback: Feedback,
        hotCriterion: HotCriterion, correlations: CorrelationTable?, policy: PlacementPolicy,
        hotShare: Proportion, neuronMemoryByteCount: Int, arenaByteCount: Int,
        topologyText: String
    ) {
        precondition(batchSize >= 1)
        precondition(promptTokenCount >= 1)
        precondition(contextCapacity > promptTokenCount)
        precondition(placement.homes.count == model.layerCount)
        precondition(
            hotCriterion == .none || hotCriterion == .token || correlations != nil)
        self.model = model
        self.batchSize = batchSize
        self.promptTokenCount = promptTokenCount
        self.contextCapacity = contextCapacity
        self.attentionSplit = attentionSplit
        self.host = host
        self.placement = placement
        self.predictor = predictor
        self.feedback = feedback
        self.hotCriterion = hotCriterion
        self.correlations = correlations
        self.policy = policy
        self.hotShare = hotShare
        self.neuronMemoryByteCount = neuronMemoryByteCount
        self.arenaByteCount = arenaByteCount
        self.topologyText = topologyText
    }
}
