package import ModelCatalogue
import SyntheticActivity

/// How much of a block's neurons a batch touches: sums over a family's activation frequencies.
///
/// Neuron i fires for a sequence with probability pᵢ, and for at least one of b sequences with
/// 1 - (1 - pᵢ)ᵇ.
package struct NeuronFrequencies: Sendable {
    /// A sample of neurons with the distribution of the family, descending.
    private let frequencies: [Double]

    /// Enough for the sums to be within 0.01 % of a larger sample's.
    private static let sampleCount = 4_096

    package init(_ statistics: ActivityStatistics) throws(BaselineTimingError) {
        let shape = ActivityShape(layerCount: 1, neuronCounts: [Self.sampleCount])
        do throws(ActivityError) {
            let process = try ActivityProcess(shape: shape, statistics: statistics, seed: 1)
            frequencies = process.expectedFrequencies(layer: 0, block: 0).sorted(by: >)
        } catch {
            throw .activity(error)
        }
    }

    /// Shares of a block's neurons, when the most frequent `hotShare` of them is hot.
    package struct Load: Equatable, Sendable {
        /// Hot neurons that at least one sequence activates.
        package var hotUnion = 0.0
        /// Cold neurons that at least one sequence activates: what is read.
        package var coldUnion = 0.0
        /// Cold activations of all sequences: what is multiplied.
        package var coldActivations = 0.0

        /// With so many neurons computed for each that is active.
        func scaled(by share: Double) -> Load {
            Load(
                hotUnion: hotUnion * share, coldUnion: coldUnion * share,
                coldActivations: coldActivations * share)
        }
    }

    package func load(batchSize: Int, hotShare: Double) -> Load {
        precondition(batchSize > 0)
        let count = Double(frequencies.count)
        let boundary = hotShare * count
        var load = Load()
        for (index, frequency) in frequencies.enumerated() {
            var silent = 1.0
            for _ in 0..<batchSize { silent *= 1 - frequency }
            // The neuron at the boundary is hot in part.
            let hot = min(1, max(0, boundary - Double(index)))
            load.hotUnion += hot * (1 - silent) / count
            load.coldUnion += (1 - hot) * (1 - silent) / count
            load.coldActivations += (1 - hot) * frequency * Double(batchSize) / count
        }
        return load
    }
}
