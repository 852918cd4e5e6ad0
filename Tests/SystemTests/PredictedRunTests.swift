import ActivationPredictor
import Coordinator
import ModelFile
import PackedSets
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Whole runs that compute only predicted neurons.
@Suite struct PredictedRunTests {
    private static func llama(_ format: WeightFormat = .q4_1) throws -> DecoderModel {
        try TinyLlama.builder(
            layers: 4, hidden: 96, heads: 6, kvHeads: 3, feedForward: 160, format: format, seed: 2
        ).model()
    }

    private static func opt() throws -> DecoderModel {
        try TinyOPT.builder(
            layers: 4, hidden: 96, heads: 6, feedForward: 160, format: .f16, seed: 1
        ).model()
    }

    private func plan(
        _ model: DecoderModel, sparsity: Double? = 0.6,
        predictor: (any ActivityPredictor)? = nil, feedback: Feedback = .observed,
        isScored: Bool = true
    ) throws -> RunPlan {
        var plan = RunPlan(dimmCount: 3, tokenCount: 10)
        if let sparsity { plan.rule = try model.calibratedRule(sparsity: sparsity) }
        plan.prediction = predictor.map {
            PredictionSetting(predictor: $0, feedback: feedback, isScored: isScored)
        }
        return plan
    }

    /// Parents of each neuron: its namesake below and the next.
    private func combined(
        _ model: DecoderModel, _ constants: PredictorConstants = .closedLoop
    ) throws -> StatePredictor {
        let layout = model.feedForwardLayout
        let neuronCount = layout.neuronCounts[0]
        let table = try CorrelationTable(
            layout: layout,
            parents: (0..<layout.layerCount).map { layer in
                [
                    layer == 0
                        ? []
                        : (0..<neuronCount).flatMap {
                            [UInt16($0), UInt16(($0 + 1) % neuronCount)]
                        }
                ]
            })
        return StatePredictor(
            name: "combined", layout: layout, rule: .combined, constants: constants,
            correlations: table)
    }

    @Test(arguments: [0.3, 0.8])
    func `Whoever computes everyone, or knows who is active, changes no bit`(
        sparsity: Double
    ) throws {
        let model = try Self.llama()
        let exact = try SimulatedSystem.run(model, try plan(model, sparsity: sparsity))
        let everyone = try SimulatedSystem.run(
            model,
            try plan(model, sparsity: sparsity, predictor: ConstantPredictor(isActive: true)))
        #expect(everyone.logitBits == exact.logitBits)
        #expect(everyone.ledger?.multiplyAccumulates == exact.ledger?.multiplyAccumulates)
        #expect(everyone.prediction?.overall?.recall == 1)
        for feedback in Feedback.allCases {
            let oracle = try SimulatedSystem.run(
                model,
                try plan(
                    model, sparsity: sparsity, predictor: OraclePredictor(), feedback: feedback))
            #expect(oracle.logitBits == exact.logitBits)
            #expect(oracle.ledger?.activeNeurons == exact.ledger?.activeNeurons)
            let score = try #require(oracle.prediction?.overall)
            #expect(score.f1 == 1 && score.accuracy == 1)
            #expect(score.density == everyone.prediction?.overall?.density)
        }
    }

    /// OPT's inactive neurons contribute nothing at all, so leaving them out changes no bit.
    @Test func `Without gates the oracle and everyone are exact too`() throws {
        let model = try Self.opt()
        let exact = try SimulatedSystem.run(model, try plan(model, sparsity: nil))
        for predictor in [OraclePredictor(), ConstantPredictor(isActive: true)]
            as [any ActivityPredictor]
        {
            let run = try SimulatedSystem.run(
                model, try plan(model, sparsity: nil, predictor: predictor))
            #expect(run.logitBits == exact.logitBits, "\(predictor.name)")
            #expect(run.ledger?.activeNeurons == exact.ledger?.activeNeurons)
        }
    }

    @Test func `Whoever computes no one leaves layer 0`() throws {
        let model = try Self.llama()
        let nobody = ConstantPredictor(isActive: false)
        var plan = try plan(model, predictor: nobody)
        plan.hotShare = 0
        let run = try SimulatedSystem.run(model, plan)
        let record = try #require(run.prediction)
        #expect(record.computedCount == 10 * 160)
        #expect(record.neuronCount == 10 * 4 * 160)
        #expect(record.tokenCount == 10)
        let layers = try #require(record.layers)
        #expect(layers[0].recall == 1)
        #expect(layers.dropFirst().allSatisfy { $0.recall == 0 && $0.predictedShare == 0 })
        // QKV is computed in full: 10 tokens, 4 layers, 96 neurons; then layer 0's active ones.
        let active = Int((layers[0].density * 1600).rounded())
        #expect(run.ledger?.activeNeurons.reduce(0, +) == 10 * 4 * 96 + active)
    }

