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

    /// Walks along the path and holds every stretch of it to the events: the unit that it names
    /// was at work, or the link taken, from its beginning to its end.
    @Test(arguments: [1, 2, 4])
    func `What the critical path names was really busy then`(dimmCount: Int) throws {
        let model = try TinyLlama.builder(format: .q8_0).model()
        let time = try #require(try SimulatedSystem.run(model, plan(dimmCount: dimmCount)).time)
        let events = Dictionary(grouping: time.timeline.events, by: \.unit)
            .mapValues { $0.sorted { $0.start < $1.start } }
        var now = EmulatedTime.start
        for segment in time.timeline.criticalPath {
            let end = try #require(now.checkedAdding(segment.duration))
            // Latency is nobody's work: the bits are under way.
            if !segment.name.hasPrefix("latency") {
                let covered = covered(from: now, to: end, by: events[segment.unit] ?? [])
                let latency = time.links.first { $0.name == segment.unit }?.link.latency ?? .zero
                // The prefill's stretches end with the arrival, its latency included; an exact end
                // inside a picosecond is rounded up.
                let isPrefill = segment.token < 0
                let slack = 1 + (isPrefill ? latency.picoseconds : 0)
                if covered + slack < segment.duration.picoseconds {
                    Issue.record(
                        "\(segment): busy for \(covered) ps of \(segment.duration.picoseconds)")
                    return
                }
            }
            now = end
        }
        #expect(now == time.now)
    }

    /// How much of a span the events cover; they do not overlap by more than a picosecond.
    private func covered(
        from start: EmulatedTime, to end: EmulatedTime, by events: [TimelineEvent]
    ) -> UInt64 {
        var cursor = start
        var sum: UInt64 = 0
        for event in events where event.end > cursor && event.start < end {
            let from = max(cursor, event.start)
            let to = min(end, event.end)
            if to > from { sum += (to - from).picoseconds }
            cursor = max(cursor, to)
        }
        return sum
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
