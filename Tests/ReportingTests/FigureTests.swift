import Foundation
import Reporting
import Testing

struct FigureTests {
    private func charts() throws -> [Chart] {
        let plan = try PaperTable.plan()
        let results = try PaperTable.labels()
        return PaperFigures(
            points: plan.points(results), curves: plan.measuredCurves(results)
        ).charts
    }

    @Test func `There is a chart for each figure that has numbers`() throws {
        let names = Set(try charts().map(\.name))
        #expect(
            names.isSuperset(of: [
                "agreement", "figure-9", "figure-10", "figure-11-OPT-66B", "figure-11-LLaMA2-70B",
                "figure-11-Falcon-40B", "figure-14", "figure-17", "text-ratios",
            ]))
    }

    @Test func `Published and ours stand side by side in one colour`() throws {
        let chart = try #require(try charts().first { $0.name == "figure-9" })
        #expect(chart.yBase == 10)
        #expect(chart.ticks.map(\.text) == ["OPT-13B", "OPT-30B", "OPT-66B"])
        for (published, ours) in zip(
            chart.series.filter(\.isPale), chart.series.filter { !$0.isPale })
        {
            #expect(published.colour == ours.colour)
            for (first, second) in zip(published.points, ours.points) {
                #expect(second.x == first.x + 1)
            }
        }
    }

    @Test func `Bars leave places empty and groups apart`() {
        let layout = GroupedBars(
            groups: ["a", "b"],
            bars: [
                .init(title: "p", colour: 0, isPale: true, values: [1, nil]),
                .init(title: "q", colour: 0, isPale: false, values: [2, 3]),
            ])
        #expect(layout.series[0].points == [Chart.Point(0, 1)])
        #expect(layout.series[1].points == [Chart.Point(1, 2), Chart.Point(4.5, 3)])
        #expect(layout.ticks.map(\.position) == [0.5, 4])
    }

    @Test func `Parts of a run's time stand on each other and come to all of it`() throws {
        let figures = EmulationFigures(
            batchSize: 1, tokenCount: 128, prefillSeconds: 1, decodeSeconds: 3,
            parts: ["prefill": 1, "mlp": 2, "qkv": 1])
        let shares = try #require(
            TimeShares(system: "Hermes", model: "OPT-13B", batchSize: 1, figures: figures))
        #expect(shares.parts.map(\.percent) == [25, 25, 0, 0, 50, 0, 0, 0])
        let chart = try #require(
            PaperFigures(points: [], curves: [], timeShares: [shares]).charts
                .first { $0.name == "figure-12" })
        // What no run spends time on has no place in the key.
        #expect(chart.series.map(\.title) == ["prefill", "qkv", "mlp"])
        #expect(
            chart.series.map(\.points) == [
                [Chart.Point(0, 25)], [Chart.Point(0, 50, from: 25)],
                [Chart.Point(0, 100, from: 50)],
            ])
        let script = GnuplotScript(chart).text
        #expect(script.contains("$series2 << EOD\n0.0 100.0 50.0\nEOD"))
        #expect(script.contains("with boxxyerror"))
        let silent = EmulationFigures(
            batchSize: 1, tokenCount: 128, prefillSeconds: 1, decodeSeconds: 3)
        #expect(TimeShares(system: "x", model: "y", batchSize: 1, figures: silent) == nil)
    }

    @Test func `A script has its data, its scales and quoted texts`() {
        let chart = Chart(
            name: "x", title: "a \"b\" \\c", caption: "", xLabel: "x", yLabel: "y", xBase: 2,
            yBase: 10, ticks: [.init(2, "two")],
            series: [
                Chart.Series("s", style: .line, colour: 1, points: [.init(1, 2), .init(2, 4)]),
                Chart.Series("empty", style: .line, colour: 1, points: []),
            ])
        let text = GnuplotScript(chart).text
        #expect(text.contains("$series0 << EOD\n1.0 2.0\n2.0 4.0\nEOD"))
        #expect(!text.contains("$series1"))
        #expect(text.contains("set logscale x 2"))
        #expect(text.contains("set logscale y 10"))
        #expect(text.contains(#"set title "a \"b\" \\c""#))
        #expect(text.contains(#"set xtics ("two" 2.0)"#))
        #expect(text.contains("set output 'x.svg'"))
        #expect(text.contains("set output 'x.png'"))
    }

    @Test func `gnuplot draws every chart as SVG and PNG`() throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "hermes-figures-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let stack = Chart(
            name: "stack", title: "s", caption: "", xLabel: "", yLabel: "%",
            ticks: [.init(0, "one")],
            series: [
                Chart.Series("a", style: .stacked, colour: 0, points: [.init(0, 40)]),
                Chart.Series("b", style: .stacked, colour: 1, points: [.init(0, 100, from: 40)]),
            ])
        for chart in try charts() + [stack] {
            let svg = try Gnuplot.draw(chart, in: folder.path)
            #expect(svg.contains("<svg"))
            for tick in chart.ticks {
                #expect(svg.contains(HTML.escaped(tick.text)), "\(chart.name): \(tick.text)")
            }
            let png = try Data(contentsOf: folder.appending(path: "\(chart.name).png"))
            #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        }
    }

    @Test func `A script that gnuplot refuses is an error with its words`() {
        let chart = Chart(name: "no/such/folder", title: "", caption: "", xLabel: "", yLabel: "")
        #expect(throws: ReportingError.self) {
            try Gnuplot.draw(chart, in: FileManager.default.temporaryDirectory.path)
        }
    }
}
