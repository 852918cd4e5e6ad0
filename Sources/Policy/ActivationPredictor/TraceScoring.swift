package import PackedSets

/// Replays recorded activity and scores predictors side by side.
///
/// The first tokens are the prompt: they are not predicted but set the predictors' tables. Every
/// later token is: layer by layer each predictor answers, is scored, and observes what `feedback`
/// lets it know. Under ``Feedback/observed`` a predictor's own answers decide what it sees, of the
/// block itself and of the parents in the layer below; that is the closed loop of a real run.
package struct TraceScoring: Sendable {
    package let layout: NeuronLayout
    package let prefillTokenCount: Int
    package let feedback: Feedback
    private var predictors: [any ActivityPredictor]
    private var scores: [[[PredictionScore]]]  // [predictors][layers][blocks]
    private var prefill: PrefillActivity
    private var tokenCount = 0

    package init(
        layout: NeuronLayout, predictors: [any ActivityPredictor], prefillTokenCount: Int,
        feedback: Feedback = .full
    ) {
        precondition(prefillTokenCount >= 0)
        self.layout = layout
        self.predictors = predictors
        self.prefillTokenCount = prefillTokenCount
        self.feedback = feedback
        scores = predictors.map { _ in layout.map { _, _ in PredictionScore() } }
        prefill = PrefillActivity(layout: layout)
    }

    /// The predictors that figures are usually given for, by the names they go by.
    ///
    /// - Parameters:
    ///   - conditional: parents by ``ParentMeasure/conditional``.
    ///   - jaccard: parents by ``ParentMeasure/jaccard``.
    package static func standardPredictors(
        layout: NeuronLayout, constants: PredictorConstants = .paper,
        conditional: CorrelationTable, jaccard: CorrelationTable
    ) -> [any ActivityPredictor] {
        func state(
            _ name: String, _ rule: StatePredictor.Rule, _ table: CorrelationTable? = nil
        ) -> StatePredictor {
            StatePredictor(
                name: name, layout: layout, rule: rule, constants: constants, correlations: table)
        }
        return [
            state("combined-conditional", .combined, conditional),
            state("layer-conditional", .layerOnly, conditional),
            state("combined-jaccard", .combined, jaccard),
            state("layer-jaccard", .layerOnly, jaccard),
            state("token (s1 > \(constants.hotThreshold))", .tokenOnly),
            LastTokenPredictor(layout: layout),
            FrequencyPredictor(layout: layout),
            ConstantPredictor(isActive: true),
            ConstantPredictor(isActive: false),
            OraclePredictor(),
        ]
    }

    /// Replays the next token: its truly active neurons, [layers][blocks].
    package mutating func add(token: [[PackedSet]]) {
        precondition(token.count == layout.layerCount)
        precondition(token.allSatisfy { $0.map(\.elementCount) == layout.neuronCounts })
        if tokenCount < prefillTokenCount {
            prefill.add(token: token)
        } else {
            if tokenCount == prefillTokenCount {
                for index in predictors.indices { predictors[index].beginDecode(after: prefill) }
            }
            for index in predictors.indices { score(index, token) }
        }
        tokenCount += 1
    }

    /// Replays all of `tokens`.
    package mutating func add(tokens: some Sequence<[[PackedSet]]>) {
        for token in tokens { add(token: token) }
    }

    private mutating func score(_ index: Int, _ token: [[PackedSet]]) {
        predictors[index].beginToken()
        let needsTruth = predictors[index].needsTruth
        var below: [PackedSet]?  // what is known to be active in the layer below, [blocks]
        for layer in 0..<layout.layerCount {
            var known: [PackedSet] = []
            for block in 0..<layout.blockCount {
                let truth = token[layer][block]
                let predicted = predictors[index].predict(
                    layer: layer, block: block, neuronCount: truth.elementCount,
                    parents: below?[block], truth: needsTruth ? truth : nil)
                scores[index][layer][block].add(predicted: predicted, active: truth)
                var active = truth
                if feedback == .observed { active.formIntersection(predicted) }
                predictors[index].observe(
                    layer: layer, block: block, active: active,
                    observed: feedback == .full ? nil : predicted)
                known.append(active)
            }
            below = known
        }
    }

    /// One result per predictor, in their order.
    package var results: [PredictionResult] {
        zip(predictors, scores).map { predictor, scores in
            PredictionResult(
                name: predictor.name, byteCount: predictor.byteCount, scores: scores)
        }
    }
}

/// The score of one predictor on one trace.
package struct PredictionResult: Equatable, Sendable {
    package let name: String
    /// Memory of the predictor's tables.
    package let byteCount: Int
    /// [layers][blocks]
    package let scores: [[PredictionScore]]

    /// All layers but the first, which the paper's rule computes in full, and all blocks.
    package var overall: PredictionScore {
        scores.dropFirst().joined().reduce(into: PredictionScore()) { $0 += $1 }
    }

    /// All blocks of each layer, the first included, [layers].
    package var layers: [PredictionScore] {
        scores.map { $0.reduce(into: PredictionScore()) { $0 += $1 } }
    }
}
