import ActivationPredictor
import ActivityTrace
import Quantities
import Scheduling

/// What `policy` found, as tables for people and as a document for programs.
struct PolicyReport {
    let command: PolicyCommand
    let header: TraceHeader
    let tokenCount: Int
    let predictors: [TimedPredictionResult]
    let rebalance: [RebalanceResult]

    private var decodeTokenCount: Int { tokenCount - header.prefillTokenCount }

    // MARK: Tables

    func text() -> String {
        (overview + [""] + overallTable + [""] + layerTable + [""] + rebalanceTable)
            .joined(separator: "\n") + "\n"
    }

    private var overview: [String] {
        [
            "Trace     \(command.trace): \(header.source)",
            "Model     \(header.modelName), \(header.shape.summary)",
            "Tokens    \(header.prefillTokenCount) of the prompt, then \(decodeTokenCount) scored",
            "Parents   \(command.parentsFrom ?? "of the scored trace itself")",
        ]
    }

    private var overallTable: [String] {
        var table = TextTable([
            " # predictor", "accuracy", "prec.", "recall", "F1", "computed", "KiB", "us/token",
        ])
        for (index, result) in predictors.enumerated() {
            let score = result.score.overall
            table.add([
                "\(Text.padded("\(index + 1)", 2)) \(result.score.name)",
                Text.fixed(score.accuracy, 3), Text.fixed(score.precision, 3),
                Text.fixed(score.recall, 3), Text.fixed(score.f1, 3),
                Text.fixed(100 * score.predictedShare, 1) + " %",
                Text.fixed(Double(result.score.byteCount) / 1024, 1),
                Text.fixed(1e6 * result.secondsPerToken, 1),
            ])
        }
        let density = predictors.first?.score.overall.density ?? 0
        return [
            "Predictors, layers 1 to \(header.shape.layerCount - 1), \(command.feedback.rawValue) "
                + "feedback; \(Text.fixed(100 * density, 1)) % of the neurons are active"
        ] + table.lines
    }

    private var layerTable: [String] {
        let columns = predictors.indices.map { "\($0 + 1)" }
        var table = TextTable(["layer"] + columns, leadingColumnIsText: false)
        for layer in 0..<header.shape.layerCount {
            table.add(
                ["\(layer)"] + predictors.map { Text.fixed($0.score.layers[layer].f1, 3) })
        }
        return ["F1 of each layer; columns are the predictors above"] + table.lines
    }

    private var rebalanceTable: [String] {
        var table = TextTable([
            "placement, rebalancer", "weighted", "mean", "max", "moves", "per layer",
        ])
        var placement = ""
        for result in rebalance {
            if "\(result.placement)" != placement {
                placement = "\(result.placement)"
                table.add([placement])
            }
            table.add([
                "  \(result.rebalancer)", Text.fixed(result.imbalance.weighted, 3),
                Text.fixed(result.imbalance.mean, 3),
                Text.fixed(result.imbalance.maximum, 3), "\(result.remapCount)",
                Text.fixed(result.remapsPerLayerAndToken, 2),
            ])
        }
        let hot = Text.fixed(100 * command.hotShare.doubleValue, 1)
        return [
            "Imbalance of \(command.dimms) DIMMs: active cold neurons of the busiest over the mean",
            "in all (weighted) and per block, layer and token (mean, max). Hot: the \(hot) %",
            "most frequent of the prompt. Moves in all, and per layer and token",
        ] + table.lines
    }

    // MARK: JSON

    func json() throws -> JSONValue {
        try .object([
            "trace": header.json(tokenCount: tokenCount),
            "feedback": .string(command.feedback.rawValue),
            "hot_share": JSONValue(command.hotShare.doubleValue),
            "policy": command.policy.json(), "provenance": Provenance.program,
            "predictors": .array(predictors.map(json)),
            "rebalance": .array(rebalance.map(json)),
        ])
    }

    private func json(_ result: TimedPredictionResult) -> JSONValue {
        var members = members(result.score.overall)
        members["name"] = .string(result.score.name)
        members["bytes"] = .integer(result.score.byteCount)
        members["layers"] = .array(
            result.score.layers.enumerated().map { layer, score in
                var members = self.members(score)
                members["layer"] = .integer(layer)
                return .object(members)
            })
        members["host"] = ["seconds_per_token": JSONValue(result.secondsPerToken)]
        return .object(members)
    }

    private func members(_ score: PredictionScore) -> [String: JSONValue] {
        [
            "accuracy": JSONValue(score.accuracy), "precision": JSONValue(score.precision),
            "recall": JSONValue(score.recall), "f1": JSONValue(score.f1),
            "density": JSONValue(score.density),
            "predicted_share": JSONValue(score.predictedShare),
        ]
    }

    private func json(_ result: RebalanceResult) -> JSONValue {
        .object([
            "name": .string(result.rebalancer), "placement": .string("\(result.placement)"),
            "dimms": .integer(result.dimmCount),
            "imbalance_mean": JSONValue(result.imbalance.mean),
            "imbalance_max": JSONValue(result.imbalance.maximum),
            "imbalance_weighted": JSONValue(result.imbalance.weighted),
            "moves": .integer(result.remapCount),
            "moves_per_layer_and_token": JSONValue(result.remapsPerLayerAndToken),
        ])
    }
}
