import Glibc

/// How far a run's next-token distributions are from the dense model's at the same positions.
package struct LogitComparison: Sendable {
    package private(set) var positionCount = 0
    private var agreementCount = 0
    private var divergenceSum = 0.0
    private var lossSum = 0.0
    private var denseLossSum = 0.0
    private var targetCount = 0

    package init() {}

    /// Adds one position.
    ///
    /// - Parameters:
    ///   - logits: of the run, [vocabulary].
    ///   - dense: of the dense model after the same tokens, [vocabulary].
    ///   - target: the token that really comes next, where a text says so.
    package mutating func add(logits: [Float], dense: [Float], target: Int32? = nil) {
        precondition(logits.count == dense.count && !logits.isEmpty)
        let own = LogProbabilities(logits)
        let reference = LogProbabilities(dense)
        positionCount += 1
        if own.best == reference.best { agreementCount += 1 }
        var divergence = 0.0
        for token in dense.indices {
            let expected = reference.value(dense[token])
            // The limit of p log p at 0 is 0.
            guard expected > -.infinity else { continue }
            divergence += exp(expected) * (expected - own.value(logits[token]))
        }
        divergenceSum += divergence
        if let target {
            targetCount += 1
            lossSum -= own.value(logits[Int(target)])
            denseLossSum -= reference.value(dense[Int(target)])
        }
    }

    /// Share of positions at which both hold the same token for the likeliest (the lowest index
    /// among equals); `nil` without a position, as all figures are.
    package var agreement: Double? { mean(Double(agreementCount), of: positionCount) }

    /// Mean KL divergence of the run from the dense model, KL(dense || run), in nats.
    package var meanDivergence: Double? { mean(divergenceSum, of: positionCount) }

    /// Of the text under the run; `nil` where no text was given.
    package var perplexity: Double? { mean(lossSum, of: targetCount).map { exp($0) } }

    /// Of the text under the dense model.
    package var densePerplexity: Double? { mean(denseLossSum, of: targetCount).map { exp($0) } }

    private func mean(_ sum: Double, of count: Int) -> Double? {
        count == 0 ? nil : sum / Double(count)
    }
}

/// The logarithm of a softmax, in double.
private struct LogProbabilities {
    let best: Int
    private let logOfSum: Double

    init(_ logits: [Float]) {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        self.best = best
        let largest = Double(logits[best])
        logOfSum = largest + log(logits.reduce(0.0) { $0 + exp(Double($1) - largest) })
    }

    func value(_ logit: Float) -> Double { Double(logit) - logOfSum }
}
