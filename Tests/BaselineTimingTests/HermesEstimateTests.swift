import BaselineTiming
import HardwareModel
import ModelCatalogue
import Quantities
import SyntheticActivity
import Testing

@Suite struct HermesEstimateTests {
    private static func estimate(_ name: String) throws -> HermesEstimate {
        let model = try Shipped.model(name)
        var table = DRAMEfficiencyTable()
        return HermesEstimate(
            model: model,
            machine: try EstimatedMachine(Shipped.topology(), model: model, using: &table),
            frequencies: try NeuronFrequencies(Shipped.statistics(model.family)))
    }

    /// At batch 1 the union is the density itself: 0.10, 0.19, 0.193. The most frequent share
    /// carries 80 % of it.
    @Test(arguments: ModelFamily.allCases)
    func `The neurons of one sequence have the family's density`(family: ModelFamily) throws {
        let statistics = try Shipped.statistics(family)
        let frequencies = try NeuronFrequencies(statistics)
        let density = statistics.density.doubleValue
        let load = frequencies.load(
            batchSize: 1, hotShare: statistics.frequentShare.doubleValue)
        #expect(abs(load.hotUnion + load.coldUnion - density) < 1e-3 * density)
        #expect(abs(load.hotUnion - 0.8 * density) < 0.01 * density)
        #expect(abs(load.coldActivations - load.coldUnion) < 1e-9)
    }

    @Test func `A batch's union grows slower than its activations`() throws {
        let frequencies = try NeuronFrequencies(Shipped.statistics(.opt))
        let one = frequencies.load(batchSize: 1, hotShare: 0.1)
        let sixteen = frequencies.load(batchSize: 16, hotShare: 0.1)
        #expect(abs(sixteen.coldActivations / one.coldActivations - 16) < 1e-6)
        #expect(sixteen.coldUnion < 16 * one.coldUnion)
        #expect(sixteen.coldUnion > one.coldUnion)
        #expect(sixteen.hotUnion + sixteen.coldUnion < 1)
        let all = frequencies.load(batchSize: 3, hotShare: 1)
        #expect(all.coldUnion == 0)
        #expect(all.coldActivations == 0)
    }

    /// By hand: (20 GB - dense) / neurons, at most 20 %. OPT-66B: 64 x 169,869,312 B of projections
    /// and 964,399,104 B of embeddings are dense; 64 x 1,868,562,432 B of neurons.
    @Test func `The hot share is what fits, at most the policy's`() throws {
        #expect(try Self.estimate("opt-13b").hotShare == 0.2)
        let dense = 64 * 169_869_312.0 + 964_399_104
        let expected = (20e9 - dense) / (64 * 1_868_562_432.0)
        #expect(abs(try Self.estimate("opt-66b").hotShare - expected) < 1e-9)
        #expect(try Self.estimate("opt-66b").hotShare < 0.07)
    }

    @Test(arguments: ["opt-13b", "llama2-70b", "falcon-40b"])
    func `The family's members keep the published order`(name: String) throws {
        let estimate = try Self.estimate(name)
        let systems = try Shipped.systems()
        for batchSize in [1, 4, 16] {
            let workload = Workload(batchSize: batchSize)
            let speeds = [ComparedSystem.hermes, .hermesBase].map {
                estimate.tokensPerSecond($0, workload: workload, systems: systems)
            }
            let host = estimate.tokensPerSecond(
                .hermesHost, workload: workload, systems: systems)
            #expect(speeds[0] > speeds[1])
            #expect(speeds[0] > host)
        }
    }

    /// The paper, figure 14: 32 GB DIMMs for OPT-13B, OPT-30B, Falcon-40B and LLaMA2-70B; their
    /// number doubles.
    @Test(arguments: zip(["opt-13b", "opt-30b", "falcon-40b", "llama2-70b"], [1, 2, 4, 8]))
    func `The published number of DIMMs holds a model, and half of them do not`(
        name: String, count: Int
    ) throws {
        let needed = ModelResidence.neededByteCount(
            model: try Shipped.model(name), workload: Workload(batchSize: 1))
        for memory in [32_000_000_000, 32 << 30] as [UInt64] {
            #expect(needed.bytes <= UInt64(count) * memory)
            #expect(2 * needed.bytes > UInt64(count) * memory)
        }
    }

    @Test func `Keys and values of every sequence count until its end`() throws {
        let model = try Shipped.model("opt-13b")
        let workload = Workload(batchSize: 2, promptTokenCount: 10, tokenCount: 10)
        // 2 sequences x 20 positions x 819,200 B.
        #expect(
            ModelResidence.neededByteCount(model: model, workload: workload)
                == ByteCount(UInt64(model.weightByteCount) + 40 * 819_200))
    }
}
