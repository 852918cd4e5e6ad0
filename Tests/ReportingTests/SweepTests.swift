import Reporting
import Testing

struct SweepTests {
    private func record(_ speed: Double?, cost: Double?, _ values: [String] = ["1"]) -> SweepRecord
    {
        let answer: EmulationAnswer =
            speed.map {
                .timed(
                    EmulationFigures(
                        batchSize: 1, tokenCount: 1, prefillSeconds: 0, decodeSeconds: 1 / $0))
            } ?? .unsupported(reason: "memory")
        return SweepRecord(values: values, answer: answer, cost: cost)
    }

    private let base = PlannedEmulation(
        system: "hermes", model: "m", batchSize: 1, promptTokenCount: 2, tokenCount: 3,
        topology: "t", settings: ["a.b=c"], seed: 0)

    @Test func `An axis is a name and different values`() throws {
        let axis = try #require(SweepAxis(argument: "gpu.memory=8GB, 16GB,24GB"))
        #expect(axis.name == "gpu.memory")
        #expect(axis.values == ["8GB", "16GB", "24GB"])
        #expect(axis.numbers == [8, 16, 24])
        #expect(SweepAxis(argument: "topology=4-dimm,a")?.numbers == nil)
        #expect(SweepAxis(argument: "x=1GB,2MB")?.numbers == nil)
        #expect(SweepAxis(argument: "a=b=c")?.values == ["b=c"])
        for wrong in ["", "x", "=1", "x=", "x=1,", "x=1,1"] {
            #expect(SweepAxis(argument: wrong) == nil, "\(wrong)")
        }
    }

    @Test func `Axes form a grid whose last varies fastest`() throws {
        let axes = try ["batch=1,2", "gpu.memory=8GB,9GB"].map {
            try #require(SweepAxis(argument: $0))
        }
        let grid = SweepGrid(axes: axes, base: base)
        #expect(
            grid.combinations == [["1", "8GB"], ["1", "9GB"], ["2", "8GB"], ["2", "9GB"]])
        let planned = try grid.emulation(["2", "9GB"])
        #expect(planned.batchSize == 2)
        #expect(planned.settings == ["a.b=c", "gpu.memory=9GB"])
        #expect(throws: SweepError.noCount("batch", value: "two")) {
            try grid.emulation(["two", "8GB"])
        }
    }

    @Test func `The front holds what nothing beats`() {
        let records = [
            record(10, cost: 1), record(9, cost: 1), record(20, cost: 2), record(20, cost: 3),
            record(nil, cost: 0), record(99, cost: nil), record(20, cost: 2),
        ]
        #expect(
            ParetoFront.members(records) == [true, false, true, false, false, false, true])
    }

    @Test func `Lines run over the first axis, one for each value of the others`() throws {
        let axes = try ["gpu.memory=8GB,16GB,32GB", "batch=1,2"].map {
            try #require(SweepAxis(argument: $0))
        }
        let records = SweepGrid(axes: axes, base: base).combinations.map {
            record($0[0] == "8GB" ? nil : 5, cost: 1, $0)
        }
        let charts = SweepCharts(axes: axes, records: records, costLabel: "GB").all
        #expect(charts.map(\.name) == ["sweep", "pareto"])
        #expect(charts[0].series.map(\.title) == ["batch 1", "batch 2"])
        #expect(charts[0].series[0].points.map(\.x) == [16, 32])
        #expect(charts[0].xBase == 2)
        #expect(charts[0].ticks.map(\.text) == ["8GB", "16GB", "32GB"])
    }
}