    @Test(arguments: [Feedback.observed, .full])
    func `Any number of DIMMs predicts and computes the same`(feedback: Feedback) throws {
        let model = try Self.llama()
        for predictor in [
            try combined(model), LastTokenPredictor(layout: model.feedForwardLayout),
        ] as [any ActivityPredictor] {
            var runs: [RunOutcome] = []
            for dimmCount in 1...4 {
                var plan = try plan(model, predictor: predictor, feedback: feedback)
                plan.dimmCount = dimmCount
                plan.hotShare = dimmCount == 3 ? 0 : 200_000
                runs.append(try SimulatedSystem.run(model, plan))
            }
            for run in runs.dropFirst() {
                #expect(run.tokens == runs[0].tokens, "\(predictor.name)")
                #expect(run.prediction?.layers == runs[0].prediction?.layers)
                #expect(run.prediction?.computedCount == runs[0].prediction?.computedCount)
            }
            let share = try #require(runs[0].prediction?.overall).predictedShare
            #expect(share > 0.01 && share < 0.99, "\(predictor.name) predicts \(share)")
        }
    }

    /// A predictor that was shown what the run computed says the same outside of it.
    @Test func `States move by what was computed, and by all where the truth is fed back`() throws {
        let model = try Self.llama()
        let predictor = SpyPredictor()
        for feedback in Feedback.allCases {
            predictor.log.reset()
            _ = try SimulatedSystem.run(
                model, try plan(model, predictor: predictor, feedback: feedback))
            let calls = predictor.log.calls
            #expect(calls.count == 10 * 4)
            for (index, call) in calls.enumerated() {
                #expect(call.layer == index % 4)
                if feedback == .full {
                    #expect(call.observed == nil)
                    continue
                }
                let observed = try #require(call.observed)
                let everyOther = PackedSet(
                    elementCount: 160, members: stride(from: 0, to: 160, by: 2))
                #expect(observed == (call.layer == 0 ? .full(elementCount: 160) : everyOther))
                #expect(call.active.intersectionCount(observed) == call.active.memberCount)
                #expect(!call.active.isEmpty)
                if call.layer > 0 { #expect(call.parents == calls[index - 1].active) }
            }
        }
    }

    @Test func `Emulated time counts what is computed, and predictions cost none of it`() throws {
        let model = try Self.llama()
        var exact = try plan(model)
        exact.topology = try .small(dimmCount: 3)
        var all = try plan(model, predictor: ConstantPredictor(isActive: true), isScored: false)
        all.topology = exact.topology
        var none = try plan(model, predictor: ConstantPredictor(isActive: false))
        none.topology = exact.topology
        let exactRun = try SimulatedSystem.run(model, exact)
        let allRun = try SimulatedSystem.run(model, all)
        let noneRun = try SimulatedSystem.run(model, none)
        #expect(allRun.time?.now == exactRun.time?.now)
        #expect(try #require(noneRun.time?.now) < #require(exactRun.time?.now))
        #expect(allRun.prediction?.layers == nil)
        #expect(noneRun.prediction?.layers != nil)
    }
}

/// Predicts every other neuron, and keeps what it is told.
private struct SpyPredictor: ActivityPredictor {
    struct Call {
        let layer: Int
        let parents: PackedSet?
        let active: PackedSet
        let observed: PackedSet?
    }

    /// Shared by the copies; the coordinator's thread alone writes, and is joined before a read.
    final class Log: @unchecked Sendable {
        fileprivate(set) var calls: [Call] = []
        fileprivate var parents: PackedSet?

        func reset() { calls = [] }
    }

    let log = Log()
    let name = "spy"
    let byteCount = 0

    mutating func beginDecode(after prefill: PrefillActivity) {}

    mutating func predict(
        layer: Int, block: Int, parents: PackedSet?, truth: PackedSet?,
        into predicted: inout PackedSet
    ) {
        log.parents = parents
        predicted.removeAll()
        for neuron in stride(from: 0, to: predicted.elementCount, by: 2) {
            predicted.insert(neuron)
        }
    }

    mutating func observe(layer: Int, block: Int, active: PackedSet, observed: PackedSet?) {
        log.calls.append(
            Call(layer: layer, parents: log.parents, active: active, observed: observed))
    }
}
