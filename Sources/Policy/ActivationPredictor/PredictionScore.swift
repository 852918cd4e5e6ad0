package import PackedSets

/// How often predictions were right and wrong, in neurons over all tokens.
package struct PredictionScore: Equatable, Sendable {
    /// Predicted active, and active.
    package private(set) var truePositiveCount = 0
    /// Predicted active, and not: computed for nothing.
    package private(set) var falsePositiveCount = 0
    /// Not predicted, yet active: missing from the result.
    package private(set) var falseNegativeCount = 0
    /// Not predicted, and not active.
    package private(set) var trueNegativeCount = 0

    package init() {}

    package mutating func add(predicted: PackedSet, active: PackedSet) {
        let hitCount = predicted.intersectionCount(active)
        let predictedCount = predicted.memberCount
        let activeCount = active.memberCount
        truePositiveCount += hitCount
        falsePositiveCount += predictedCount - hitCount
        falseNegativeCount += activeCount - hitCount
        trueNegativeCount += active.elementCount - predictedCount - activeCount + hitCount
    }

    package static func += (score: inout Self, other: Self) {
        score.truePositiveCount += other.truePositiveCount
        score.falsePositiveCount += other.falsePositiveCount
        score.falseNegativeCount += other.falseNegativeCount
        score.trueNegativeCount += other.trueNegativeCount
    }

    package static func + (left: Self, right: Self) -> Self {
        var sum = left
        sum += right
        return sum
    }

    package var count: Int {
        truePositiveCount + falsePositiveCount + falseNegativeCount + trueNegativeCount
    }

    /// Share of neurons that were predicted right. All shares are 0 where nothing was counted.
    package var accuracy: Double { Self.share(truePositiveCount + trueNegativeCount, of: count) }

    /// Share of the predicted that were active; 0 when nobody was predicted.
    package var precision: Double {
        Self.share(truePositiveCount, of: truePositiveCount + falsePositiveCount)
    }

    /// Share of the active that were predicted; 0 when nobody was active.
    package var recall: Double {
        Self.share(truePositiveCount, of: truePositiveCount + falseNegativeCount)
    }

    /// Harmonic mean of precision and recall.
    package var f1: Double {
        Self.share(
            2 * truePositiveCount,
            of: 2 * truePositiveCount + falsePositiveCount + falseNegativeCount)
    }

    /// Share of neurons that were active.
    package var density: Double { Self.share(truePositiveCount + falseNegativeCount, of: count) }

    /// Share of neurons that were predicted active, and so computed.
    package var predictedShare: Double {
        Self.share(truePositiveCount + falsePositiveCount, of: count)
    }

    private static func share(_ part: Int, of whole: Int) -> Double {
        whole == 0 ? 0 : Double(part) / Double(whole)
    }
}
