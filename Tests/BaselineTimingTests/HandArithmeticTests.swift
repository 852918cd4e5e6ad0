import BaselineTiming
import HardwareModel
import ModelCatalogue
import Quantities
import SyntheticActivity
import Testing
import Topology

/// Three points of three systems, worked out from the numbers in the files alone: shapes from
/// `topology/models`, rates from `rtx4090-8dimm.yaml` and `compared-systems.yaml`.
@Suite struct HandArithmeticTests {
    private static func timed(
        _ system: ComparedSystem, _ model: String, batchSize: Int
    ) throws -> BaselineRun {
        let schedules = BaselineSchedules(
            systems: try Shipped.systems(), gpu: try Shipped.topology().gpu)
        let outcome = try schedules.outcome(
            of: system, model: try Shipped.model(model), workload: Workload(batchSize: batchSize))
        guard case .timed(let run) = outcome else { throw NotTimed() }
        return run
    }

    private struct NotTimed: Error {}

    /// A number of the file, as its line states it: the first one behind the key of a section.
    private static func number(_ key: String, of section: String, in file: String) throws -> Double
    {
        let lines = try Shipped.text(file).split(separator: "\n")
        let start = try #require(lines.firstIndex { $0.hasPrefix(section + ":") })
        let line = try #require(lines[start...].first { $0.hasPrefix("  \(key): ") })
        let text = line.dropFirst(key.count + 4).prefix { $0.isNumber || $0 == "." }
        return try #require(Double(text))
    }

    /// OPT-66B: 64 layers of 4 x 9216² + 2 x 9216 x 36864 weights, head 50272 x 9216, positions
    /// 2050 x 9216, 2 bytes each; 129 times over FlexGen's link; 128 tokens.
    @Test func `FlexGen with OPT-66B`() throws {
        let link = try Self.number("link", of: "flexgen", in: "compared-systems.yaml") * 1e9
        let layer = 4.0 * 9_216 * 9_216 + 2.0 * 9_216 * 36_864
        let weights = 2 * (64 * layer + 50_272.0 * 9_216 + 2_050.0 * 9_216)
        let expected = 128 / (129 * weights / link)
        let ours = try Self.timed(.flexGen, "opt-66b", batchSize: 1).tokensPerSecond
        #expect(abs(ours / expected - 1) < 0.001)
    }

    /// LLaMA2-70B: 80 layers of 8192 x 10240 + 8192² + 3 x 8192 x 28672 weights, head 32000 x 8192;
    /// keys and values 2 x 8 x 128 a position, at 128.5 + 64 positions; all of it read by five
    /// GPUs at 0.8 of 1555 GB/s; 160 all-reduces. Prefill: 2 operations a weight for 16 x 128
    /// tokens, the head once a sequence, attention to half the positions, at 0.5 of 312 TFLOPS.
    @Test func `TensorRT-LLM with LLaMA2-70B at batch 16`() throws {
        let file = "compared-systems.yaml"
        let allReduce = try Self.number("all_reduce", of: "tensorrt_llm", in: file) * 1e-6
        let bandwidth = try Self.number("bandwidth", of: "tensorrt_llm", in: file) * 1e9
        let share = try Self.number("bandwidth_efficiency", of: "tensorrt_llm", in: file)
        let compute = try Self.number("compute", of: "tensorrt_llm", in: file) * 1e12
        let use = try Self.number("compute_efficiency", of: "tensorrt_llm", in: file)
        let gpus = try Self.number("gpus", of: "tensorrt_llm", in: file)
        let layers = 80 * (8_192.0 * 10_240 + 8_192.0 * 8_192 + 3 * 8_192.0 * 28_672)
        let head = 32_000.0 * 8_192
        let cache = 2 * 80 * 2.0 * 8 * 128 * 16 * 192.5
        let token =
            (2 * (layers + head) + cache) / (gpus * bandwidth * share) + 160 * allReduce
        let attention = 80 * 4.0 * 8_192 * 16 * (128 * 129 / 2)
        let prefill =
            (2 * layers * 16 * 128 + attention) / (gpus * compute * use)
            + 2 * head / (gpus * bandwidth * share) + 160 * allReduce
        let expected = 16 * 128 / (prefill + 128 * token)
        let ours = try Self.timed(.tensorRTLLM, "llama2-70b", batchSize: 16).tokensPerSecond
        #expect(abs(ours / expected - 1) < 0.001)
    }

