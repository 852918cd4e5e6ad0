import Foundation
import Kernels
import Testing

/// Distances of next-token distributions against values worked out by hand.
@Suite struct LogitComparisonTests {
    private func isClose(_ found: Double?, _ expected: Double) -> Bool {
        found.map { abs($0 - expected) < 1e-12 * max(1, abs(expected)) } ?? false
    }

    @Test func `Without a position there are no figures`() {
        let none = LogitComparison()
        #expect(none.positionCount == 0)
        #expect(none.agreement == nil && none.meanDivergence == nil)
        #expect(none.perplexity == nil && none.densePerplexity == nil)
    }

    @Test func `A distribution is at no distance from itself, whatever is added to its logits`() {
        var comparison = LogitComparison()
        comparison.add(logits: [1, 2, 3], dense: [1, 2, 3], target: 2)
        comparison.add(logits: [1001, 1002, 1003], dense: [1, 2, 3], target: 0)
        #expect(comparison.positionCount == 2)
        #expect(comparison.agreement == 1)
        #expect(abs(comparison.meanDivergence ?? 1) < 1e-12)
        #expect(isClose(comparison.perplexity, comparison.densePerplexity ?? 0))
    }

    @Test func `Divergence is that of the run from the dense model, in nats`() {
        var comparison = LogitComparison()
        // Dense: 1/2, 1/2; run: 3/4, 1/4.
        comparison.add(logits: [Float(log(3.0)), 0], dense: [0, 0])
        let three = Double(Float(log(3.0)))
        let sum = exp(three) + 1
        let expected = 0.5 * (log(0.5) - (three - log(sum))) + 0.5 * (log(0.5) + log(sum))
        #expect(isClose(comparison.meanDivergence, expected))
        #expect(abs(expected - 0.143841) < 1e-6)
        // Equals: the lowest index is the likeliest.
        #expect(comparison.agreement == 1)
        #expect(comparison.perplexity == nil)
    }

    @Test func `Agreement and perplexities are means over the positions`() {
        var comparison = LogitComparison()
        comparison.add(logits: [0, 1], dense: [1, 0], target: 0)
        comparison.add(logits: [0, 1], dense: [0, 1], target: 1)
        comparison.add(logits: [0, 1], dense: [0, 1])
        #expect(isClose(comparison.agreement, 2.0 / 3))
        let likely = exp(1.0) / (exp(1.0) + 1)
        #expect(isClose(comparison.densePerplexity, 1 / likely))
        #expect(isClose(comparison.perplexity, 1 / (likely * (1 - likely)).squareRoot()))
    }

    @Test func `Extreme logits overflow nothing`() {
        var comparison = LogitComparison()
        comparison.add(logits: [3e38, -3e38], dense: [-3e38, 3e38], target: 1)
        #expect(comparison.agreement == 0)
        #expect(comparison.meanDivergence.map { $0 > 1e38 } == true)
        var impossible = LogitComparison()
        impossible.add(logits: [0, 0], dense: [-.infinity, 0])
        #expect(isClose(impossible.meanDivergence, log(2.0)))
    }
}
