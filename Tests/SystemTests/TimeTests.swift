import Coordinator
import Messages
import Pacing
import Quantities
import Telemetry
import TestModels
import Testing
import Topology
import WeightFormats

/// Emulated time of whole systems: derivable, additive, and nobody's but the one it belongs to.
@Suite struct TimeTests {
    private func plan(dimmCount: Int) throws -> RunPlan {
        RunPlan(dimmCount: dimmCount, topology: try Topology.small(dimmCount: dimmCount))
    }

    @Test(arguments: [1, 3, 8])
    func `The total is the sum along the critical path, re-computed from its segments`(
        dimmCount: Int
    ) throws {
        let model = try TinyLlama.builder(format: .q4_1).model()
        let time = try #require(
            try SimulatedSystem.run(model, plan(dimmCount: dimmCount)).time)
        let sum = time.timeline.criticalPath.reduce(UInt64(0)) { $0 + $1.duration.picoseconds }
        #expect(sum == time.now.sinceStart.picoseconds)
        #expect(time.timeline.criticalPath.allSatisfy { $0.duration > .zero })
    }

    @Test func `Spans of a link do not overlap and add up to its busy time and bytes`() throws {
        let model = try TinyLlama.builder(format: .f16).model()
        let time = try #require(try SimulatedSystem.run(model, plan(dimmCount: 4)).time)
        for (name, link) in time.links where link.counters.messages > 0 {
            let spans = time.timeline.events.filter { $0.unit == name }
                .sorted { $0.start < $1.start }
            let busy = spans.reduce(UInt64(0)) { $0 + ($1.end - $1.start).picoseconds }
            #expect(busy == link.counters.busy.picoseconds)
            #expect(spans.reduce(UInt64(0)) { $0 + $1.byteCount } == link.counters.bytes.bytes)
            #expect(UInt64(spans.count) == link.counters.messages)
            for (earlier, later) in zip(spans, spans.dropFirst()) where later.start < earlier.end {
                // A transfer that begins inside a picosecond is rounded up at its end only.
                #expect((earlier.end - later.start).picoseconds <= 1)
            }
            // No link beats its rate: bytes x 10^12 <= rate x busy, rounding aside.
            let needed = UInt128(link.counters.bytes.bytes) * 1_000_000_000_000
            #expect(
                needed <= UInt128(link.bandwidth.bytesPerSecond)
                    * UInt128(busy + link.counters.messages))
        }
    }

    @Test func `Each DIMM's requests add up to the busy time that it reports`() throws {
        let model = try TinyLlama.builder(format: .q8_0).model()
        let outcome = try SimulatedSystem.run(model, plan(dimmCount: 3))
        let time = try #require(outcome.time)
        for (dimm, facts) in outcome.farewell.enumerated() {
            let spans = time.timeline.events.filter { $0.unit == "DIMM \(dimm)" }
            #expect(!spans.isEmpty)
            #expect(
                spans.reduce(UInt64(0)) { $0 + ($1.end - $1.start).picoseconds }
                    == facts.busyPicoseconds)
        }
    }

    @Test func `A slower clock of one DIMM changes that DIMM's time and nobody else's`() throws {
        let model = try TinyLlama.builder(format: .q4_1).model()
        var plan = try plan(dimmCount: 4)
        let even = try SimulatedSystem.run(model, plan)
        plan.topology = try Topology.small(
            dimmCount: 4, overrides: [("dimm_overrides.2.ndp.clock", "500 MHz")])
        let uneven = try SimulatedSystem.run(model, plan)
        let before = even.farewell.map(\.busyPicoseconds)
        let after = uneven.farewell.map(\.busyPicoseconds)
        for dimm in 0..<4 {
            if dimm == 2 {
                #expect(after[dimm] > before[dimm])
            } else {
                #expect(after[dimm] == before[dimm])
            }
        }
        #expect(uneven.tokens == even.tokens)
        #expect(uneven.logitBits == even.logitBits)
    }

    @Test func `Half the PCIe rate doubles each transfer's occupancy and changes no token`() throws
    {
        let model = try TinyLlama.builder(format: .f32).model()
        var plan = try plan(dimmCount: 2)
        plan.topology = try Topology.small(
            dimmCount: 2, overrides: [("pcie.bandwidth", "40 GB/s")])
        let fast = try SimulatedSystem.run(model, plan)
        plan.topology = try Topology.small(
            dimmCount: 2, overrides: [("pcie.bandwidth", "20 GB/s")])
        let slow = try SimulatedSystem.run(model, plan)
        let fastLink = try #require(fast.time?.links.first?.link.counters)
        let slowLink = try #require(slow.time?.links.first?.link.counters)
        #expect(slowLink.bytes == fastLink.bytes)
        let doubled = 2 * fastLink.busy.picoseconds
        let messages = fastLink.messages
        #expect(slowLink.busy.picoseconds >= doubled - 2 * messages)
        #expect(slowLink.busy.picoseconds <= doubled + 2 * messages)
        #expect(slow.tokens == fast.tokens)
    }
}
