/// Ours along an axis of the paper's figures that it labels with no numbers.
package struct FigureCurve: Equatable, Sendable {
    package struct Point: Equatable, Sendable {
        package let label: String
        package let x: Double
        /// `nil` where the system cannot run there.
        package let y: Double?

        package init(label: String, x: Double, y: Double?) {
            self.label = label
            self.x = x
            self.y = y
        }
    }

    package let figure: String
    package let title: String
    package let points: [Point]

    package init(figure: String, title: String, points: [Point]) {
        self.figure = figure
        self.title = title
        self.points = points
    }
}

/// The paper's figures, ours beside the published.
package struct PaperFigures {
    package let points: [ReproducedPoint]
    package let curves: [FigureCurve]
    /// Of figure 12.
    package let timeShares: [TimeShares]

    package init(
        points: [ReproducedPoint], curves: [FigureCurve], timeShares: [TimeShares] = []
    ) {
        self.points = points
        self.curves = curves
        self.timeShares = timeShares
    }

    /// The charts of the figures that have points, in the paper's order, and one over all of them.
    package var charts: [Chart] {
        let all =
            [
                agreement, throughput("9", of: ["9"], title: "Figure 9: OPT models, batch 1"),
                throughput(
                    "10", of: ["10", "10*"], title: "Figure 10: LLaMA2 and Falcon, batch 1"),
            ] + batches
            + [breakdown, shares, ablations, dimmCounts, gpus, multipliers, tensorRT, ratios]
        return all.filter { $0.series.contains { !$0.points.isEmpty } }
    }

    private static let legend = "Pale: published. Full colour: ours."

    private func values(_ figures: [String], metric: String = "throughput") -> [ReproducedPoint] {
        points.filter { figures.contains($0.figure) && $0.metric == metric }
    }

    // MARK: Throughput

    private var agreement: Chart {
        let scored = points.filter(\.isScored)
        var series: [Chart.Series] = []
        for error in SystemError.all(of: scored) {
            let isFitted = error.half == .fitted
            let own = scored.filter { $0.system == error.system && $0.isFitted == isFitted }
            series.append(
                Chart.Series(
                    "\(error.system), \(error.half.rawValue)", style: .points,
                    colour: Palette.colour(of: error.system), isPale: isFitted,
                    points: own.compactMap { point in
                        guard let ours = point.ours, let value = point.published.value
                        else { return nil }
                        return Chart.Point(value, ours)
                    }))
        }
        let ends = scored.compactMap(\.published.value)
        if let low = ends.min(), let high = ends.max() {
            let diagonal = [Chart.Point(low, low), Chart.Point(high, high)]
            series.append(
                Chart.Series("equal", style: .guide, colour: 0, points: diagonal))
        }
        return Chart(
            name: "agreement", title: "All throughputs: ours against the published",
            caption:
                "Open: parameters were fitted to it. Filled: held out. On the dashed line both "
                + "are equal.",
            xLabel: "published tokens/s", yLabel: "our tokens/s", xBase: 10, yBase: 10,
            series: series)
    }

    /// Models side by side.
    private func throughput(_ name: String, of figures: [String], title: String) -> Chart {
        chart("figure-\(name)", title: title, of: values(figures), group: \.model, xLabel: "")
    }

    /// Figure 11: one chart for each model, batches side by side.
    private var batches: [Chart] {
        let own = values(["11"])
        return Self.distinct(own.map(\.model)).map { model in
            chart(
                "figure-11-\(model)", title: "Figure 11: \(model) by batch size",
                of: own.filter { $0.model == model }, group: \.batch, xLabel: "batch size")
        }
    }

    private var tensorRT: Chart {
        let rival = values(["17"])
        let own = values(["11"]).filter { point in
            point.system == "Hermes" && rival.contains { $0.model == point.model }
        }
        return chart(
            "figure-17", title: "Figure 17: LLaMA2-70B, TensorRT-LLM on five A100 beside Hermes",
            of: rival.isEmpty ? [] : rival + own, group: \.batch, xLabel: "batch size")
    }

    private func chart(
        _ name: String, title: String, of points: [ReproducedPoint],
        group: (ReproducedPoint) -> String, xLabel: String
    ) -> Chart {
        let groups = Self.distinct(points.map(group))
        let systems = Self.distinct(points.map(\.system))
        let bars = systems.flatMap { system in
            [true, false].map { isPublished in
                GroupedBars.Bar(
                    title: isPublished ? "" : system, colour: Palette.colour(of: system),
                    isPale: isPublished,
                    values: groups.map { name in
                        let point = points.first { group($0) == name && $0.system == system }
                        return isPublished ? point?.published.value : point?.ours
                    })
            }
        }
        let layout = GroupedBars(groups: groups, bars: bars)
        return Chart(
            name: name, title: title, caption: Self.legend, xLabel: xLabel, yLabel: "tokens/s",
            yBase: 10, ticks: layout.ticks, series: layout.series)
    }

    static func distinct(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }

    // MARK: Ratios and shares

    /// Published and ours, one group for each named number.
    private func comparison(
        _ name: String, title: String, caption: String, yLabel: String, yBase: Int = 0,
        _ rows: [(name: String, published: Double?, ours: Double?)]
    ) -> Chart {
        let layout = GroupedBars(
            groups: rows.map(\.name),
            bars: [
                .init(title: "published", colour: 0, isPale: true, values: rows.map(\.published)),
                .init(title: "ours", colour: 0, isPale: false, values: rows.map(\.ours)),
            ])
        return Chart(
            name: name, title: title, caption: caption, xLabel: "", yLabel: yLabel, yBase: yBase,
            ticks: layout.ticks, series: rows.isEmpty ? [] : layout.series)
    }

    private var shares: Chart {
        let names = [
            "share_token_generation": "token generation", "share_prefill": "prefill",
            "share_communication": "communication", "predictor_share_of_compute": "predictor",
        ]
        let rows = points.filter { $0.figure == "12" }.compactMap { point in
            names[point.metric].map {
                (name: "\(point.system): \($0)", published: point.published.value, ours: point.ours)
            }
        }
        return comparison(
            "figure-12-shares", title: "Figure 12: shares that the paper prints",
            caption: Self.legend + " The predictor's share is one of computing time.",
            yLabel: "share of the time, %", rows)
    }

    private var breakdown: Chart {
        let layout = StackedBars(
            titles: TimeShares.names,
            bars: timeShares.map { run in
                let batch = run.batchSize == 1 ? "" : ", b=\(run.batchSize)"
                return (
                    name: "\(run.system) \(run.model)\(batch)", parts: run.parts.map(\.percent)
                )
            })
        return Chart(
            name: "figure-12", title: "Figure 12: where the time goes",
            caption: "Ours; the paper prints the averages that stand below, and no other numbers. "
                + "Prediction takes no time in Hermes: an assumption. Deja Vu's shares are the "
                + "paper's.",
            xLabel: "", yLabel: "share of the time, %", ticks: layout.ticks, series: layout.series)
    }

    private var ablations: Chart {
        let steps = AblationOrder(points: points)?.steps ?? []
        return comparison(
            "figure-13", title: "Figure 13: speed of the MLP over Hermes-random",
            caption: Self.legend + " Mean over LLaMA2-13B and 70B at batch 1, 4 and 16.",
            yLabel: "speedup",
            steps.map { step in
                let name = step.system.replacing("Hermes-", with: "")
                return (name: name, published: step.published, ours: step.ours)
            })
    }

    private var ratios: Chart {
        let own = points.filter { $0.figure == "text" && $0.metric == "ratio" }
        let rows = own.map { point in
            (
                name: "\(point.system), \(point.model)", published: point.published.value,
                ours: point.ours
            )
        }
        return comparison(
            "text-ratios", title: "Ratios in the text", caption: Self.legend, yLabel: "ratio",
            yBase: 10, rows)
    }

    // MARK: Curves

    private func lines(
        _ figure: String, title: String, caption: String, xLabel: String, xBase: Int
    ) -> Chart {
        let own = curves.filter { $0.figure == figure }
        let marks = own.flatMap(\.points).sorted { $0.x < $1.x }
        let labels = Self.distinct(marks.map(\.label))
        return Chart(
            name: "figure-\(figure)", title: title, caption: caption, xLabel: xLabel,
            yLabel: "tokens/s", xBase: xBase, yBase: 10,
            ticks: labels.compactMap { label in
                marks.first { $0.label == label }.map { Chart.Tick($0.x, label) }
            },
            series: own.enumerated().map { index, curve in
                Chart.Series(
                    curve.title, style: .line, colour: index,
                    points: curve.points.compactMap { point in
                        point.y.map { Chart.Point(point.x, $0) }
                    })
            })
    }

    private var dimmCounts: Chart {
        lines(
            "14", title: "Figure 14: Hermes by number of NDP-DIMMs, batch 1",
            caption: "Ours; the paper labels no values. A line begins where the model fits.",
            xLabel: "NDP-DIMMs", xBase: 2)
    }

    private var multipliers: Chart {
        lines(
            "16", title: "Figure 16: OPT-13B by multipliers of each NDP-DIMM",
            caption: "Ours; of the paper's curves only the ratios in the table are printed.",
            xLabel: "multipliers", xBase: 2)
    }

    private var gpus: Chart {
        let own = curves.filter { $0.figure == "15" }
        let groups = Self.distinct(own.flatMap(\.points).map(\.label))
        let layout = GroupedBars(
            groups: groups,
            bars: own.enumerated().map { index, curve in
                GroupedBars.Bar(
                    title: curve.title, colour: index, isPale: false,
                    values: groups.map { group in curve.points.first { $0.label == group }?.y })
            })
        return Chart(
            name: "figure-15", title: "Figure 15: Hermes by GPU",
            caption: "Ours; of the paper's bars only the ratios in the table are printed.",
            xLabel: "", yLabel: "tokens/s", ticks: layout.ticks, series: layout.series)
    }
}
