import Quantities
import Telemetry

/// One layer's timeline as a table: each operation with what a reader needs to re-compute it.
struct Explanation {
    private let timeline: Timeline
    private let token: Int
    private let layer = 0
    private let title: String

    /// Layer 0 of the first decoded token, or of the prefill where nothing was decoded.
    init(_ timeline: Timeline) {
        self.timeline = timeline
        let hasDecoded = timeline.events.contains { $0.token == 0 }
        token = hasDecoded ? 0 : -1
        title =
            hasDecoded
            ? "Layer 0 of the first decoded token, emulated time:"
            : "Layer 0 of the prefill (nothing was decoded), emulated time:"
    }

    func text() -> String {
        // A ring's message repeats what the link says that carries it.
        let rows = timeline.events
            .filter { $0.token == token && $0.layer == layer && $0.kind != .message }
            .sorted { ($0.start, $0.end) < ($1.start, $1.end) }
        var lines = ["", title]
        lines.append(
            line(["operation", "unit", "bytes", "MACs", "rate", "start us", "end us", "bound"]))
        for row in rows {
            lines.append(
                line([
                    row.name, row.unit, row.byteCount == 0 ? "-" : "\(row.byteCount)",
                    row.macCount == 0 ? "-" : "\(row.macCount)", row.rate,
                    microseconds(row.start.sinceStart), microseconds(row.end.sinceStart),
                    row.bound,
                ]))
        }
        lines.append("")
        lines.append("Critical path of the layer (each begins where the one before ended):")
        let path = timeline.criticalPath.filter { $0.token == token && $0.layer == layer }
        for segment in path {
            lines.append(
                "  " + Text.padded(microseconds(segment.duration), 12) + " us  "
                    + "\(segment.name), \(segment.unit)")
        }
        let sum = path.reduce(EmulatedDuration.zero) { $0 + $1.duration }
        lines.append("  " + Text.padded(microseconds(sum), 12) + " us  layer")
        lines.append(
            "  " + Text.padded(microseconds(timeline.criticalDuration), 12)
                + " us  whole run: the sum of all \(timeline.criticalPath.count) segments")
        return lines.joined(separator: "\n")
    }

    private static let widths = [-22, -11, 10, 10, 16, 14, 14, 9]

    /// Columns, left-aligned where the width is negative.
    private func line(_ columns: [String]) -> String {
        zip(columns, Self.widths).map { column, width in
            width < 0
                ? column + String(repeating: " ", count: max(0, -width - column.count))
                : Text.padded(column, width)
        }.joined(separator: " ")
    }

    /// Exact to the picosecond.
    private func microseconds(_ duration: EmulatedDuration) -> String {
        let (whole, rest) = duration.picoseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let digits = String(rest)
        return "\(whole)." + String(repeating: "0", count: 6 - digits.count) + digits
    }
}
