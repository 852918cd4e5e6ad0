import Foundation

/// The predictors' figures as one Markdown table.
struct PredictorTable {
    static let titles = [
        "Model", "Sparsity", "Predictor", "Active", "Accuracy", "Precision", "Recall", "F1",
        "Computed", "Agreement", "KL", "Perplexity", "/ dense", "Predictor us/token",
        "Emulated ms/token", "Imbalance",
    ]
    private static let textColumnCount = 3

    private(set) var lines: [String]

    init() {
        let rules = Self.titles.indices.map { $0 < Self.textColumnCount ? "---" : "--:" }
        lines = [Self.line(Self.titles), Self.line(rules)]
    }

    mutating func add(
        model: String, sparsity: String, predictor: String, _ figures: PredictorFigures
    ) {
        let score = figures.score
        let quality = figures.quality
        lines.append(
            Self.line([
                model, sparsity, predictor,
                Self.percent(score?.active), Self.share(score?.correct),
                Self.share(score?.precision), Self.share(score?.recall), Self.share(score?.f1),
                Self.percent(score?.computed), Self.share(quality?.agreement),
                Self.number(quality?.divergence, 3), Self.significant(quality?.perplexity),
                Self.significant(quality?.perplexityRatio),
                Self.number(score?.microsecondsPerToken, 0),
                Self.number(quality.map { $0.emulatedSecondsPerToken * 1e3 }, 3),
                Self.number(quality?.imbalance, 3),
            ]))
    }

    private static func line(_ cells: [String]) -> String {
        "| " + cells.joined(separator: " | ") + " |"
    }

    private static func number(_ value: Double?, _ decimals: Int) -> String {
        value.map { String(format: "%.\(decimals)f", $0) } ?? "–"
    }

    private static func share(_ value: Double?) -> String { number(value, 3) }

    private static func percent(_ value: Double?) -> String {
        value.map { number(100 * $0, 1) + " %" } ?? "–"
    }

    /// Perplexities span six orders of magnitude.
    private static func significant(_ value: Double?) -> String {
        number(value, (value ?? 0) < 100 ? 2 : 0)
    }
}
