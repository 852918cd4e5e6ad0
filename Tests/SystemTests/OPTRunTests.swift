import Coordinator
import Messages
import ModelFile
import Quantities
import Telemetry
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Whole runs of a model without gates: ReLU's zeros are its activity, and nothing is lost.
@Suite struct OPTRunTests {
    private static let dimmCounts = [1, 2, 3, 4, 8, 16]

    /// Six heads, which divide neither 4 nor 8.
    private static func builder(
        _ format: WeightFormat, seed: UInt64 = 1, isDownTransposed: Bool = false
    ) -> GGUFBuilder {
        TinyOPT.builder(
            layers: 3, hidden: 96, heads: 6, feedForward: 160, format: format, seed: seed,
            isDownTransposed: isDownTransposed)
    }

    /// Logits that differ by rounding only, hence equal tokens until the reference hesitates.
    private func expectAgreement(
        _ run: RunOutcome, _ reference: RunOutcome,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(run.tokens.count == reference.tokens.count, sourceLocation: sourceLocation)
        var comparedCount = 0
        for step in reference.tokens.indices {
            let expected = reference.logits[step]
            let largest = expected.map(abs).max() ?? 0
            let isClose = zip(run.logits[step], expected).allSatisfy {
                abs($0 - $1) <= 1e-5 * largest
            }
            if !isClose {
                Issue.record("logits of step \(step)", sourceLocation: sourceLocation)
                return
            }
            comparedCount += 1
            if run.tokens[step] != reference.tokens[step] {
                #expect(reference.margins[step] < 0.02, sourceLocation: sourceLocation)
                break
            }
        }
        #expect(comparedCount > 2, "the comparison ended early", sourceLocation: sourceLocation)
    }

    @Test(arguments: dimmCounts, [WeightFormat.f32, .f16, .q8_0, .q4_0])
    func `Any number of DIMMs gives the reference's tokens`(
        dimmCount: Int, format: WeightFormat
    ) throws {
        for isDownTransposed in [false, true] {
            let model = try Self.builder(format, isDownTransposed: isDownTransposed).model()
            let plan = RunPlan(dimmCount: dimmCount, tokenCount: 10)
            let run = try SimulatedSystem.run(model, plan)
            expectAgreement(run, SimulatedSystem.reference(model, plan))
        }
    }

    @Test(arguments: [0, 10_000, 200_000, 1_000_000] as [UInt64])
    func `Any hot share gives the reference's tokens`(hotShare: UInt64) throws {
        let model = try Self.builder(.f16, seed: 3).model()
        let plan = RunPlan(dimmCount: 4, tokenCount: 6, hotShare: hotShare)
        let run = try SimulatedSystem.run(model, plan)
        expectAgreement(run, SimulatedSystem.reference(model, plan))
        let ledger = try #require(run.ledger)
        if hotShare == 1_000_000 { #expect(ledger.activeNeurons == [0, 0, 0, 0]) }
    }

    @Test func `A context is filled to its end, to the table's last row`() throws {
        let model = try TinyOPT.builder(format: .f16, contextLength: 24).model()
        for prompt in [[7], (0..<20).map { $0 }] as [[Int32]] {
            let plan = RunPlan(dimmCount: 3, prompt: prompt, tokenCount: 24 - prompt.count)
            let run = try SimulatedSystem.run(model, plan)
            expectAgreement(run, SimulatedSystem.reference(model, plan))
        }
    }

    /// All cold: every active neuron of the decode is some DIMM's, so the ledger's count is that
    /// of the reference.
    @Test(arguments: dimmCounts)
    func `DIMMs compute the up rows of all and the rest of the active neurons, no others`(
        dimmCount: Int
    ) throws {
        let model = try Self.builder(.f32, seed: 5).model()
        let plan = RunPlan(dimmCount: dimmCount, tokenCount: 6, hotShare: 0)
        let run = try SimulatedSystem.run(model, plan)
        let ledger = try #require(run.ledger)
        var transformer = ReferenceTransformer(
            model: model, contextCapacity: plan.contextCapacity, rule: nil, threadCount: 1)
        _ = transformer.forward(plan.prompt, at: 0, isDense: true)
        let before = transformer.activityCounts
        for step in 0..<plan.tokenCount {
            _ = transformer.forward(
                [run.tokens[step]], at: plan.prompt.count + step, isDense: false)
        }
        let active = zip(transformer.activityCounts, before).reduce(0) { sum, pair in
            sum + zip(pair.0, pair.1).reduce(0) { $0 + Int($1.0 - $1.1) }
        }
        // 6 tokens, 3 layers, 96 QKV neurons each; 160 MLP neurons, of which some are active.
        #expect(active > 6 * 3 * 160 / 10)
        #expect(active < 6 * 3 * 160 / 2)
        #expect(ledger.activeNeurons.reduce(0, +) == 6 * 3 * 96 + active)
        let attention = (0..<6).reduce(0) { $0 + 3 * 2 * 96 * (plan.prompt.count + $1 + 1) }
        #expect(
            ledger.multiplyAccumulates.reduce(0, +)
                == 6 * 3 * 96 * 288 + attention + 96 * (6 * 3 * 160 + active))
    }

