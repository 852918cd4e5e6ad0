import Foundation
import Reporting
import Testing

struct PageTests {
    private static let svg = """
        <?xml version="1.0"?>
        <svg width="960" xmlns="http://www.w3.org/2000/svg"><title>Gnuplot</title>
        <desc>Produced by GNUPLOT</desc><g stroke='black' fill="black"/>
        <path stroke='rgb(  0,   0,   0)'/><path stroke="#0072B2"/></svg>
        """

    private func page(_ points: [ReproducedPoint]) -> String {
        let charts = PaperFigures(points: points, curves: []).charts
        return ReproductionPage(
            points: points, charts: charts,
            drawings: charts.reduce(into: [:]) { $0[$1.name] = Self.svg },
            inputs: [.init("density", "0.1 < 0.2")], caveats: ["not blind & by hand"],
            provenance: [.init("seed", "7 <&>")], omissions: ["figure 13"],
            contradictions: ["PCIe is counted twice"]
        ).text
    }

    @Test func `The page needs nothing but itself`() throws {
        let plan = try PaperTable.plan()
        let text = page(plan.points(try PaperTable.labels()))
        for outside in ["http://", "https://", "<script", "<link", "@import", "url(", "src="] {
            #expect(!text.contains(outside), "\(outside)")
        }
        #expect(text.contains("<svg role=\"img\""))
    }

    @Test func `Every point stands on the page, with its contradiction`() throws {
        let points = try PaperTable.plan().points(try PaperTable.labels())
        let text = page(points)
        let rowCount = text.split(separator: "<td>").count
        #expect(rowCount > points.count)
        for point in points {
            let published = HTML.escaped(point.published.text + " " + point.unit)
            #expect(text.contains("<td class=\"n\">\(published)</td>"))
            if !point.contradiction.isEmpty {
                #expect(text.contains(HTML.escaped(point.contradiction)))
            }
        }
        let verdicts = text.ranges(of: "<span class=\"v ").count
        #expect(verdicts == points.count)
        for word in [
            "PCIe is counted twice", "7 &lt;&amp;&gt;", "figure 13", "not blind &amp; by hand",
            "<dt>density</dt><dd>0.1 &lt; 0.2</dd>",
        ] {
            #expect(text.contains(word))
        }
    }

    @Test func `Text is never markup`() {
        let text = page([examplePoint(system: "<b>x</b>", note: "a < b & \"c\"")])
        #expect(!text.contains("<b>x</b>"))
        #expect(text.contains("&lt;b&gt;x&lt;/b&gt;"))
        #expect(text.contains("a &lt; b &amp; &quot;c&quot;"))
    }

    @Test func `What is black in a drawing takes the page's colour`() {
        let element = InlineSVG.element(Self.svg, label: "a \"b\"")
        #expect(element.hasPrefix("<svg role=\"img\" aria-label=\"a &quot;b&quot;\""))
        #expect(!element.contains("black"))
        #expect(!element.contains("rgb(  0,"))
        #expect(!element.contains("Gnuplot"))
        #expect(!element.contains("GNUPLOT"))
        #expect(element.ranges(of: "currentColor").count == 3)
        #expect(element.contains("#0072B2"))
        #expect(!element.contains("http"))
    }
}
