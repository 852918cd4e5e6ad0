import ActivationPredictor
import Coordinator
import Kernels

/// What a run says of its predictions and of its quality.
extension RunResult {
    var mode: String {
        if setting.request.isReference { return "reference" }
        return setting.predicted == nil ? "exact" : "predicted"
    }

    // MARK: JSON

    /// Shares over all layers but the first, which is computed in full; null where the truth was
    /// not asked for.
    var predictor: JSONValue {
        guard let prediction, let predicted = setting.predicted else { return .null }
        let constants = predicted.constants
        var members = Self.figures(prediction.overall)
        members["name"] = .string(prediction.name)
        members["feedback"] = .string(predicted.feedback.rawValue)
        members["parents"] = predicted.parentSource.map { .string($0) } ?? .null
        members["table_bytes"] = .integer(prediction.tableByteCount)
        members["computed_share"] = JSONValue(prediction.computedShare)
        members["layers"] =
            prediction.layers.map { .array($0.map { .object(Self.figures($0)) }) } ?? .null
        members["constants"] = .object([
            "lambda": .integer(constants.correlationWeight),
            "threshold": .integer(constants.activeThreshold),
            "hot_threshold": .integer(constants.hotThreshold),
            "gain": .integer(constants.gain), "decay": .integer(constants.decay),
            "unobserved": .string(constants.unobserved.rawValue),
        ])
        members["host"] = [
            "seconds_per_token": JSONValue(prediction.secondsPerToken),
            "sharing_seconds_per_token": JSONValue(prediction.sharingSecondsPerToken),
        ]
        return .object(members)
    }

    private static func figures(_ score: PredictionScore?) -> [String: JSONValue] {
        [
            "accuracy": score.map { JSONValue($0.accuracy) } ?? .null,
            "precision": score.map { JSONValue($0.precision) } ?? .null,
            "recall": score.map { JSONValue($0.recall) } ?? .null,
            "f1": score.map { JSONValue($0.f1) } ?? .null,
            "active_share": score.map { JSONValue($0.density) } ?? .null,
            "predicted_share": score.map { JSONValue($0.predictedShare) } ?? .null,
        ]
    }

    var qualityFigures: JSONValue {
        guard let quality else { return .null }
        func known(_ value: Double?) -> JSONValue { value.map { JSONValue($0) } ?? .null }
        var ratio: Double?
        if let own = quality.perplexity, let dense = quality.densePerplexity {
            ratio = own / dense
        }
        return .object([
            "positions": .integer(quality.positionCount),
            "agreement": known(quality.agreement),
            "kl_mean": known(quality.meanDivergence),
            "perplexity": known(quality.perplexity),
            "perplexity_dense": known(quality.densePerplexity),
            "perplexity_ratio": known(ratio),
            "evaluated_tokens": setting.evaluatedTokenCount.map { .integer($0) } ?? .null,
        ])
    }

    // MARK: Summary

    var predictionLines: [String] {
        var lines: [String] = []
        if let prediction {
            lines.append(
                "predictor \(prediction.name): "
                    + "\(Text.fixed(100 * prediction.computedShare, 1)) % of the feed-forward "
                    + "neurons computed, tables \(prediction.tableByteCount) bytes, "
                    + "\(Text.fixed(prediction.secondsPerToken * 1e6, 0)) us a token")
            if let score = prediction.overall {
                lines.append(
                    "predictions, layers 1 and up: accuracy \(Text.fixed(score.accuracy, 3)), "
                        + "precision \(Text.fixed(score.precision, 3)), "
                        + "recall \(Text.fixed(score.recall, 3)), "
                        + "F1 \(Text.fixed(score.f1, 3)); "
                        + "\(Text.fixed(100 * score.density, 1)) % were active")
            }
        }
        if let quality, let agreement = quality.agreement, let divergence = quality.meanDivergence {
            var line =
                "beside the dense model: \(Text.fixed(100 * agreement, 1)) % of "
                + "\(quality.positionCount) next tokens agree, "
                + "mean KL \(Text.fixed(divergence, 3)) nats"
            if let own = quality.perplexity, let dense = quality.densePerplexity {
                line +=
                    ", perplexity \(Text.fixed(own, 2)) against \(Text.fixed(dense, 2)) "
                    + "(\(Text.fixed(own / dense, 2)) times)"
            }
            lines.append(line)
        }
        return lines
    }
}

extension PredictionRecord {
    /// Computed neurons over all, layer 0 included.
    var computedShare: Double {
        neuronCount == 0 ? 0 : Double(computedCount) / Double(neuronCount)
    }

    /// Of predicting and observing.
    var secondsPerToken: Double { perToken(predictorNanoseconds) }

    /// Of naming each unit's slots and taking its active ones.
    var sharingSecondsPerToken: Double { perToken(sharingNanoseconds) }

    private func perToken(_ wallNanoseconds: UInt64) -> Double {
        Double(wallNanoseconds) * 1e-9 / Double(max(1, tokenCount))
    }
}