    @Test(arguments: [false, true])
    func `Emulated time counts the bytes of up rows, biases and active columns`(
        isDownTransposed: Bool
    ) throws {
        let model = try Self.builder(.f16, isDownTransposed: isDownTransposed).model()
        var plan = RunPlan(dimmCount: 3, tokenCount: 2, hotShare: 0)
        let native = try SimulatedSystem.run(model, plan)
        plan.topology = try .small(dimmCount: 3)
        let run = try SimulatedSystem.run(model, plan)
        #expect(run.logitBits == native.logitBits)
        let time = try #require(run.time)
        let requests = time.timeline.events.filter {
            $0.kind == .request && $0.name == "MLP" && $0.token >= 0
        }
        #expect(requests.count == 2 * 3 * 3)
        for request in requests {
            let dimm = try #require(request.unit.split(separator: " ").last.flatMap { Int($0) })
            let candidates = UInt64((160 - dimm + 2) / 3)
            let activeMACs = request.macCount - candidates * 96
            #expect(activeMACs.isMultiple(of: 96))
            let active = activeMACs / 96
            #expect(active < candidates)
            #expect(request.byteCount == candidates * (96 * 2 + 4) + active * 96 * 2)
        }
        let bytes = requests.reduce(0) { $0 + $1.macCount / 96 }
        let neurons = try #require(run.ledger).activeNeurons.reduce(0, +)
        #expect(bytes == UInt64(2 * 3 * 160 + neurons - 2 * 3 * 96))
    }

    /// A bias is one more addend of a sum: 4 bytes and one addition an element.
    @Test func `The GPU's merges and projections count the biases`() throws {
        let model = try Self.builder(.f16).model()
        let plan = RunPlan(
            dimmCount: 3, tokenCount: 1, hotShare: 0, topology: try .small(dimmCount: 3))
        let time = try #require(try SimulatedSystem.run(model, plan).time)
        func kernel(_ name: String) throws -> TimelineEvent {
            try #require(
                time.timeline.events.first {
                    $0.kind == .kernel && $0.name == name && $0.token == 0
                })
        }
        let (qkv, mlp) = (try kernel("merge QKV"), try kernel("merge MLP"))
        #expect(qkv.byteCount == (5 + 1) * 288 * 4)
        #expect(qkv.macCount == 5 * 288)
        #expect(mlp.byteCount == (5 + 1) * 96 * 4)
        #expect(mlp.macCount == 5 * 96)
        let projection = try kernel("projection")
        #expect(projection.byteCount == 96 * 96 * 2 + 96 * 4)
        #expect(projection.macCount == 96 * 96 + 96)
    }
}
