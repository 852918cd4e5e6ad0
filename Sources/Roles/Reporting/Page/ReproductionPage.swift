/// The whole reproduction as one HTML file that needs nothing else.
package struct ReproductionPage {
    package struct Fact: Sendable {
        package let name: String
        package let value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    package let points: [ReproducedPoint]
    /// Figure 13 workload by workload.
    package let ablationCases: [AblationOrder.Case]
    package let charts: [Chart]
    /// The drawn charts by name, as gnuplot wrote them.
    package let drawings: [String: String]
    /// What was put in and is no result.
    package let inputs: [Fact]
    /// How far the errors can be trusted.
    package let caveats: [String]
    package let provenance: [Fact]
    /// What was not asked for, or not run; empty for a whole reproduction.
    package let omissions: [String]
    /// Where the paper cannot be reproduced, in general.
    package let contradictions: [String]

    package init(
        points: [ReproducedPoint], ablationCases: [AblationOrder.Case] = [], charts: [Chart],
        drawings: [String: String], inputs: [Fact], caveats: [String],
        provenance: [Fact], omissions: [String], contradictions: [String]
    ) {
        self.points = points
        self.ablationCases = ablationCases
        self.charts = charts
        self.drawings = drawings
        self.inputs = inputs
        self.caveats = caveats
        self.provenance = provenance
        self.omissions = omissions
        self.contradictions = contradictions
    }

    package var text: String {
        let summary = ReproductionSummary(points: points)
        let body =
            header(summary) + errors(summary) + whatWentIn + ablations + figures + clashes + left
            + origin
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>The paper, reproduced</title>
            <style>
            \(PageStyle.text)
            </style></head><body>
            \(body)</body></html>

            """
    }

    // MARK: Parts

    private func header(_ summary: ReproductionSummary) -> String {
        func count(_ verdicts: [Verdict]) -> Int {
            verdicts.reduce(0) { $0 + (summary.verdictCounts[$1] ?? 0) }
        }
        var cards = [
            (
                summary.rankCorrelation.map { Digits.significant($0, 4) } ?? "-",
                "Spearman over \(summary.scoredCount) throughputs"
            ),
            ("\(count([.agrees, .holds]))", "points agree (within 15 %) or hold"),
            ("\(count([.near]))", "points are near (within 1.5x)"),
            ("\(count([.differs, .fails]))", "points differ"),
        ]
        let hermes = summary.errors.first { $0.system == "Hermes" && $0.half == .heldOut }
        if let hermes {
            cards.insert(
                (Digits.fixed(hermes.geometricMean, 3), "Hermes, error on held-out points"),
                at: 0)
        }
        let boxes = cards.map { "<div class=\"card\"><b>\($0.0)</b><span>\($0.1)</span></div>" }
        let links = sections.map { "<a href=\"#\($0.anchor)\">\(HTML.escaped($0.title))</a>" }
        return """
            <h1>The paper, reproduced</h1>
            <p class="lead">Liu et al., "Make LLM Inference Affordable to Everyone: Augmenting GPU
            Memory with NDP-DIMM" (HPCA 2025): its published numbers, and what this emulator comes
            to. Errors are exp(mean |ln(ours / published)|), so 1.10 means 10 % off either way.</p>
            <nav>\(links.joined())</nav>
            <div class="cards">\(boxes.joined())</div>

            """
    }

    private func errors(_ summary: ReproductionSummary) -> String {
        guard !summary.errors.isEmpty else { return "" }
        let rows = summary.errors.map { error in
            [
                HTML.escaped(error.system), error.half.rawValue, "\(error.pointCount)",
                Digits.fixed(error.geometricMean, 3), Digits.fixed(error.worst, 2),
            ]
        }
        return "<h2 id=\"errors\">Errors by system</h2>\n"
            + caveats.map { "<p class=\"soft\">\(HTML.escaped($0))</p>\n" }.joined()
            + drawing(named: "agreement")
            + HTML.table(
                ["system", "half", "points", "error", "worst"], rows,
                numeric: [2, 3, 4])
    }

    private var whatWentIn: String {
        guard !inputs.isEmpty else { return "" }
        return "<h2 id=\"inputs\">What went in</h2>\n<p class=\"soft\">Not results: what agrees by "
            + "these proves nothing.</p>\n" + Self.list(inputs)
    }

    private static func list(_ facts: [Fact]) -> String {
        "<dl>\n"
            + facts.map {
                "<dt>\(HTML.escaped($0.name))</dt><dd>\(HTML.escaped($0.value))</dd>\n"
            }.joined() + "</dl>\n"
    }

    private var ablations: String {
        guard let order = AblationOrder(points: points) else { return "" }
        let rows = order.steps.map { step in
            [
                HTML.escaped(step.system), Digits.fixed(step.published, 2),
                Digits.fixed(step.ours, 2), Digits.ratio(step.ours / step.published),
            ]
        }
        func word(_ isAsPublished: Bool) -> String {
            isAsPublished ? "as published" : "<b>not</b> as published"
        }
        let cases = ablationCases.map { workload in
            [HTML.escaped(workload.model), "\(workload.batchSize)"]
                + workload.speeds.map { Digits.fixed($0, 2) }
                + [word(order.isAsPublished(workload))]
        }
        let names = order.steps.map { HTML.escaped($0.system.replacing("Hermes-", with: "")) }
        let columns = Set(1..<(names.count + 2))
        return "<h2 id=\"ablations\">Ablations</h2>\n<p>Speed of the MLP over Hermes-random, mean "
            + "of the paper's two models and three batches: the order is "
            + word(order.isAsPublished) + ".</p>\n"
            + HTML.table(["system", "published", "ours", "ratio"], rows, numeric: [1, 2, 3])
            + (cases.isEmpty
                ? ""
                : "<p class=\"soft\">Ours by model and batch, of which the paper prints no "
                    + "numbers:</p>\n"
                    + HTML.table(["model", "batch"] + names + ["order"], cases, numeric: columns))
    }

    struct Section {
        let anchor: String
        let title: String
        let points: [ReproducedPoint]
        let chartPrefixes: [String]
    }

    /// In the paper's order; `10*` stands with figure 10.
    var sections: [Section] {
        func figure(_ point: ReproducedPoint) -> String { point.figure.replacing("*", with: "") }
        let names = PaperFigures.distinct(points.map(figure))
        let order = names.sorted { (Int($0) ?? .max, $0) < (Int($1) ?? .max, $1) }
        return order.map { name in
            let isNumbered = Int(name) != nil
            return Section(
                anchor: "figure-\(name)", title: isNumbered ? "Figure \(name)" : "In the text",
                points: points.filter { figure($0) == name },
                chartPrefixes: isNumbered ? ["figure-\(name)"] : ["text-"])
        }
    }

    private var figures: String {
        sections.map { section in
            let own = charts.filter { chart in
                section.chartPrefixes.contains {
                    chart.name == $0 || chart.name.hasPrefix($0.hasSuffix("-") ? $0 : $0 + "-")
                }
            }
            return "<h2 id=\"\(section.anchor)\">\(section.title)</h2>\n"
                + own.map { drawing(named: $0.name) }.joined() + table(section.points)
        }.joined()
    }

    private func drawing(named name: String) -> String {
        guard let chart = charts.first(where: { $0.name == name }), let svg = drawings[name]
        else { return "" }
        return "<figure><div class=\"scroll\">\(InlineSVG.element(svg, label: chart.title))</div>"
            + "<figcaption>\(HTML.escaped(chart.caption))</figcaption></figure>\n"
    }

    private func table(_ points: [ReproducedPoint]) -> String {
        let rows = points.map { point in
            let verdict = point.verdict
            let mark = verdict.rawValue.replacing(" ", with: "")
            return [
                HTML.breakable(point.system), HTML.breakable(point.model),
                HTML.escaped(point.batch),
                HTML.escaped(point.metric.replacing("_", with: " ")),
                HTML.escaped(point.published.text + " " + point.unit),
                point.ours.map { Digits.significant($0, 4) } ?? "-",
                point.ratio.map(Digits.ratio) ?? "-",
                point.isFitted ? "fitted" : point.isRepeat ? "repeat" : "",
                "<span class=\"v \(mark)\">\(verdict.rawValue)</span>", remarks(point),
            ]
        }
        return HTML.table(
            [
                "system", "model", "batch", "metric", "published", "ours", "ratio", "", "verdict",
                "remarks",
            ], rows, numeric: [2, 4, 5, 6])
    }

    private func remarks(_ point: ReproducedPoint) -> String {
        var parts = [point.absence, point.note].filter { !$0.isEmpty }.map(HTML.escaped)
        if point.origin == .measured { parts.append("ours is wall time of this machine") }
        if !point.contradiction.isEmpty {
            parts.append(
                "<div class=\"clash\">Known contradiction: "
                    + "\(HTML.escaped(point.contradiction))</div>")
        }
        return parts.joined(separator: "; ").replacing("; <div", with: "<div")
    }

    private var clashes: String {
        guard !contradictions.isEmpty else { return "" }
        return "<h2 id=\"contradictions\">What no sane parameters reproduce</h2>\n<ol>\n"
            + contradictions.map { "<li>\(HTML.escaped($0))</li>\n" }.joined() + "</ol>\n"
    }

    private var left: String {
        guard !omissions.isEmpty else { return "" }
        return "<h2 id=\"omissions\">Left out of this run</h2>\n<ul>\n"
            + omissions.map { "<li>\(HTML.escaped($0))</li>\n" }.joined() + "</ul>\n"
    }

    private var origin: String {
        "<h2 id=\"provenance\">Where this page is from</h2>\n" + Self.list(provenance)
    }
}
