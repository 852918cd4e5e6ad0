import ActivationPredictor
import Foundation

/// What one run says of its predictor; several windows of one text pool into one.
struct PredictorFigures {
    /// Positions at which a next token was predicted.
    private(set) var positionCount: Double
    /// `nil` where nobody predicted.
    private(set) var score: Shares?
    private(set) var quality: Quality?

    /// Of all neurons but layer 0's.
    struct Shares {
        var correct: Double
        var active: Double
        var predicted: Double
        var hit: Double
        /// With layer 0.
        var computed: Double
        /// `nil` where no clock ran.
        var microsecondsPerToken: Double?

        var precision: Double? { predicted == 0 ? nil : hit / predicted }
        var recall: Double? { active == 0 ? nil : hit / active }
        var f1: Double? { active + predicted == 0 ? nil : 2 * hit / (active + predicted) }
    }

    /// Beside the dense model.
    struct Quality {
        var agreement: Double
        var divergence: Double
        /// Mean negative log-likelihoods.
        var logLoss: Double
        var denseLogLoss: Double
        var emulatedSecondsPerToken: Double
        var imbalance: Double

        var perplexity: Double { exp(logLoss) }
        var perplexityRatio: Double { exp(logLoss - denseLogLoss) }
    }

    /// Of `hermes run --evaluate`.
    init(run: [String: Any]) throws {
        func member(_ object: String, _ name: String) throws -> Double {
            guard let value = (run[object] as? [String: Any])?[name] as? NSNumber else {
                throw BenchmarkError.noResult("the run's JSON has no \(object).\(name)")
            }
            return value.doubleValue
        }
        positionCount = try member("quality", "positions")
        quality = Quality(
            agreement: try member("quality", "agreement"),
            divergence: try member("quality", "kl_mean"),
            logLoss: log(try member("quality", "perplexity")),
            denseLogLoss: log(try member("quality", "perplexity_dense")),
            emulatedSecondsPerToken: 1 / (try member("tokens_per_second", "emulated")),
            imbalance: try member("imbalance", "mean"))
        guard let predictor = run["predictor"] as? [String: Any] else { return }
        let active = try member("predictor", "active_share")
        guard let host = predictor["host"] as? [String: Any],
            let seconds = host["seconds_per_token"] as? NSNumber
        else {
            throw BenchmarkError.noResult("the run's JSON has no predictor.host.seconds_per_token")
        }
        score = Shares(
            correct: try member("predictor", "accuracy"), active: active,
            predicted: try member("predictor", "predicted_share"),
            hit: active * (try member("predictor", "recall")),
            computed: try member("predictor", "computed_share"),
            microsecondsPerToken: seconds.doubleValue * 1e6)
    }

    /// Of recorded or generated activity, whose layers are of one size.
    init(_ result: PredictionResult, tokenCount: Int) {
        let overall = result.overall
        let layerCount = Double(result.scores.count)
        positionCount = Double(tokenCount)
        score = Shares(
            correct: overall.accuracy, active: overall.density, predicted: overall.predictedShare,
            hit: overall.density * overall.recall,
            computed: (1 + (layerCount - 1) * overall.predictedShare) / layerCount)
    }

    /// The mean over positions of both; perplexities over all of them.
    mutating func pool(_ other: PredictorFigures) {
        let share = other.positionCount / (positionCount + other.positionCount)
        func mix(_ value: inout Double, _ next: Double) { value += share * (next - value) }
        if var own = score, let next = other.score {
            mix(&own.correct, next.correct)
            mix(&own.active, next.active)
            mix(&own.predicted, next.predicted)
            mix(&own.hit, next.hit)
            mix(&own.computed, next.computed)
            if let time = own.microsecondsPerToken, let more = next.microsecondsPerToken {
                own.microsecondsPerToken = time + share * (more - time)
            }
            score = own
        }
        if var own = quality, let next = other.quality {
            mix(&own.agreement, next.agreement)
            mix(&own.divergence, next.divergence)
            mix(&own.logLoss, next.logLoss)
            mix(&own.denseLogLoss, next.denseLogLoss)
            mix(&own.emulatedSecondsPerToken, next.emulatedSecondsPerToken)
            mix(&own.imbalance, next.imbalance)
            quality = own
        }
        positionCount += other.positionCount
    }
}
