/// Finds the parameters, one or two, with the least loss, on grids that zoom in.
///
/// The losses are sums of absolute values: not smooth, with kinks and flat stretches, on which
/// methods with gradients or brackets stop early. Every grid is logarithmic, its points are rounded
/// to three digits, and the next one spans the neighbours of the best point; of equals the first
/// that was tried wins. So the same input gives the same result, and the values that are tried are
/// those that can be written down.
enum ZoomingSearch {
    /// At least; halving the gaps of two points gives 33.
    private static let pointCount = 25
    private static let roundCount = 4

    private struct Trial {
        let first: Double
        let second: Double
        let loss: Double
    }

    /// - Parameter range: of the parameter, above zero.
    static func best(in range: ClosedRange<Double>, _ loss: (Double) -> Double) -> Double {
        best(in: (range, 1...1)) { first, _ in loss(first) }.0
    }

    static func best(
        in ranges: (ClosedRange<Double>, ClosedRange<Double>),
        _ loss: (Double, Double) -> Double
    ) -> (Double, Double) {
        var (first, second) = ranges
        var trials: [Trial] = []
        var best = (first.lowerBound, second.lowerBound)
        for _ in 0..<roundCount {
            for a in grid(first) {
                for b in grid(second) {
                    trials.append(Trial(first: a, second: b, loss: loss(a, b)))
                }
            }
            best = trials.min { $0.loss < $1.loss }.map { ($0.first, $0.second) } ?? best
            first = neighbourhood(of: best.0, in: first, within: ranges.0)
            second = neighbourhood(of: best.1, in: second, within: ranges.1)
        }
        return best
    }

    /// Equal ratios from end to end, by square roots, which every machine computes alike.
    private static func grid(_ range: ClosedRange<Double>) -> [Double] {
        guard range.lowerBound < range.upperBound else { return [range.lowerBound] }
        var points = [range.lowerBound, range.upperBound]
        while points.count < pointCount {
            points =
                zip(points, points.dropFirst()).flatMap { [$0, ($0 * $1).squareRoot()] }
                + [range.upperBound]
        }
        return points.map(rounded)
    }

    private static func neighbourhood(
        of best: Double, in range: ClosedRange<Double>, within limits: ClosedRange<Double>
    ) -> ClosedRange<Double> {
        guard range.lowerBound < range.upperBound else { return range }
        let points = grid(range)
        // A best point of an earlier round may lie at the end of this grid.
        let below = points.last { $0 < best } ?? best
        let above = points.first { $0 > best } ?? best
        return max(limits.lowerBound, below)...min(limits.upperBound, above)
    }

    /// To three significant decimal digits.
    static func rounded(_ value: Double) -> Double {
        precondition(value > 0)
        var scale = 1.0
        while value * scale < 100 { scale *= 10 }
        while value * scale >= 1_000 { scale /= 10 }
        return (value * scale).rounded() / scale
    }
}
