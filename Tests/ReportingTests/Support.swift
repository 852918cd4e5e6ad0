import Foundation
import Reporting
import Testing

/// The project's own table of published points.
enum PaperTable {
    static func text() throws -> String {
        let root = URL(filePath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: root.appending(path: "Sources/Programs/hermes/Texts/paper.csv"),
            encoding: .utf8)
    }

    static func load() throws -> PublishedTable { try PublishedTable(try text()) }

    static let rules = PointRules(promptTokenCount: 128, tokenCount: 128, seed: 0)

    static func plan(
        figures: Set<String> = [], systems: Set<String>? = nil, isQuick: Bool = false
    ) throws -> ReproductionPlan {
        ReproductionPlan(
            table: try load(), figures: figures, systems: systems, rules: rules,
            standardTokenCount: 128, isQuick: isQuick)
    }

    /// Results in which every throughput of figures 9 to 11 and 17 is the published one, so that
    /// whatever is computed from them must come near what the paper computed from them.
    static func labels() throws -> EmulationResults {
        var results = EmulationResults(tokenCount: 128)
        for row in try load().rows where row.metric == "throughput" {
            guard let batch = Int(row.batch), let value = row.published.value else { continue }
            let run = rules.run(row.system, row.model, batch)
            let seconds = Double(batch * 128) / value
            // Prefill and decode as the paper's average; only their sum matters here.
            let figures = EmulationFigures(
                batchSize: batch, tokenCount: 128, prefillSeconds: seconds / 3,
                decodeSeconds: seconds * 2 / 3)
            if results.answers[run] == nil { results.answers[run] = .timed(figures) }
        }
        return results
    }
}

/// A point of figure 9, changed where a test says so.
func examplePoint(
    figure: String = "9", system: String = "Hermes", model: String = "OPT-13B",
    batch: String = "1", metric: String = "throughput",
    published: ReproducedPoint.Published = .exactly(100), ours: Double? = 100,
    origin: ReproducedPoint.Origin = .emulated, isFitted: Bool = false, isRepeat: Bool = false,
    note: String = "", contradiction: String = ""
) -> ReproducedPoint {
    ReproducedPoint(
        figure: figure, system: system, model: model, batch: batch, gpu: "RTX4090", dimms: "8",
        metric: metric, unit: "tokens/s", published: published, ours: ours, origin: origin,
        isFitted: isFitted, isRepeat: isRepeat, note: note, contradiction: contradiction)
}
