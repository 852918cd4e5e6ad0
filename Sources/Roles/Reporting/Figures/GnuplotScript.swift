/// A chart in gnuplot's language, data included.
package struct GnuplotScript: Sendable {
    package let chart: Chart

    package init(_ chart: Chart) { self.chart = chart }

    /// Draws the chart twice: as NAME.svg and NAME.png in the current folder.
    ///
    /// The vector form has no background, so that a page's own shows through.
    package var text: String {
        let drawing = plotCommand
        return """
            # Draws \(chart.name).svg and \(chart.name).png; run it with gnuplot in this folder.
            set encoding utf8
            \(dataBlocks)
            \(settings)
            set terminal svg size 960,430 dynamic font 'sans-serif,13' \\
                name \(quoted(identifier)) rounded noenhanced
            set output '\(chart.name).svg'
            \(drawing)
            set terminal pngcairo size 1440,645 font 'sans-serif,15' noenhanced background 'white'
            set output '\(chart.name).png'
            \(drawing)
            unset output

            """
    }

    /// Letters, digits and underscores: what element names of the SVG may hold.
    private var identifier: String {
        String(chart.name.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    /// Series without points would be an error of gnuplot's.
    private var drawn: [(index: Int, series: Chart.Series)] {
        chart.series.enumerated().filter { !$0.element.points.isEmpty }
            .map { (index: $0.offset, series: $0.element) }
    }

    private var dataBlocks: String {
        drawn.map { index, series in
            let isStacked = series.style == .stacked
            let rows = series.points.map { point in
                "\(point.x) \(point.y)" + (isStacked ? " \(point.base)" : "")
            }.joined(separator: "\n")
            return "$series\(index) << EOD\n\(rows)\nEOD"
        }.joined(separator: "\n")
    }

    private var settings: String {
        let hasBars = chart.series.contains { Self.isBar($0) }
        var lines = [
            "set title \(quoted(chart.title)) noenhanced",
            "set xlabel \(quoted(chart.xLabel)) noenhanced",
            "set ylabel \(quoted(chart.yLabel)) noenhanced",
            "set border 3 linewidth 0.8", "set tics nomirror out scale 0.6",
            "set grid ytics linetype 1 linewidth 0.4 linecolor rgb '#909090'",
            "set key outside right top vertical Left reverse noenhanced",
            "set style fill solid 0.9 noborder", "set boxwidth 0.92",
            "set offsets graph 0, 0, 0, 0",
        ]
        if chart.xBase > 0 { lines.append("set logscale x \(chart.xBase)") }
        if chart.yBase > 0 {
            lines += ["set logscale y \(chart.yBase)", "set format y '%.6g'"]
        } else {
            lines.append("set yrange [0:*]")
        }
        if !chart.ticks.isEmpty {
            let marks = chart.ticks.map { "\(quoted($0.text)) \($0.position)" }
            // A turned label ends below its mark and begins far to the left of it.
            if hasLongLabels {
                lines.append("set lmargin \(max(10, (chart.ticks[0].text.count * 7 + 4) / 8))")
            }
            lines.append(
                "set xtics \(hasLongLabels ? "rotate by 30 right " : "")"
                    + "(\(marks.joined(separator: ", "))) noenhanced")
        }
        if hasBars {
            lines.append("set xtics scale 0")
            lines.append("set xrange [\(barRange.lowerBound):\(barRange.upperBound)]")
            if chart.yBase > 0 { lines.append("set yrange [\(barFloor):*]") }
        } else if let first = chart.ticks.map(\.position).min(),
            let last = chart.ticks.map(\.position).max(), first < last
        {
            // A mark at the very end of an axis may lose its label.
            let room = chart.xBase > 0 ? 1.15 : (last - first) * 0.04
            let range =
                chart.xBase > 0
                ? (first / room, last * room) : (first - room, last + room)
            lines.append("set xrange [\(range.0):\(range.1)]")
        }
        return lines.joined(separator: "\n")
    }

    /// Whether labels side by side would run into each other.
    private var hasLongLabels: Bool {
        let longest = chart.ticks.map(\.text.count).max() ?? 0
        return (longest + 2) * chart.ticks.count > Self.labelCharacters
    }

    /// What fits below a plot of this size and font.
    private static let labelCharacters = 80

    private static func isBar(_ series: Chart.Series) -> Bool {
        series.style == .bars || series.style == .stacked
    }

    /// All groups, those without bars included: their labels have to show.
    private var barRange: ClosedRange<Double> {
        let bars = drawn.filter { Self.isBar($0.series) }.flatMap { $0.series.points.map(\.x) }
        let places = bars + chart.ticks.map(\.position)
        return (places.min() ?? 0) - 1...(places.max() ?? 0) + 1
    }

    /// On a logarithmic axis bars stand on a power of ten below the least value.
    private var barFloor: Double {
        let values = drawn.flatMap { $0.series.points.map(\.y) }.filter { $0 > 0 }
        var floor = 1.0
        let least = values.min() ?? 1
        while floor >= least { floor /= 10 }
        while floor * 10 < least { floor *= 10 }
        return floor
    }

    private var plotCommand: String {
        let parts = drawn.map { index, series in
            let colour = Palette.colours[series.colour % Palette.colours.count]
            let title = series.title.isEmpty ? "notitle" : "title \(quoted(series.title))"
            let columns = series.style == .stacked ? Self.boxColumns : "1:2"
            return "$series\(index) using \(columns) \(look(series, colour)) \(title)"
        }
        guard !parts.isEmpty else {
            // Axes alone: a chart without numbers yet.
            return "set xrange [0:1]; set yrange [0.1:1]; plot NaN notitle"
        }
        return "plot " + parts.joined(separator: ", \\\n    ")
    }

    /// Centre and half of the width and the height of a box: what boxxyerror draws.
    private static let boxColumns = "1:(($2+$3)/2):(0.4):(($2-$3)/2)"

    private func look(_ series: Chart.Series, _ colour: String) -> String {
        let paint = "linecolor rgb '\(colour)'"
        switch series.style {
        case .bars:
            return "with boxes \(paint) fillstyle "
                + (series.isPale ? "transparent solid 0.35" : "solid 1.0") + " noborder"
        case .stacked:
            return "with boxxyerror \(paint) fillstyle solid 1.0 noborder"
        case .line:
            return "with linespoints \(paint) linewidth 2 pointtype "
                + (series.isPale ? "6 dashtype 2" : "7") + " pointsize 0.7"
        case .points:
            return "with points \(paint) pointtype \(series.isPale ? 6 : 7) pointsize 1"
        case .guide:
            return "with lines linecolor rgb '#808080' linewidth 1 dashtype 2"
        }
    }

    /// In double quotes, where a backslash is gnuplot's escape.
    private func quoted(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            .replacing("\n", with: "\\n")
        return "\"\(escaped)\""
    }
}
