import Coordinator
import Messages
import Pacing
import Quantities
import TestModels
import Testing
import Topology
import WeightFormats

/// The same systems in real time, stretched: wall time has to come out as emulated time does.
@Suite(.serialized) struct PacedTests {
    /// Links slow enough to matter: 20 MB/s each way in, far more than the units need.
    private static let slowLinks: [(path: String, value: String)] = [
        ("pcie.bandwidth", "40 MB/s"), ("pcie.efficiency", "1"),
    ]

    private func plan(
        _ dimmCount: Int, _ dilation: UInt64, holds: Bool = true, capDivisor: UInt64 = 1
    ) throws -> RunPlan {
        var plan = RunPlan(dimmCount: dimmCount)
        plan.topology = try Topology.small(dimmCount: dimmCount, overrides: Self.slowLinks)
        plan.pacing = PacedPlan(
            dilation: Dilation(thousandths: dilation * 1_000), holdsMessages: holds,
            capDivisor: capDivisor)
        return plan
    }

    /// Paced over emulated seconds, and the share of missed deadlines.
    private func ratio(
        _ dimmCount: Int, _ dilation: UInt64, holds: Bool = true, capDivisor: UInt64 = 1
    ) throws -> (ratio: Double, overrunShare: Double) {
        let model = try TinyLlama.builder(format: .q8_0).model()
        let outcome = try SimulatedSystem.run(
            model, plan(dimmCount, dilation, holds: holds, capDivisor: capDivisor))
        let time = try #require(outcome.time)
        let paced = try #require(outcome.pacedSeconds)
        let (count, missed) = outcome.deadlines
        #expect(count > 0)
        return (
            paced / (Double(time.now.sinceStart.picoseconds) * 1e-12),
            Double(missed) / Double(max(1, count))
        )
    }

    @Test(arguments: [1, 2, 4])
    func `Wall time over the dilation is emulated time`(dimmCount: Int) throws {
        var dilation: UInt64 = 20
        var measured = try ratio(dimmCount, dilation)
        // A busy machine needs more dilation; how much is not the matter here.
        while measured.overrunShare > 0.01 && dilation < 320 {
            dilation *= 2
            measured = try ratio(dimmCount, dilation)
        }
        #expect(measured.ratio >= 1, "nothing is ever early")
        if measured.overrunShare <= 0.01 { #expect(measured.ratio <= 1.03) }
    }

    @Test func `With links that hold nothing, wall and emulated time disagree`() throws {
        // Enough dilation that what this machine needs for the work itself hardly counts.
        let held = try ratio(2, 400)
        let free = try ratio(2, 400, holds: false)
        #expect(held.ratio >= 1)
        #expect(free.ratio < 0.9, "the links' share of the time is missing")
    }

    @Test func `Shared caps below the links' rates make the run longer, and late`() throws {
        let slow = try ratio(2, 40, capDivisor: 4)
        #expect(slow.ratio > 1.5, "the caps hold messages by themselves")
        #expect(slow.overrunShare > 0.5, "what is held back is late")
    }

    @Test func `A second run on the same workers is as the first`() throws {
        let model = try TinyLlama.builder(format: .q4_1).model()
        var plan = try plan(2, 10)
        plan.pacedRunCount = 2
        let twice = try SimulatedSystem.run(model, plan)
        plan.pacedRunCount = 1
        let once = try SimulatedSystem.run(model, plan)
        #expect(twice.logitBits == once.logitBits)
        #expect(twice.time?.now == once.time?.now)
    }

    @Test func `A run of no further token is not ahead of its time`() throws {
        let model = try TinyLlama.builder(format: .q8_0).model()
        var plan = try plan(2, 20)
        plan.tokenCount = 0
        let outcome = try SimulatedSystem.run(model, plan)
        let time = try #require(outcome.time)
        let paced = try #require(outcome.pacedSeconds)
        #expect(paced >= Double(time.prefillDuration.picoseconds) * 1e-12)
    }

    @Test func `Pacing changes neither tokens nor emulated time`() throws {
        let model = try TinyLlama.builder(format: .q4_1).model()
        var plan = try plan(3, 10)
        let paced = try SimulatedSystem.run(model, plan)
        plan.pacing = nil
        let virtual = try SimulatedSystem.run(model, plan)
        #expect(paced.logitBits == virtual.logitBits)
        #expect(paced.time?.now == virtual.time?.now)
        #expect(paced.time?.timeline == virtual.time?.timeline)
    }
}
