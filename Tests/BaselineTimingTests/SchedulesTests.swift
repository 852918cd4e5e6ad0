import BaselineTiming
import ModelCatalogue
import Quantities
import Testing
import Topology

@Suite struct SchedulesTests {
    private static func outcome(
        _ system: ComparedSystem, _ model: String, _ workload: Workload,
        systems: ComparedSystems? = nil
    ) throws -> BaselineOutcome {
        let schedules = BaselineSchedules(
            systems: try systems ?? Shipped.systems(), gpu: try Shipped.topology().gpu)
        return try schedules.outcome(
            of: system, model: try Shipped.model(model), workload: workload)
    }

    private static func run(
        _ system: ComparedSystem, _ model: String, _ workload: Workload
    ) throws -> BaselineRun {
        switch try outcome(system, model, workload) {
        case .timed(let run): return run
        case .unsupported(let reason):
            throw Unsupported(reason: reason)
        }
    }

    private struct Unsupported: Error { let reason: String }

    private static let cases: [(ComparedSystem, String)] = [
        (.accelerate, "opt-13b"), (.accelerate, "llama2-70b"), (.accelerate, "falcon-40b"),
        (.flexGen, "opt-13b"), (.flexGen, "opt-66b"), (.dejaVu, "opt-30b"),
        (.dejaVu, "opt-66b"), (.tensorRTLLM, "llama2-70b"), (.tensorRTLLM, "opt-66b"),
    ]

    @Test(arguments: cases)
    func `The parts add up exactly, and each system spends on what it does`(
        system: ComparedSystem, model: String
    ) throws {
        let workload = Workload(batchSize: 4)
        let run = try Self.run(system, model, workload)
        let parts = run.breakdown
        let sum =
            parts.prefill + parts.qkv + parts.attention + parts.projection + parts.mlp
            + parts.communication + parts.predictor + parts.other
        #expect(sum == run.prefill + run.decode)
        #expect(parts.mlp > parts.qkv)
        #expect(parts.communication > .zero)
        #expect((parts.predictor > .zero) == (system == .dejaVu))
        #expect(run.generatedTokenCount == 4 * 128)
        let expected = Double(4 * 128) / (run.prefill.seconds + run.decode.seconds)
        #expect(abs(run.tokensPerSecond / expected - 1) < 1e-9)
    }

    /// FlexGen: 129 passes of W / link, and the last head's kernel, which nothing hides.
    @Test(arguments: ["opt-13b", "opt-30b", "opt-66b"], [1, 16])
    func `FlexGen's schedule is its closed form where the link decides`(
        model: String, batchSize: Int
    ) throws {
        let workload = Workload(batchSize: batchSize)
        let run = try Self.run(.flexGen, model, workload)
        let weights = Double(try Shipped.model(model).weightByteCount)
        let pass = weights / Double(try Shipped.systems().flexGen.linkBandwidth.bytesPerSecond)
        #expect(abs(run.breakdown.total.seconds / (129 * pass) - 1) < 1e-3)
        #expect(abs(run.prefill.seconds / pass - 1) < 0.02)
        #expect(run.movedByteCount.bytes == UInt64(weights) * 129)
        #expect(run.residentShare == 0)
    }

    /// A long prompt of a large batch takes longer than the link: compute decides each step.
    @Test func `FlexGen hides the link where computation decides`() throws {
        let run = try Self.run(
            .flexGen, "opt-13b", Workload(batchSize: 8, promptTokenCount: 1_000, tokenCount: 1))
        let model = try Shipped.model("opt-13b")
        let gpu = try Shipped.topology().gpu
        let operations =
            2.0 * 8 * 1_000
            * Double(
                model.layerCount * (model.layerNeuronWeightCount + model.projectionWeightCount))
        let compute = operations / Double(gpu.effectiveComputeRate.operationsPerSecond)
        #expect(run.prefill.seconds > compute)
        #expect(run.prefill.seconds < 1.2 * compute)
    }

    /// Accelerate: 129 passes of the weights that are not resident, then all kernels.
    @Test(arguments: ["opt-13b", "opt-66b", "llama2-13b", "llama2-70b", "falcon-40b"])
    func `Accelerate's schedule is its closed form`(model: String) throws {
        let run = try Self.run(.accelerate, model, Workload(batchSize: 1))
        let weights = Double(try Shipped.model(model).weightByteCount)
        let link = Double(try Shipped.systems().accelerate.linkBandwidth.bytesPerSecond)
        let kernels =
            weights / Double(try Shipped.topology().gpu.effectiveBandwidth.bytesPerSecond)
        let pass = weights * (1 - run.residentShare) / link + kernels
        #expect(abs(run.breakdown.total.seconds / (129 * pass) - 1) < 0.01)
        // Whole layers within 20 GB, less keys and values and the layer that comes.
        let resident = run.residentShare * weights
        #expect(resident < 20e9)
        #expect(resident > 20e9 - 2 * 2.1e9)
    }

