import Coordinator
import Messages
import ModelFile
import NeuronShards
import Pacing
import Quantities
import Synchronization
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Whole runs in one process: any number of DIMMs gives what the reference transformer gives.
@Suite struct ShardedRunTests {
    private static let dimmCounts = [1, 2, 3, 4, 5, 7, 8, 13, 16]

    /// Three KV heads, as the default model has: they do not divide any power of two.
    private static func builder(_ format: WeightFormat, seed: UInt64 = 1) -> GGUFBuilder {
        TinyLlama.builder(
            layers: 3, hidden: 96, heads: 6, kvHeads: 3, feedForward: 160, format: format,
            seed: seed)
    }

    /// Equal tokens, and logits that differ by rounding only, until the reference itself
    /// hesitates.
    private func expectAgreement(
        _ run: RunOutcome, _ reference: RunOutcome, within tolerance: Float,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(run.tokens.count == reference.tokens.count, sourceLocation: sourceLocation)
        var comparedCount = 0
        for step in reference.tokens.indices {
            let expected = reference.logits[step]
            let largest = expected.map(abs).max() ?? 0
            let isClose = zip(run.logits[step], expected).allSatisfy {
                abs($0 - $1) <= tolerance * largest
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

    @Test(arguments: dimmCounts, [WeightFormat.f32, .f16, .q8_0, .q4_1])
    func `Any number of DIMMs gives the reference's tokens`(
        dimmCount: Int, format: WeightFormat
    ) throws {
        let model = try Self.builder(format).model()
        let plan = RunPlan(dimmCount: dimmCount, tokenCount: 10)
        let run = try SimulatedSystem.run(model, plan)
        expectAgreement(run, SimulatedSystem.reference(model, plan), within: 1e-5)
    }

    @Test(arguments: dimmCounts, [0.3, 0.7, 0.9])
    func `Any number of DIMMs gives the reference's tokens in a sparse run`(
        dimmCount: Int, sparsity: Double
    ) throws {
        let model = try Self.builder(.q4_1, seed: 2).model()
        var plan = RunPlan(dimmCount: dimmCount, tokenCount: 10)
        plan.rule = try model.calibratedRule(sparsity: sparsity)
        let run = try SimulatedSystem.run(model, plan)
        expectAgreement(run, SimulatedSystem.reference(model, plan), within: 1e-5)
        // Sums are wide, so the split hardly shows: the ledger counts the same neurons.
        var alone = plan
        alone.dimmCount = 1
        let active = try SimulatedSystem.run(model, alone).ledger?.activeNeurons.reduce(0, +)
        #expect(run.ledger?.activeNeurons.reduce(0, +) == active)
    }

    @Test(arguments: [0, 10_000, 200_000, 999_999, 1_000_000] as [UInt64], [false, true])
    func `Any hot share gives the reference's tokens`(hotShare: UInt64, isSparse: Bool) throws {
        let model = try Self.builder(.q8_0, seed: 3).model()
        var plan = RunPlan(dimmCount: 4, tokenCount: 6, hotShare: hotShare)
        if isSparse { plan.rule = try model.calibratedRule(sparsity: 0.6) }
        let run = try SimulatedSystem.run(model, plan)
        expectAgreement(run, SimulatedSystem.reference(model, plan), within: 1e-5)
        let ledger = try #require(run.ledger)
        if hotShare <= 200_000 { #expect(ledger.activeNeurons.allSatisfy { $0 > 0 }) }
        if hotShare == 1_000_000 { #expect(ledger.activeNeurons == [0, 0, 0, 0]) }
        if !isSparse {
            // 3 layers of 96 QKV and 160 MLP neurons, of which the hot ones are not counted.
            let cold = [96, 160].map { $0 - $0 * Int(hotShare) / 1_000_000 }.reduce(0, +)
            #expect(ledger.activeNeurons.reduce(0, +) == 6 * 3 * cold)
        }
    }

    @Test func `DIMMs without a neuron or a head take part`() throws {
        let model = try TinyLlama.builder(
            layers: 1, hidden: 32, heads: 1, kvHeads: 1, feedForward: 32, format: .q4_0
        ).model()
        for hotShare: UInt64 in [0, 500_000] {
            let plan = RunPlan(dimmCount: 37, tokenCount: 4, hotShare: hotShare)
            let run = try SimulatedSystem.run(model, plan)
            expectAgreement(run, SimulatedSystem.reference(model, plan), within: 1e-5)
            #expect(run.ledger?.activeNeurons.suffix(5) == [0, 0, 0, 0, 0])
        }
    }

    @Test func `A prompt of one token, and a context filled to its end, work`() throws {
        let model = try TinyLlama.builder(format: .q8_0, contextLength: 24).model()
        for prompt in [[7], (0..<20).map { $0 }] as [[Int32]] {
            let plan = RunPlan(dimmCount: 3, prompt: prompt, tokenCount: 24 - prompt.count)
            let run = try SimulatedSystem.run(model, plan)
            expectAgreement(run, SimulatedSystem.reference(model, plan), within: 1e-5)
        }
    }

    @Test(arguments: [false, true])
    func `Equal runs give equal bits, whatever the timing`(isSparse: Bool) throws {
        let model = try Self.builder(.q4_1, seed: 4).model()
        var plan = RunPlan(dimmCount: 5, tokenCount: 4)
        if isSparse { plan.rule = try model.calibratedRule(sparsity: 0.5) }
        let first = try SimulatedSystem.run(model, plan)
        let second = try SimulatedSystem.run(model, plan)
        #expect(second.logitBits == first.logitBits)
        for seed in UInt64(0)..<6 {
            let delayed = try SimulatedSystem.run(
                model, plan,
                LinkWrapping(
                    coordinatorEnd: { DelayingLink($1, seed: 100 * seed + UInt64($0)) },
                    workerEnd: { DelayingLink($1, seed: 999 * seed + UInt64($0)) }))
            #expect(delayed.logitBits == first.logitBits, "delays of seed \(seed)")
            #expect(delayed.ledger?.activeNeurons == first.ledger?.activeNeurons)
            #expect(delayed.ledger?.imbalances == first.ledger?.imbalances)
        }
    }

    @Test(arguments: [false, true])
    func `Virtual time changes no value, and no delay changes a time`(isSparse: Bool) throws {
        let model = try Self.builder(.q4_1, seed: 5).model()
        var plan = RunPlan(dimmCount: 3, tokenCount: 3)
        if isSparse { plan.rule = try model.calibratedRule(sparsity: 0.5) }
        let native = try SimulatedSystem.run(model, plan)
        #expect(native.time == nil)
        plan.topology = try .small(dimmCount: 3)
        let first = try SimulatedSystem.run(model, plan)
        #expect(first.logitBits == native.logitBits)
        #expect(first.ledger?.multiplyAccumulates == native.ledger?.multiplyAccumulates)
        let time = try #require(first.time)
        #expect(time.now > .start)
        #expect(first.farewell.allSatisfy { $0.busyPicoseconds > 0 })
        for seed in UInt64(0)..<4 {
            let delayed = try SimulatedSystem.run(
                model, plan,
                LinkWrapping(
                    coordinatorEnd: { DelayingLink($1, seed: 200 * seed + UInt64($0)) },
                    workerEnd: { DelayingLink($1, seed: 888 * seed + UInt64($0)) }))
            #expect(delayed.logitBits == first.logitBits)
            #expect(delayed.time?.now == time.now)
            #expect(delayed.time?.decodeDuration == time.decodeDuration)
            #expect(delayed.time?.links.map(\.link) == time.links.map(\.link))
            #expect(delayed.farewell == first.farewell)
            #expect(delayed.ledger?.imbalances == first.ledger?.imbalances)
        }
    }

    @Test func `Keys and values longer than a message go in several`() throws {
        let model = try TinyLlama.builder(format: .f32).model()
        var plan = RunPlan(dimmCount: 3, prompt: (0..<19).map { $0 * 3 }, tokenCount: 4)
        let whole = try SimulatedSystem.run(model, plan)
        // As long as the longest partial sum: header, report, 128 floats, one word of slots. Rows
        // have 16 elements each for key and value: 4 fit, so 19 need 5 messages for each of 2
        // layers' 2 heads.
        plan.maximumMessageByteCount =
            MessageHeader.byteCount + WorkReport.byteCount + 4 * 128 + 8
        let counts = Counts()
        let split = try SimulatedSystem.run(
            model, plan,
            LinkWrapping(workerEnd: { _, link in
                InspectingLink(link) { bytes in counts.add(header(of: bytes)) }
            }))
        #expect(split.logitBits == whole.logitBits)
        #expect(counts.messageCount.load(ordering: .relaxed) == 20)
        #expect(counts.rowCount.load(ordering: .relaxed) == 4 * 19)
    }

    /// Messages that store keys and values, and the rows in them.
    private final class Counts: Sendable {
        let messageCount = Atomic(0)
        let rowCount = Atomic(0)

        func add(_ header: MessageHeader) {
            guard header.kind == .storeKeysAndValues else { return }
            messageCount.add(1, ordering: .relaxed)
            rowCount.add(header.count, ordering: .relaxed)
        }
    }

    @Test func `Facts come in DIMM order, at the start and again at the end`() throws {
        let model = try Self.builder(.q8_0).model()
        let plan = RunPlan(dimmCount: 4, tokenCount: 1)
        let run = try SimulatedSystem.run(model, plan)
        #expect(run.ready.map(\.node) == [0, 1, 2, 3])
        #expect(run.farewell.map(\.node) == [0, 1, 2, 3])
        #expect(run.ready.map(\.processorNanoseconds) == [1, 1, 1, 1])
        #expect(run.farewell.map(\.processorNanoseconds) == [2, 2, 2, 2])
        // 9 heads of 3 layers; each 2 × 6 positions × 16 floats: DIMM 0 has three heads.
        let headByteCount: UInt64 = 2 * 6 * 16 * 4
        let headCounts = run.ready.map { $0.keyValueByteCount / headByteCount }
        #expect(headCounts == [3, 2, 2, 2])
        #expect(run.ready.allSatisfy { $0.weightByteCount > 0 })
    }

    @Test func `The ledger counts each DIMM's work, token by token`() throws {
        let model = try TinyLlama.builder(format: .f32).model()
        let plan = RunPlan(dimmCount: 2, prompt: [1, 2], tokenCount: 3, hotShare: 0)
        let ledger = try #require(try SimulatedSystem.run(model, plan).ledger)
        // Per token and layer a DIMM has 32 QKV neurons of 128 outputs, one KV head with a group
        // of 2 × 16 (scores and context over all positions), and 48 MLP neurons of 3 × 64.
        let products = (0..<3).map { 2 * (32 * 128 + 2 * 32 * (2 + $0 + 1) + 48 * 3 * 64) }
        #expect(ledger.multiplyAccumulates == Array(repeating: products.reduce(0, +), count: 2))
        #expect(ledger.activeNeurons == [3 * 2 * 80, 3 * 2 * 80])
        #expect(ledger.imbalances == [1, 1, 1])
        #expect(ledger.hotWeightByteCount == 0)
    }

    @Test(arguments: [WeightFormat.f32, .q8_0, .q4_0, .q4_1], [1, 4, 16])
    func `Hot copies stay within the memory that was given`(
        format: WeightFormat, divisor: Int
    ) throws {
        let model = try TinyLlama.builder(format: format).model()
        let counts = model.weights.byteCounts
        var plan = RunPlan(dimmCount: 2, tokenCount: 1, hotShare: 1_000_000)
        plan.memoryByteCount = (counts.queryKeyValue + counts.feedForward) / divisor
        let ledger = try #require(try SimulatedSystem.run(model, plan).ledger)
        #expect(ledger.hotWeightByteCount <= plan.memoryByteCount)
        // Most of it is used; the rest is less than what the next neuron needs.
        #expect(ledger.hotWeightByteCount > plan.memoryByteCount / 2)
    }
}
