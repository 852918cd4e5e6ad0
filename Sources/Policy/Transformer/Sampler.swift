import Kernels
import SeededRandom

/// Chooses the next token from logits.
package struct Sampler: Sendable {
    private let temperature: Float
    private var random: SplitMix64

    /// - Parameters:
    ///   - temperature: 0 takes the most likely token (the lowest index among equals); above 0
    ///     the logits are divided by it and a token is drawn from their softmax.
    ///   - seed: equal seeds draw equal tokens.
    package init(temperature: Float, seed: UInt64) {
        precondition(temperature >= 0 && temperature.isFinite)
        self.temperature = temperature
        random = SplitMix64(seed: seed)
    }

    /// One token from logits [vocabulary].
    package mutating func sample(_ logits: Span<Float>) -> Choice {
        let best = TopTwo(logits)
        guard temperature > 0 else { return Choice(token: best.first, margin: best.margin) }
        var weights = [Float](repeating: 0, count: logits.count)
        for index in logits.indices { weights[index] = logits[index] / temperature }
        var span = weights.mutableSpan
        softmax(&span)
        // Summed in Double and in index order, so that the draw is the same on any machine.
        var rest = random.nextUnitInterval() * weights.reduce(0.0) { $0 + Double($1) }
        for index in weights.indices {
            rest -= Double(weights[index])
            if rest < 0 { return Choice(token: index, margin: best.margin) }
        }
        return Choice(token: best.first, margin: best.margin)
    }

    package struct Choice: Equatable, Sendable {
        package let token: Int
        /// Distance between the two best logits: how firmly greedy decoding chooses.
        package let margin: Float
    }
}

/// The largest of some logits and its distance to the second.
private struct TopTwo {
    var first = 0
    let margin: Float

    init(_ logits: Span<Float>) {
        precondition(!logits.isEmpty)
        var second = -Float.infinity
        for index in 1..<max(1, logits.count) {
            if logits[index] > logits[first] {
                second = logits[first]
                first = index
            } else if logits[index] > second {
                second = logits[index]
            }
        }
        margin = logits[first] - second
    }
}
