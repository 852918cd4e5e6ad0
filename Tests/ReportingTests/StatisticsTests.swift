import Foundation
import Reporting
import Testing

struct StatisticsTests {
    @Test func `The error is the geometric mean of the factors, either way`() throws {
        // |ln 2| and |ln 1/8| have the mean ln 4.
        let error = try #require(Statistics.geometricMeanError([(2, 1), (1, 8)]))
        #expect(abs(error - 4) < 1e-12)
        #expect(Statistics.geometricMeanError([(3, 3)]) == 1)
        #expect(Statistics.geometricMeanError([]) == nil)
    }

    @Test func `Spearman's correlation is that of the ranks`() throws {
        // Ranks 1 2 3 4 5 against 2 1 4 3 5: 1 - 6 x 4 / (5 x 24) = 0.8.
        let mixed = try #require(Statistics.spearman([1, 2, 30, 40, 500], [2, 1, 9, 8, 10]))
        #expect(abs(mixed - 0.8) < 1e-12)
        let reversed = try #require(Statistics.spearman([1, 2, 3], [9, 4, 1]))
        #expect(abs(reversed + 1) < 1e-12)
        // Ranks 1.5 1.5 3 against 1 2 3: covariance 1.5, variances 1.5 and 2.
        let tied = try #require(Statistics.spearman([1, 1, 2], [1, 2, 3]))
        #expect(abs(tied - 1.5 / 3.0.squareRoot()) < 1e-12)
        #expect(Statistics.spearman([1], [1]) == nil)
        #expect(Statistics.spearman([1, 1], [1, 2]) == nil)
    }

    @Test func `Errors keep systems and halves apart, and leave out what is no result`() throws {
        let points = [
            examplePoint(ours: 200, isFitted: true), examplePoint(model: "OPT-30B", ours: 50),
            examplePoint(model: "OPT-66B", ours: 100),
            examplePoint(model: "OPT-66B", ours: 900, isRepeat: true),
            examplePoint(model: "B", ours: 900, origin: .input),
            examplePoint(model: "C", metric: "ratio", ours: 900),
            examplePoint(model: "D", ours: nil), examplePoint(system: "FlexGen", ours: 110),
        ]
        let errors = SystemError.all(of: points)
        #expect(errors.map(\.system) == ["Hermes", "Hermes", "FlexGen"])
        #expect(errors.map(\.half) == [.fitted, .heldOut, .heldOut])
        #expect(errors.map(\.pointCount) == [1, 2, 1])
        #expect(abs(errors[0].geometricMean - 2) < 1e-12)
        #expect(abs(errors[1].geometricMean - 2.0.squareRoot()) < 1e-12)
        #expect(abs(errors[1].worst - 2) < 1e-12)
        #expect(ReproductionSummary(points: points).scoredCount == 4)
    }

    @Test(arguments: [
        (ReproducedPoint.Published.exactly(100), 115.0, Verdict.agrees),
        (.exactly(100), 87, .agrees),
        (.exactly(100), 116, .near), (.exactly(100), 150, .near), (.exactly(100), 67, .near),
        (.exactly(100), 151, .differs), (.exactly(100), 0, .differs), (.below(5), 4.9, .holds),
        (.below(5), 5, .fails), (.above(80), 81, .holds), (.above(80), 80, .fails),
        (.between(1.2, 2.5), 2.5, .holds), (.between(1.2, 2.5), 1.1, .fails),
    ])
    func `A verdict says how near ours is`(
        published: ReproducedPoint.Published, ours: Double, expected: Verdict
    ) {
        #expect(examplePoint(published: published, ours: ours).verdict == expected)
    }

    @Test func `What was put in is no result, and what is missing neither`() {
        #expect(examplePoint(ours: 100, origin: .input).verdict == .input)
        #expect(examplePoint(ours: nil).verdict == .noResult)
    }

    @Test func `Ablations are chained over one another and ranked`() throws {
        func speedup(_ system: String, _ published: Double, _ ours: Double) -> ReproducedPoint {
            examplePoint(
                figure: "13", system: system, metric: "mlp_speedup",
                published: .exactly(published), ours: ours)
        }
        let points = [
            speedup("Hermes-partition/Hermes-random", 1.5, 1.25),
            speedup("Hermes-adjustment/Hermes-partition", 2, 1.5),
        ]
        let order = try #require(AblationOrder(points: points))
        #expect(order.steps.map(\.published) == [1, 1.5, 3])
        #expect(order.steps.map(\.ours) == [1, 1.25, 1.875])
        #expect(order.isAsPublished)
        func workload(_ speeds: [Double]) -> AblationOrder.Case {
            AblationOrder.Case(model: "LLaMA2-13B", batchSize: 1, speeds: speeds)
        }
        #expect(order.isAsPublished(workload([1, 1.1, 1.2])))
        #expect(!order.isAsPublished(workload([1, 1.3, 1.2])))
        #expect(!order.isAsPublished(workload([1, 0.9, 1.2])))
        let swapped = try #require(
            AblationOrder(points: [points[0], speedup("Hermes/Hermes-partition", 2, 0.9)]))
        #expect(!swapped.isAsPublished)
        #expect(AblationOrder(points: []) == nil)
    }

    @Test(arguments: [
        (0.0, "0"), (1.0, "1"), (0.012345, "0.0123"), (1.2345, "1.23"), (123.45, "123"),
        (1234.5, "1234"), (99.96, "100"), (-0.5, "-0.5"), (.infinity, "-"),
    ])
    func `Digits stay few and exponents away`(value: Double, expected: String) {
        #expect(Digits.significant(value, 3) == expected)
    }
}