    /// Falcon-40B at batch 4 on Hermes-base: 20 GB on the GPU, of which 60 projections of 8192²
    /// and the head 65024 x 8192 come first; the DIMMs read the rest at what DRAM gives for 16 KiB
    /// and 32 KiB neurons, and multiply it 4 times with 256 x 8 lanes in 27 cycles at 1 GHz.
    @Test func `Hermes-base with Falcon-40B at batch 4`() throws {
        let machine = "rtx4090-8dimm.yaml"
        let gpu =
            try Self.number("bandwidth", of: "gpu", in: machine) * 1e9
            * Self.number("bandwidth_efficiency", of: "gpu", in: machine)
        let synchronisation = try Self.number("synchronisation", of: "gpu", in: machine) * 1e-6
        let pcie =
            try Self.number("bandwidth", of: "pcie", in: machine) * 1e9
            * Self.number("efficiency", of: "pcie", in: machine)
        let cycles = try Self.number("cycles", of: "hermes", in: "compared-systems.yaml")
        let dense = 2 * (60 * 8_192.0 * 8_192 + 65_024.0 * 8_192)
        let qkv = 2 * 60 * 8_192.0 * 9_216
        let mlp = 2 * 60 * 2 * 8_192.0 * 32_768
        let resident = 20e9 - dense
        let remote = qkv + mlp - resident
        let products = 8 * 256 * 8 / cycles * 1e9
        let topology = try Shipped.topology()
        let dram = try DRAMModel(DRAMConfiguration(topology.dimms[0]))
        func rate(_ blockByteCount: Int) throws -> Double {
            8e9
                * (try dram.efficiency(
                    mode: .ndpCenterBuffer, pattern: .randomBlocks(byteCount: blockByteCount)
                )
                .gigabytesPerSecond)
        }
        let cache = 4.0 * 192 * 2 * 60 * 8 * 64 * 2
        let dimms =
            remote * (qkv / (qkv + mlp)) / (try rate(18_432))
            + remote * (mlp / (qkv + mlp)) / (try rate(32_768)) + remote / 2 * 4 / products
            + cache / (try rate(8_192)) + 2 * 60 * 128.0 * 64 * 192 * 4 / products
        // Each of 8 DIMMs gets an input of 8192 and sends sums of 9216 and 8192 for each sequence,
        // in the layers that are not on the GPU; attention takes 9216 and returns 8192 in all.
        let layers = 60 * remote / (qkv + mlp)
        let sums = layers * 8 * 4 * 2 * (8_192.0 + 9_216 + 8_192 + 8_192)
        let messages = (sums + 60 * 4 * 2 * (9_216.0 + 8_192)) / pcie
        let token = dimms + 20e9 / gpu + 60 * 6 * synchronisation + messages
        // Layers that are on the GPU take their arithmetic; the others at least their transfer.
        let arithmetic = (qkv + mlp + dense) * 128 * 4 / (330e12 * 0.5) / 60
        let prefill =
            (60 - layers) * arithmetic + layers * max(arithmetic, (qkv + mlp) / 60 / pcie)
        let expected = 4 * 128 / (prefill + 128 * token)
        var table = DRAMEfficiencyTable()
        let model = try Shipped.model("falcon-40b")
        let estimate = HermesEstimate(
            model: model,
            machine: try EstimatedMachine(topology, model: model, using: &table),
            frequencies: try NeuronFrequencies(Shipped.statistics(model.family)))
        let ours = estimate.tokensPerSecond(
            .hermesBase, workload: Workload(batchSize: 4), systems: try Shipped.systems())
        #expect(abs(ours / expected - 1) < 0.001)
    }
}
