import ActivationPredictor
import Coordinator
import DIMMWorker
import Messages
import ModelFile
import NeuronPlacement
import NeuronShards
import PackedSets
import Scheduling
import SeededRandom
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Runs whose homes and hot set were decided beforehand: whatever they are, the tokens stay.
@Suite struct PlacedRunTests {
    private static func llama(_ format: WeightFormat = .q4_1) throws -> DecoderModel {
        try TinyLlama.builder(
            layers: 4, hidden: 96, heads: 6, kvHeads: 3, feedForward: 160, format: format, seed: 6
        ).model()
    }

    private static func opt() throws -> DecoderModel {
        try TinyOPT.builder(
            layers: 4, hidden: 96, heads: 6, feedForward: 160, format: .q8_0, seed: 7
        ).model()
    }

    /// Homes by lot, low DIMMs more often than high ones; in layer `l` DIMM `l mod J` holds
    /// nothing, and everything is hot with probability 1/8.
    private static func uneven(
        _ model: DecoderModel, dimmCount: Int, seed: UInt64
    ) -> StartingPlacement {
        var random = SplitMix64(seed: seed)
        func homes(_ neuronCount: Int) -> [HomeMap] {
            (0..<model.shape.layerCount).map { layer in
                HomeMap(
                    dimms: (0..<neuronCount).map { _ in
                        let lots = (0..<2).map { _ in Int.random(in: 0..<dimmCount, using: &random)
                        }
                        let dimm = lots.min() ?? 0
                        let isBarred = dimmCount > 1 && dimm == layer % dimmCount
                        return UInt16(isBarred ? (dimm + 1) % dimmCount : dimm)
                    }, dimmCount: dimmCount)
            }
        }
        func hot(_ neuronCount: Int) -> [[UInt32]] {
            (0..<model.shape.layerCount).map { _ in
                (0..<UInt32(neuronCount)).filter { _ in random.next() % 8 == 0 }
            }
        }
        return StartingPlacement(
            homes: HomePlan(
                qkv: homes(model.shape.hiddenSize),
                feedForward: homes(model.shape.feedForwardSize)),
            hot: NeuronAssignment(
                qkv: hot(model.shape.hiddenSize), feedForward: hot(model.shape.feedForwardSize)))
    }

    private static func plan(
        _ model: DecoderModel, dimmCount: Int, seed: UInt64 = 1
    ) throws -> RunPlan {
        var plan = RunPlan(dimmCount: dimmCount, tokenCount: 10)
        plan.start = uneven(model, dimmCount: dimmCount, seed: seed)
        return plan
    }

    private func expectAgreement(
        _ run: RunOutcome, _ reference: RunOutcome,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(run.tokens == reference.tokens, sourceLocation: sourceLocation)
        for (step, expected) in reference.logits.enumerated() {
            let largest = expected.map(abs).max() ?? 0
            let isClose = zip(run.logits[step], expected).allSatisfy {
                abs($0 - $1) <= 1e-5 * largest
            }
            if !isClose {
                Issue.record("logits of step \(step)", sourceLocation: sourceLocation)
                return
            }
        }
    }

    // MARK: Values

