import Coordinator
import Messages
import ModelFile
import Quantities
import Scheduling
import TestLevels
import TestModels
import Testing
import Topology
import Transformer
import WeightFormats

/// Whole runs in one process, with workers that die and messages that are damaged by a seed: the
/// tokens stay, bit for bit, and each neuron has one home.
@Suite struct RecoveryTests {
    private static func model(isGated: Bool, seed: UInt64 = 5) throws -> DecoderModel {
        isGated
            ? try TinyLlama.builder(
                layers: 2, hidden: 64, heads: 4, kvHeads: 2, feedForward: 96, format: .q4_1,
                seed: seed
            ).model()
            : try TinyOPT.builder(
                layers: 2, hidden: 64, heads: 4, feedForward: 96, format: .q8_0, seed: seed
            ).model()
    }

    private static func plan(moves: Bool = false, isTimed: Bool = false) throws -> RunPlan {
        var plan = RunPlan(dimmCount: 3, tokenCount: 10)
        let topology = try Topology.small(dimmCount: 3)
        if isTimed { plan.topology = topology }
        if moves {
            plan.moving = MovingPlan(
                rebalancing: .window, adjustsHotSet: true, topology: topology)
        }
        return plan
    }

    // MARK: Seeds

    /// A tenth of the seeds in a plain test.
    private static let seeds: Range<UInt64> = 0..<(TestLevel.current == .plain ? 10 : 100)

    @Test(arguments: seeds)
    func `Deaths and damage leave every logit as it is`(seed: UInt64) throws {
        let isGated = seed.isMultiple(of: 2)
        let model = try Self.model(isGated: isGated)
        var plan = try Self.plan(isTimed: seed.isMultiple(of: 3))
        if isGated { plan.rule = try model.calibratedRule(sparsity: 0.5) }
        let expected = try SimulatedSystem.run(model, plan)
        let system = FaultySystem(
            model, plan, FaultRates(death: 60 + seed % 60, damage: 30 + seed % 40), seed: seed)
        let run = try system.run()
        #expect(run.logitBits == expected.logitBits)
        #expect(run.ledger?.activeNeurons == expected.ledger?.activeNeurons)
        let restarts = run.recoveries.count { $0.remedy == .restart }
        // Some are lost again before they have what the lost one had.
        #expect(restarts <= system.restartCount)
        #expect((restarts > 0) == (system.finishCount > 0))
        #expect(!run.recoveries.isEmpty)
    }

    @Test(arguments: seeds.map { 100 + $0 })
    func `Deaths and damage while neurons move leave the tokens and one home for each`(
        seed: UInt64
    ) throws {
        let model = try Self.model(isGated: false, seed: seed % 3)
        let plan = try Self.plan(moves: true, isTimed: seed.isMultiple(of: 2))
        let expected = SimulatedSystem.reference(model, plan)
        let run = try FaultySystem(
            model, plan,
            FaultRates(death: 80 + seed % 50, damage: 60 + seed % 40, peerDamage: 4), seed: seed
        ).run()
        #expect(run.tokens == expected.tokens)
        let homes = try #require(run.homes)
        expectOneHome(homes, layerCount: 2, dimmCount: 3, neuronCount: 96)
    }

    @Test(arguments: 200..<220 as Range<UInt64>)
    func `Damage alone costs no worker that serves`(seed: UInt64) throws {
        let model = try Self.model(isGated: false, seed: seed % 3)
        let plan = try Self.plan(moves: true, isTimed: true)
        let system = FaultySystem(
            model, plan, FaultRates(damage: 25 + seed % 20, sparesSetUp: true), seed: seed)
        let run = try system.run()
        #expect(run.tokens == SimulatedSystem.reference(model, plan).tokens)
        #expect(run.recoveries.contains { $0.remedy == .repetition })
        #expect(system.restartCount == 0)
    }

    // MARK: Time

    @Test func `A reload takes its time on the links, and work is not counted twice`() throws {
        let model = try Self.model(isGated: false)
        let plan = try Self.plan(isTimed: true)
        let quiet = try SimulatedSystem.run(model, plan)
        let run = try FaultySystem(model, plan, FaultRates(death: 97), seed: 4).run()
        let delays = run.recoveries.map(\.delay)
        #expect(!delays.isEmpty)
        #expect(delays.allSatisfy { $0 > .zero })
        let end = try #require(run.time?.now)
        let quietEnd = try #require(quiet.time?.now)
        #expect(end > quietEnd)
        // By hand: 25.6 GB/s for the weights, then the whole path for keys and values.
        let record = try #require(run.recoveries.first)
        #expect(
            record.delay.picoseconds
                >= UInt64(record.weightByteCount + record.keyValueByteCount) * 1000 / 26)
        #expect(
            run.farewell.map(\.busyPicoseconds) == quiet.farewell.map(\.busyPicoseconds))
    }

    @Test func `Equal seeds give equal runs, time included`() throws {
        let model = try Self.model(isGated: false)
        let plan = try Self.plan(isTimed: true)
        let rates = FaultRates(death: 90, damage: 40)
        let runs = try (0..<2).map { _ in
            try FaultySystem(model, plan, rates, seed: 11).run()
        }
        #expect(runs[0].recoveries.contains { $0.remedy == .restart })
        #expect(!runs[0].recoveries.isEmpty)
        #expect(runs[0].recoveries == runs[1].recoveries)
        #expect(runs[0].time?.now == runs[1].time?.now)
    }

    // MARK: Ends

    @Test func `Without restarts left the failure ends the run and says so`() throws {
        let model = try Self.model(isGated: false)
        let plan = try Self.plan()
        let error = #expect(throws: CoordinatorError.self) {
            try FaultySystem(model, plan, FaultRates(death: 40), seed: 3, restartLimit: 2).run()
        }
        guard case .notReplaced(_, _, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason == "all are used up")
    }

    @Test func `A worker that is refused ends the run`() throws {
        let model = try Self.model(isGated: false)
        let system = FaultySystem(model, try Self.plan(), FaultRates(death: 40), seed: 3)
        system.refusal = { "DIMM \($0) shall rest" }
        let error = #expect(throws: CoordinatorError.self) { try system.run() }
        #expect(error.map { "\($0)" }?.contains("shall rest") == true)
    }
}