    @Test func `Accelerate keeps fewer layers where keys and values need the memory`() throws {
        let small = try Self.run(.accelerate, "opt-66b", Workload(batchSize: 1))
        let large = try Self.run(.accelerate, "opt-66b", Workload(batchSize: 16))
        #expect(large.residentShare < small.residentShare)
        #expect(large.movedByteCount > small.movedByteCount)
    }

    /// Deja Vu: W / link, then per token fetched share / communication share x W / link.
    @Test(arguments: ["opt-13b", "opt-66b"], [1, 16])
    func `Deja Vu's schedule is its closed form and has the published shares`(
        model: String, batchSize: Int
    ) throws {
        let run = try Self.run(.dejaVu, model, Workload(batchSize: batchSize))
        let weights = Double(try Shipped.model(model).weightByteCount)
        let systems = try Shipped.systems()
        let pass = weights / Double(systems.flexGen.linkBandwidth.bytesPerSecond)
        let token = systems.dejaVu.fetchedShare.doubleValue / 0.89 * pass
        #expect(abs(run.breakdown.total.seconds / (pass + 128 * token) - 1) < 1e-3)
        let decode = run.decode.seconds
        #expect(abs(run.breakdown.communication.seconds / decode - 0.89) < 1e-3)
        let rest = decode - run.breakdown.communication.seconds
        #expect(abs(run.breakdown.predictor.seconds / rest - 0.181) < 1e-3)
    }

    /// TensorRT-LLM: (W + KV) / 5 GPUs + 2 L all-reduces; embeddings are looked up, not read.
    @Test(arguments: [1, 2, 16])
    func `TensorRT-LLM's schedule is its closed form`(batchSize: Int) throws {
        let run = try Self.run(.tensorRTLLM, "llama2-70b", Workload(batchSize: batchSize))
        let model = try Shipped.model("llama2-70b")
        let facts = try Shipped.systems().tensorRTLLM
        let read =
            Double(model.weightByteCount - model.headByteCount)
            + Double(model.keyValueByteCountPerPosition) * 192.5 * Double(batchSize)
        let token = read / (5 * 1_555e9 * 0.8) + 2 * 80 * facts.allReduceCost.seconds
        #expect(abs(run.decode.seconds / (128 * token) - 1) < 1e-3)
        #expect(run.residentShare == 1)
        #expect(run.breakdown.communication == facts.allReduceCost * UInt64(2 * 80 * 128))
    }

    @Test func `More sequences are faster together, never slower than alone`() throws {
        for (system, model) in Self.cases {
            let one = try Self.run(system, model, Workload(batchSize: 1))
            let four = try Self.run(system, model, Workload(batchSize: 4))
            #expect(four.tokensPerSecond > one.tokensPerSecond)
            #expect(four.breakdown.total >= one.breakdown.total)
        }
    }

    // MARK: What cannot run

    @Test(arguments: [ComparedSystem.flexGen, .dejaVu], ["llama2-70b", "falcon-40b"])
    func `A family that a system has no code for is not supported`(
        system: ComparedSystem, model: String
    ) throws {
        let outcome = try Self.outcome(system, model, Workload(batchSize: 1))
        guard case .unsupported(let reason) = outcome else {
            Issue.record("\(system) ran \(model)")
            return
        }
        #expect(reason.contains("no implementation of family"))
        var systems = try Shipped.systems()
        systems.flexGen.families.append(contentsOf: [.llama2, .falcon])
        systems.dejaVu.families.append(contentsOf: [.llama2, .falcon])
        let run = try Self.outcome(system, model, Workload(batchSize: 1), systems: systems)
        guard case .timed = run else {
            Issue.record("\(system) did not run \(model) though its family is listed")
            return
        }
    }

    @Test(arguments: [
        (ComparedSystem.accelerate, "falcon-180b", 1, "the host's memory of 192 GB"),
        (.tensorRTLLM, "falcon-180b", 1, "5 GPUs of 200 GB"),
        (.flexGen, "opt-66b", 64, "the GPU's usable memory of 20 GB"),
        (.dejaVu, "opt-66b", 64, "the GPU's usable memory of 20 GB"),
        (.accelerate, "opt-66b", 64, "the GPU's usable memory of 20 GB"),
    ])
    func `What does not fit is not supported, and the reason says what and where`(
        system: ComparedSystem, model: String, batchSize: Int, place: String
    ) throws {
        let outcome = try Self.outcome(system, model, Workload(batchSize: batchSize))
        guard case .unsupported(let reason) = outcome else {
            Issue.record("\(system) ran \(model) at batch \(batchSize)")
            return
        }
        #expect(reason.contains("more than \(place)"))
    }

    @Test func `A run that emulated time cannot count is refused`() throws {
        #expect(throws: BaselineTimingError.tooLong(.accelerate)) {
            try Self.outcome(
                .accelerate, "llama2-70b",
                Workload(batchSize: 1, promptTokenCount: 1, tokenCount: 1 << 40))
        }
    }
}
