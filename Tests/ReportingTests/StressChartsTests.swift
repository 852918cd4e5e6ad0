import Reporting
import Testing

struct StressChartsTests {
    private func point(
        _ workload: String, _ dimmCount: Int, _ policy: String, over: Double?,
        layer: Double? = 10, bound: Double? = 5, topology: String? = nil
    ) -> StressPoint {
        StressPoint(
            workload: workload, topology: topology ?? "\(dimmCount)-dimm", dimmCount: dimmCount,
            policy: policy, overPerfect: over, layerMicroseconds: layer, boundMicroseconds: bound,
            imbalances: over.map { [$0, $0 + 1] } ?? [])
    }

    @Test func `A group is a workload on a machine, a bar a policy`() throws {
        let charts = StressCharts(
            points: [
                point("zipf", 4, "none", over: 2), point("zipf", 4, "window", over: 1.5),
                point("zipf", 8, "none", over: 3), point("zipf", 8, "window", over: nil),
            ], isEmulated: true
        ).all
        #expect(charts.map(\.name) == ["stress-balance", "stress-layer-time", "stress-tokens-1"])
        #expect(charts[0].ticks.map(\.text) == ["zipf 4", "zipf 8"])
        #expect(charts[0].series.map(\.title) == ["none", "window"])
        #expect(charts[0].series.map { $0.points.map(\.y) } == [[2, 3], [1.5]])
        #expect(charts[1].series.map(\.title) == ["none", "window", "perfect division"])
        // The last machine's tokens; a cell that did not run has none.
        #expect(charts[2].series.map(\.title) == ["none", "window"])
        #expect(charts[2].series[0].points.map(\.y) == [3, 4])
        #expect(charts[2].series[1].points.isEmpty)
    }

    @Test func `Machines of equal size go by name, one machine by none`() {
        let two = StressCharts(
            points: [
                point("zipf", 8, "none", over: 2, topology: "a"),
                point("zipf", 8, "none", over: 2, topology: "b"),
            ], isEmulated: true
        ).all[0]
        #expect(two.ticks.map(\.text) == ["zipf a", "zipf b"])
        let one = StressCharts(points: [point("zipf", 8, "none", over: 2)], isEmulated: true)
        #expect(one.all[0].ticks.map(\.text) == ["zipf"])
    }

    @Test func `Wall time has no bound, and sessions no course`() {
        let charts = StressCharts(
            points: [point("zipf", 8, "none", over: 2, bound: nil)], isEmulated: false,
            sessionCount: 2
        ).all
        #expect(charts.map(\.name) == ["stress-balance", "stress-layer-time"])
        #expect(charts[1].series.map(\.title) == ["none"])
    }
}
