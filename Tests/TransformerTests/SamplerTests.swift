import Glibc
import Testing
import Transformer

/// The choice of the next token.
@Suite struct SamplerTests {
    private static let logits: [Float] = [
        0.1, 2, -1, 0.5, 1.5, -3, 0, 2.5, 1, -0.5, 0.25, 1.75, -2, 0.75, 2.25,
    ]

    private struct Choice: Equatable {
        let token: Int
        let margin: Float
    }

    private func greedy(_ logits: [Float]) -> Choice {
        var sampler = Sampler(temperature: 0, seed: 1)
        let choice = sampler.sample(logits.span)
        return Choice(token: choice.token, margin: choice.margin)
    }

    @Test func `Greedy takes the largest logit and tells the distance to the next`() {
        #expect(greedy(Self.logits) == Choice(token: 7, margin: 0.25))
        #expect(greedy([-5, -4, -7]) == Choice(token: 1, margin: 1))
        #expect(greedy([3, 2, 1]) == Choice(token: 0, margin: 1))
        #expect(greedy([1, 2, 3]) == Choice(token: 2, margin: 1))
    }

    @Test func `Among equals greedy takes the lowest index, with no margin`() {
        #expect(greedy([1, 4, 4, 2, 4]) == Choice(token: 1, margin: 0))
        #expect(greedy([0, 0, 0]) == Choice(token: 0, margin: 0))
        #expect(greedy([0, -0.0]) == Choice(token: 0, margin: 0))
    }

    @Test func `A vocabulary of one has no second`() {
        #expect(greedy([2]) == Choice(token: 0, margin: .infinity))
        var warm = Sampler(temperature: 1, seed: 1)
        #expect(warm.sample([2 as Float].span).token == 0)
    }

    private func draws(_ count: Int, temperature: Float, seed: UInt64) -> [Int] {
        var sampler = Sampler(temperature: temperature, seed: seed)
        return (0..<count).map { _ in sampler.sample(Self.logits.span).token }
    }

    @Test func `Equal seeds draw equal tokens, others do not`() {
        #expect(
            draws(200, temperature: 1, seed: 3) == draws(200, temperature: 1, seed: 3))
        #expect(
            draws(200, temperature: 1, seed: 3) != draws(200, temperature: 1, seed: 4))
    }

    @Test(arguments: [0.3, 0.7, 1, 2.5] as [Float], [11, 12] as [UInt64])
    func `Draws follow the softmax of the logits over the temperature`(
        temperature: Float, seed: UInt64
    ) {
        let powers = Self.logits.map { exp(Double($0) / Double(temperature)) }
        let total = powers.reduce(0, +)
        let count = 20_000
        var counts = [Int](repeating: 0, count: powers.count)
        for token in draws(count, temperature: temperature, seed: seed) { counts[token] += 1 }
        // Tokens expected less than five times count together, as the test demands.
        var statistic = 0.0
        var classes = 0
        var rare = (expected: 0.0, found: 0.0)
        for token in powers.indices {
            let expected = Double(count) * powers[token] / total
            let found = Double(counts[token])
            if expected < 5 {
                rare = (rare.expected + expected, rare.found + found)
            } else {
                statistic += (found - expected) * (found - expected) / expected
                classes += 1
            }
        }
        if rare.expected > 1 {
            let difference = rare.found - rare.expected
            statistic += difference * difference / rare.expected
            classes += 1
        }
        // Wilson and Hilferty's cube for the quantile that one seed in 1000 exceeds.
        let freedom = Double(classes - 1)
        let root = 1 - 2 / (9 * freedom) + 3.09 * (2 / (9 * freedom)).squareRoot()
        #expect(statistic < freedom * root * root * root)
    }

    @Test func `The margin of a drawn token is still that of the two best`() {
        var sampler = Sampler(temperature: 2, seed: 5)
        for _ in 0..<20 { #expect(sampler.sample(Self.logits.span).margin == 0.25) }
    }

    @Test func `A temperature near zero draws as greedy chooses`() {
        for temperature: Float in [1e-3, 1e-20, .leastNonzeroMagnitude] {
            #expect(Set(draws(100, temperature: temperature, seed: 6)) == [7])
        }
    }

    @Test func `Huge logits and excluded tokens are drawn rightly`() {
        var sampler = Sampler(temperature: 1, seed: 7)
        let logits: [Float] = [-.infinity, 3e38, -.infinity, 3e38]
        var seen: Set<Int> = []
        for _ in 0..<100 { seen.insert(sampler.sample(logits.span).token) }
        #expect(seen == [1, 3])
    }

    @Test func `A temperature below zero or without bound, and no logits at all, trap`() async {
        await #expect(processExitsWith: .failure) { _ = Sampler(temperature: -1, seed: 1) }
        await #expect(processExitsWith: .failure) { _ = Sampler(temperature: .infinity, seed: 1) }
        await #expect(processExitsWith: .failure) {
            var sampler = Sampler(temperature: 0, seed: 1)
            _ = sampler.sample([Float]().span)
        }
    }
}
