import ActivationPredictor
import PackedSets
import Testing

/// Replays of drawn activity, and the figures that come of them.
@Suite struct TraceScoringTests {
    static let layout = NeuronLayout(layerCount: 3, neuronCounts: [66, 20])

    private func results(
        _ tokens: [[[PackedSet]]], feedback: Feedback, prefillTokenCount: Int = 16
    ) -> [PredictionResult] {
        var sampler = ParentSampler(layout: Self.layout)
        for token in tokens { sampler.add(token: token) }
        var scoring = TraceScoring(
            layout: Self.layout,
            predictors: TraceScoring.standardPredictors(
                layout: Self.layout, conditional: sampler.table(by: .conditional),
                jaccard: sampler.table(by: .jaccard)),
            prefillTokenCount: prefillTokenCount, feedback: feedback)
        scoring.add(tokens: tokens)
        return scoring.results
    }

    @Test(arguments: Feedback.allCases)
    func `No predictor passes the oracle, and equal replays give equal figures`(
        feedback: Feedback
    ) throws {
        let tokens = RandomActivity.tokens(60, layout: Self.layout, seed: 9)
        let results = results(tokens, feedback: feedback)
        let oracle = try #require(results.first { $0.name == "oracle" }).overall
        #expect(oracle.accuracy == 1)
        #expect(oracle.f1 == 1)
        for result in results {
            let score = result.overall
            #expect(score.count == 44 * 2 * 86, "layers above the first, tokens after prefill")
            #expect(score.density == oracle.density)
            #expect(score.accuracy <= oracle.accuracy && score.f1 <= oracle.f1)
            #expect(result.layers.count == 3)
        }
        #expect(self.results(tokens, feedback: feedback) == results)
    }

    @Test func `The names are those of the published figures`() {
        let names = results([], feedback: .full).map(\.name)
        #expect(
            names == [
                "combined-conditional", "layer-conditional", "combined-jaccard", "layer-jaccard",
                "token (s1 > 10)", "same-as-last-token", "prefill frequency > 30 %", "all-active",
                "none-active", "oracle",
            ])
    }

    @Test func `A trace that ends within the prompt is not scored`() {
        let tokens = RandomActivity.tokens(5, layout: Self.layout, seed: 1)
        #expect(results(tokens, feedback: .full).allSatisfy { $0.overall.count == 0 })
    }

    @Test func `Full feedback tells the truth, the last token's included`() throws {
        let tokens = RandomActivity.tokens(30, layout: Self.layout, seed: 2)
        let result = try #require(
            results(tokens, feedback: .full).first { $0.name == "same-as-last-token" })
        var expected = PredictionScore()
        for number in 16..<30 {
            for layer in 1...2 {
                for block in 0...1 {
                    expected.add(
                        predicted: tokens[number - 1][layer][block],
                        active: tokens[number][layer][block])
                }
            }
        }
        #expect(result.overall == expected)
    }

    /// What is not computed is not seen, so the last token's set can only shrink.
    @Test func `With feedback from computed neurons only, memory of one token dies out`() throws {
        let tokens = RandomActivity.tokens(60, layout: Self.layout, seed: 5)
        let name = "same-as-last-token"
        let full = try #require(results(tokens, feedback: .full).first { $0.name == name })
        let observed = try #require(
            results(tokens, feedback: .observed).first { $0.name == name })
        #expect(observed.overall.recall < full.overall.recall / 2)
    }

    /// All neurons active in the prompt, then none in 40 tokens, then all: under the paper's rule
    /// nobody is computed any more, so nobody is seen; states held once unobserved stay as high as
    /// they were when they stopped being predicted.
    @Test func `The closed loop of the paper's rule never recovers`() throws {
        let layout = NeuronLayout(layerCount: 2, neuronCounts: [64])
        let all = PackedSet.full(elementCount: 64)
        let none = PackedSet(elementCount: 64)
        let parents = (0..<64).flatMap { [UInt16($0), UInt16($0)] }
        let table = try CorrelationTable(layout: layout, parents: [[[]], [parents]])
        func recall(_ unobserved: UnobservedStates, _ feedback: Feedback) throws -> Double {
            let constants = try PredictorConstants(unobserved: unobserved)
            let predictor = StatePredictor(
                name: "combined", layout: layout, rule: .combined, constants: constants,
                correlations: table)
            var scoring = TraceScoring(
                layout: layout, predictors: [predictor], prefillTokenCount: 1,
                feedback: feedback)
            scoring.add(token: [[all], [all]])
            for _ in 0..<40 { scoring.add(token: [[all], [none]]) }
            for _ in 0..<20 { scoring.add(token: [[all], [all]]) }
            return scoring.results.first?.overall.recall ?? -1
        }
        #expect(try recall(.decremented, .observed) == 0)
        // The state stopped at 3, where both parents no longer suffice.
        #expect(try recall(.held, .observed) == 0)
        // Seen in full the first is missed, the others are not.
        #expect(try recall(.decremented, .full) == 0.95)
    }

    @Test func `Scores are the counts of a plain comparison`() {
        let tokens = RandomActivity.tokens(2, layout: Self.layout, seed: 8)
        let (predicted, active) = (tokens[0][0][0], tokens[1][0][0])
        var score = PredictionScore()
        score.add(predicted: predicted, active: active)
        let pairs = (0..<66).map { (predicted.contains($0), active.contains($0)) }
        #expect(score.truePositiveCount == pairs.count { $0 && $1 })
        #expect(score.falsePositiveCount == pairs.count { $0 && !$1 })
        #expect(score.falseNegativeCount == pairs.count { !$0 && $1 })
        #expect(score.trueNegativeCount == pairs.count { !$0 && !$1 })
        #expect((score + score).count == 132)
        #expect((score + score).f1 == score.f1)
    }

    /// 8 neurons: 3 predicted, 4 active, 2 of them both.
    @Test func `Figures by hand`() {
        var score = PredictionScore()
        score.add(
            predicted: PackedSet(elementCount: 8, members: [0, 1, 2]),
            active: PackedSet(elementCount: 8, members: [1, 2, 3, 4]))
        #expect(score.accuracy == 5.0 / 8)
        #expect(score.precision == 2.0 / 3)
        #expect(score.recall == 0.5)
        #expect(score.f1 == 4.0 / 7)
        #expect(score.density == 0.5)
        #expect(score.predictedShare == 3.0 / 8)
    }

    @Test func `Where nothing was counted all figures are 0`() {
        let score = PredictionScore()
        #expect([score.accuracy, score.precision, score.recall, score.f1] == [0, 0, 0, 0])
        #expect([score.density, score.predictedShare] == [0, 0])
    }
}
