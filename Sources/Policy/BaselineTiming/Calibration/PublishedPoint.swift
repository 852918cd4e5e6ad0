/// One published throughput to hold a system against.
package struct PublishedPoint: Hashable, Sendable {
    package let system: ComparedSystem
    /// As the catalogue names it: `LLaMA2-70B`.
    package let model: String
    package let batchSize: Int
    /// Tokens per second of the whole batch; prompt and output are 128 tokens each.
    package let published: Double
    /// Whether calibration may look at it; the others are held out.
    package internal(set) var isFitted: Bool

    package init(
        system: ComparedSystem, model: String, batchSize: Int, published: Double, isFitted: Bool
    ) {
        precondition(batchSize > 0)
        precondition(published > 0)
        self.system = system
        self.model = model
        self.batchSize = batchSize
        self.published = published
        self.isFitted = isFitted
    }

    /// A point of one or the other half by ``isInFittedHalf(system:model:batchSize:)``.
    package init(system: ComparedSystem, model: String, batchSize: Int, published: Double) {
        self.init(
            system: system, model: model, batchSize: batchSize, published: published,
            isFitted: Self.isInFittedHalf(system: system, model: model, batchSize: batchSize))
    }

    /// The split, made before anything was calibrated: OPT-13B at batch 1; OPT-66B, LLaMA2-70B
    /// and Falcon-40B at 1, 4 and 16; TensorRT-LLM, which has one model, at 1 and 16.
    package static func isInFittedHalf(
        system: ComparedSystem, model: String, batchSize: Int
    ) -> Bool {
        if system == .tensorRTLLM { return batchSize == 1 || batchSize == 16 }
        return switch model {
        case "OPT-13B": batchSize == 1
        case "OPT-66B", "LLaMA2-70B", "Falcon-40B": [1, 4, 16].contains(batchSize)
        default: false
        }
    }
}