    @Test(arguments: [1, 2, 3, 4, 8], [WeightFormat.f16, .q8_0, .q4_1])
    func `Arbitrary homes give the reference's tokens`(
        dimmCount: Int, format: WeightFormat
    ) throws {
        let model = try Self.llama(format)
        let plan = try Self.plan(model, dimmCount: dimmCount)
        let run = try SimulatedSystem.run(model, plan)
        expectAgreement(run, SimulatedSystem.reference(model, plan))
        // Who is cold is computed on the DIMMs, once each.
        let start = try #require(plan.start)
        let hotCount = (start.hot.qkv + start.hot.feedForward).reduce(0) { $0 + $1.count }
        #expect(
            run.ledger?.activeNeurons.reduce(0, +)
                == plan.tokenCount * (model.shape.layerCount * (96 + 160) - hotCount))
    }

    @Test(arguments: [1, 4, 8])
    func `Arbitrary homes give the reference's tokens in sparse runs, by rule and by ReLU`(
        dimmCount: Int
    ) throws {
        let llama = try Self.llama()
        var plan = try Self.plan(llama, dimmCount: dimmCount, seed: 2)
        plan.rule = try llama.calibratedRule(sparsity: 0.6)
        expectAgreement(
            try SimulatedSystem.run(llama, plan), SimulatedSystem.reference(llama, plan))
        let opt = try Self.opt()
        let natural = try Self.plan(opt, dimmCount: dimmCount, seed: 3)
        expectAgreement(
            try SimulatedSystem.run(opt, natural), SimulatedSystem.reference(opt, natural))
    }

    @Test func `The homes that round-robin has, given beforehand, change no bit`() throws {
        let model = try Self.llama()
        var plan = RunPlan(dimmCount: 3, tokenCount: 6, hotShare: 0)
        plan.topology = try .small(dimmCount: 3)
        let standard = try SimulatedSystem.run(model, plan)
        let none = Array(repeating: [UInt32](), count: model.shape.layerCount)
        plan.start = StartingPlacement(
            homes: HomePlan(
                layerCount: model.shape.layerCount, qkvNeuronCount: 96,
                feedForwardNeuronCount: 160, dimmCount: 3),
            hot: NeuronAssignment(qkv: none, feedForward: none))
        let placed = try SimulatedSystem.run(model, plan)
        #expect(placed.logitBits == standard.logitBits)
        #expect(placed.farewell == standard.farewell)
        #expect(placed.time?.now == standard.time?.now)
    }

    @Test func `Each worker loads exactly the neurons that are at home there`() throws {
        let model = try Self.llama()
        let plan = try Self.plan(model, dimmCount: 4)
        let run = try SimulatedSystem.run(model, plan)
        let start = try #require(plan.start)
        for dimm in 0..<4 {
            let byteCount = NeuronShard.byteCount(
                of: start.homes.assignment(ofDIMM: dimm), weights: model.weights)
            #expect(run.ready[dimm].weightByteCount == UInt64(byteCount))
        }
        let hotByteCount = NeuronShard.byteCount(of: start.hot, weights: model.weights)
        #expect(run.ledger?.hotWeightByteCount == hotByteCount)
    }

    @Test func `A hot set that the GPU's memory does not hold is refused`() throws {
        let model = try Self.llama()
        var plan = try Self.plan(model, dimmCount: 2)
        plan.memoryByteCount = 1000
        #expect(throws: CoordinatorError.self) { try SimulatedSystem.run(model, plan) }
    }

    // MARK: With what else a run does

    @Test(arguments: [false, true])
    func `Neurons move on from arbitrary homes`(isSparse: Bool) throws {
        let model = isSparse ? try Self.llama() : try Self.opt()
        let topology = try Topology.small(dimmCount: 4)
        for choice: RebalanceChoice in [.window, .longestFirst] {
            var plan = try Self.plan(model, dimmCount: 4, seed: 4)
            plan.tokenCount = 18
            // Copies have tables of scales of their own; more may be hot than the lots chose.
            plan.hotShare = 500_000
            if isSparse { plan.rule = try model.calibratedRule(sparsity: 0.6) }
            plan.topology = topology
            plan.moving = MovingPlan(
                rebalancing: choice, adjustsHotSet: true, topology: topology)
            let run = try SimulatedSystem.run(model, plan)
            #expect(try #require(run.migration).remapCount > 0)
            expectAgreement(run, SimulatedSystem.reference(model, plan))
            let homes = try #require(run.homes)
            #expect(homes.inFlight.isEmpty)
        }
    }

    @Test func `Whoever predicts everyone computes the same from arbitrary homes`() throws {
        let model = try Self.llama()
        var plan = try Self.plan(model, dimmCount: 3, seed: 5)
        plan.rule = try model.calibratedRule(sparsity: 0.5)
        let exact = try SimulatedSystem.run(model, plan)
        plan.prediction = PredictionSetting(
            predictor: ConstantPredictor(isActive: true), feedback: .observed, isScored: true)
        let everyone = try SimulatedSystem.run(model, plan)
        #expect(everyone.logitBits == exact.logitBits)
        plan.prediction = PredictionSetting(
            predictor: OraclePredictor(), feedback: .observed, isScored: true)
        let oracle = try SimulatedSystem.run(model, plan)
        #expect(oracle.logitBits == exact.logitBits)
        #expect(oracle.prediction?.overall?.f1 == 1)
    }
}
