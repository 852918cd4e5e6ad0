import ModelCatalogue
import SyntheticActivity
import Testing

/// Calls outside the model trap.
@Suite struct ContractTests {
    private static func process() throws -> ActivityProcess {
        try Measurement.process(.opt, ActivityShape(layerCount: 2, neuronCounts: [100]))
    }

    @Test func `A shape has layers and no negative blocks`() async {
        await #expect(processExitsWith: .failure) {
            _ = ActivityShape(layerCount: 0, neuronCounts: [1])
        }
        await #expect(processExitsWith: .failure) {
            _ = ActivityShape(layerCount: 1, neuronCounts: [1, -1])
        }
    }

    @Test func `Layers, blocks and neurons past the end trap`() async throws {
        await #expect(processExitsWith: .failure) {
            _ = try Self.process().expectedFrequency(layer: 0, block: 0, neuron: 100)
        }
        await #expect(processExitsWith: .failure) {
            _ = try Self.process().expectedFrequencies(layer: 0, block: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = try Self.process().parents(layer: 2, block: 0, neuron: 0)
        }
        await #expect(processExitsWith: .failure) {
            _ = try ActivitySequence(process: Self.process(), seed: 1)
                .activeNeurons(layer: 2, block: 0)
        }
        let process = try Self.process()
        #expect((0...1).contains(process.expectedFrequency(layer: 1, block: 0, neuron: 99)))
        #expect(process.parents(layer: 1, block: 0, neuron: 99).count > 0)
    }

    @Test func `An empty batch traps`() async {
        await #expect(processExitsWith: .failure) {
            _ = try ActivityBatch(process: Self.process(), sequenceCount: 0, seed: 1)
        }
    }

    @Test func `A model without blocks or neurons advances`() throws {
        for neuronCounts in [[], [0]] {
            let process = try Measurement.process(
                .falcon, ActivityShape(layerCount: 1, neuronCounts: neuronCounts))
            var batch = ActivityBatch(process: process, sequenceCount: 2, seed: 1)
            batch.advance()
            #expect(batch.sequences[1].token == 1)
        }
    }
}
