/// What one run's time goes into, in percent of all of it.
package struct TimeShares: Equatable, Sendable {
    package struct Part: Equatable, Sendable {
        package let name: String
        package let percent: Double
    }

    package let system: String
    package let model: String
    package let batchSize: Int
    /// As they follow each other in a run; all of ``names``, and together 100.
    package let parts: [Part]

    /// In the order of ``parts``.
    package static let names = [
        "prefill", "qkv", "attention", "projection", "mlp", "communication", "predictor", "other",
    ]

    /// - Returns: `nil` where the run does not tell its parts.
    package init?(system: String, model: String, batchSize: Int, figures: EmulationFigures) {
        // In their order: that of a dictionary would decide the last digit.
        let total = Self.names.reduce(0) { $0 + (figures.parts[$1] ?? 0) }
        guard total > 0 else { return nil }
        self.system = system
        self.model = model
        self.batchSize = batchSize
        parts = Self.names.map {
            Part(name: $0, percent: 100 * (figures.parts[$0] ?? 0) / total)
        }
    }
}

/// Bars whose parts stand on each other.
package struct StackedBars {
    package let titles: [String]
    /// Parts from below, of each bar; as many as there are titles.
    package let bars: [(name: String, parts: [Double])]

    package init(titles: [String], bars: [(name: String, parts: [Double])]) {
        precondition(bars.allSatisfy { $0.parts.count == titles.count })
        self.titles = titles
        self.bars = bars
    }

    package var ticks: [Chart.Tick] {
        bars.enumerated().map { Chart.Tick(Double($0), $1.name) }
    }

    /// Without parts that no bar has.
    package var series: [Chart.Series] {
        titles.enumerated().compactMap { place, title in
            let points = bars.enumerated().compactMap { index, bar in
                let base = bar.parts[..<place].reduce(0, +)
                return bar.parts[place] > 0
                    ? Chart.Point(Double(index), base + bar.parts[place], from: base) : nil
            }
            return points.isEmpty
                ? nil : Chart.Series(title, style: .stacked, colour: place, points: points)
        }
    }
}
