import Foundation

/// How near two lists of positive numbers are.
package enum Statistics {
    /// exp(mean |ln(ours / published)|): 1.10 means "10 % off either way, on average".
    ///
    /// - Returns: `nil` for no pairs.
    package static func geometricMeanError(_ pairs: [(ours: Double, published: Double)]) -> Double?
    {
        guard !pairs.isEmpty else { return nil }
        let sum = pairs.reduce(0) { $0 + abs(log($1.ours / $1.published)) }
        return exp(sum / Double(pairs.count))
    }

    /// Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank.
    ///
    /// - Returns: `nil` below two pairs, and where one side is all equal.
    package static func spearman(_ first: [Double], _ second: [Double]) -> Double? {
        precondition(first.count == second.count)
        guard first.count >= 2 else { return nil }
        let x = ranks(first)
        let y = ranks(second)
        let mean = Double(first.count + 1) / 2
        var covariance = 0.0
        var varianceX = 0.0
        var varianceY = 0.0
        for (rankX, rankY) in zip(x, y) {
            covariance += (rankX - mean) * (rankY - mean)
            varianceX += (rankX - mean) * (rankX - mean)
            varianceY += (rankY - mean) * (rankY - mean)
        }
        guard varianceX > 0, varianceY > 0 else { return nil }
        return covariance / (varianceX * varianceY).squareRoot()
    }

    /// 1 for the smallest; equal values share the mean of their places.
    static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            // Places start + 1 ... end.
            let shared = Double(start + 1 + end) / 2
            for index in start..<end { ranks[order[index]] = shared }
            start = end
        }
        return ranks
    }
}

/// The error of one system over one half of its points.
package struct SystemError: Equatable, Sendable {
    package enum Half: String, CaseIterable, Sendable {
        case fitted
        case heldOut = "held-out"
    }

    package let system: String
    package let half: Half
    package let pointCount: Int
    /// exp(mean |ln(ours / published)|).
    package let geometricMean: Double
    /// The farthest point's factor, 1 or above.
    package let worst: Double

    /// Of all systems that have scored points, in the order in which they appear.
    package static func all(of points: [ReproducedPoint]) -> [SystemError] {
        let scored = points.filter(\.isScored)
        var names: [String] = []
        for point in scored where !names.contains(point.system) { names.append(point.system) }
        return names.flatMap { name in
            Half.allCases.compactMap { half in
                SystemError(
                    system: name, half: half,
                    points: scored.filter {
                        $0.system == name && $0.isFitted == (half == .fitted)
                    })
            }
        }
    }

    private init?(system: String, half: Half, points: [ReproducedPoint]) {
        let ratios = points.compactMap(\.ratio)
        let mean = Statistics.geometricMeanError(ratios.map { ($0, 1) })
        guard let mean else { return nil }
        self.system = system
        self.half = half
        pointCount = ratios.count
        geometricMean = mean
        worst = ratios.reduce(1) { max($0, $1, 1 / $1) }
    }
}

/// What a whole reproduction comes to.
package struct ReproductionSummary: Sendable {
    package let errors: [SystemError]
    /// Over all scored throughputs; `nil` below two.
    package let rankCorrelation: Double?
    package let scoredCount: Int
    package let verdictCounts: [Verdict: Int]

    package init(points: [ReproducedPoint]) {
        let scored = points.filter(\.isScored)
        errors = SystemError.all(of: points)
        rankCorrelation = Statistics.spearman(
            scored.compactMap(\.ours), scored.compactMap(\.published.value))
        scoredCount = scored.count
        verdictCounts = Dictionary(grouping: points, by: \.verdict).mapValues(\.count)
    }
}
