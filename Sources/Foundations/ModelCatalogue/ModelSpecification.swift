package import WeightFormats

/// A transformer known by its shape alone: what a catalogue file says, and the sizes that follow.
///
/// Sizes are those of one replica in the weights' format; nothing here depends on a machine.
package struct ModelSpecification: Equatable, Sendable {
    /// As the literature writes it: `LLaMA2-70B`.
    package let name: String
    package let family: ModelFamily
    /// Whether ReLU comes with the checkpoint or was put in by fine-tuning.
    package let activation: Activation
    package let layerCount: Int
    package let hiddenSize: Int
    /// MLP neurons of a layer: rows of up (and gate) with their column of down.
    package let feedForwardSize: Int
    /// Whether the MLP has a gate matrix beside up and down.
    package let isGated: Bool
    package let queryHeadCount: Int
    package let keyValueHeadCount: Int
    package let headSize: Int
    package let vocabularySize: Int
    /// Whether the output head is the embedding again, not a matrix of its own.
    package let isHeadTied: Bool
    /// Learned position embeddings; 0 for models that rotate instead.
    package let learnedPositionCount: Int
    package let contextLength: Int
    package let weightFormat: WeightFormat
    /// Of one element of an activation, a partial sum, a key or a value.
    package let bytesPerActivation: Int
    /// What its neurons' activity looks like. A file may leave it to the family's: then it is `nil`
    /// until the program has read that.
    package var activity: ActivityStatistics?

    package enum Activation: String, CaseIterable, Sendable {
        /// Trained with ReLU.
        case nativeReLU = "native-relu"
        /// Another function was replaced by ReLU afterwards.
        case substitutedReLU = "substituted-relu"
    }

    package init(
        name: String, family: ModelFamily, activation: Activation, layerCount: Int,
        hiddenSize: Int, feedForwardSize: Int, isGated: Bool, queryHeadCount: Int,
        keyValueHeadCount: Int, headSize: Int, vocabularySize: Int, isHeadTied: Bool,
        learnedPositionCount: Int, contextLength: Int, weightFormat: WeightFormat,
        bytesPerActivation: Int, activity: ActivityStatistics? = nil
    ) {
        precondition(layerCount >= 1)
        precondition(hiddenSize >= 1)
        precondition(feedForwardSize >= 1)
        precondition(keyValueHeadCount >= 1)
        precondition(queryHeadCount.isMultiple(of: keyValueHeadCount))
        precondition(headSize >= 1)
        precondition(vocabularySize >= 1)
        precondition(bytesPerActivation >= 1)
        self.name = name
        self.family = family
        self.activation = activation
        self.layerCount = layerCount
        self.hiddenSize = hiddenSize
        self.feedForwardSize = feedForwardSize
        self.isGated = isGated
        self.queryHeadCount = queryHeadCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.vocabularySize = vocabularySize
        self.isHeadTied = isHeadTied
        self.learnedPositionCount = learnedPositionCount
        self.contextLength = contextLength
        self.weightFormat = weightFormat
        self.bytesPerActivation = bytesPerActivation
        self.activity = activity
    }

    /// The same with fewer layers: a shape to study what every layer does alike.
    ///
    /// - Precondition: `count` is at least 1 and at most the model's own.
    package func keepingLayers(_ count: Int) -> ModelSpecification {
        precondition(count <= layerCount)
        return ModelSpecification(
            name: count == layerCount ? name : "\(name), \(count) of \(layerCount) layers",
            family: family, activation: activation, layerCount: count, hiddenSize: hiddenSize,
            feedForwardSize: feedForwardSize, isGated: isGated, queryHeadCount: queryHeadCount,
            keyValueHeadCount: keyValueHeadCount, headSize: headSize,
            vocabularySize: vocabularySize, isHeadTied: isHeadTied,
            learnedPositionCount: learnedPositionCount, contextLength: contextLength,
            weightFormat: weightFormat, bytesPerActivation: bytesPerActivation,
            activity: activity)
    }
}

/// Model families of the paper: architecture, and statistics of activity.
package enum ModelFamily: String, CaseIterable, Sendable {
    case opt, llama2, falcon
}

// MARK: - Sizes that follow

extension ModelSpecification {
    /// Elements of all queries, equal to the width of the attention's context.
    package var querySize: Int { queryHeadCount * headSize }

    /// Elements of a token's keys, and of its values.
    package var keyValueSize: Int { keyValueHeadCount * headSize }

    /// Elements of queries, keys and values together: the weights of one QKV neuron.
    package var qkvWidth: Int { querySize + 2 * keyValueSize }

    /// Weights of one MLP neuron: its row of up (and gate) and its column of down.
    package var feedForwardNeuronWeightCount: Int { (isGated ? 3 : 2) * hiddenSize }

    package var qkvNeuronByteCount: Int { byteCount(ofWeights: qkvWidth) }
    package var feedForwardNeuronByteCount: Int {
        byteCount(ofWeights: feedForwardNeuronWeightCount)
    }

    /// All QKV and MLP neurons of a layer.
    package var layerNeuronByteCount: Int {
        hiddenSize * qkvNeuronByteCount + feedForwardSize * feedForwardNeuronByteCount
    }
    package var layerNeuronWeightCount: Int {
        hiddenSize * qkvWidth + feedForwardSize * feedForwardNeuronWeightCount
    }

    /// Of one layer's output projection.
    package var projectionWeightCount: Int { querySize * hiddenSize }
    package var projectionByteCount: Int { byteCount(ofWeights: projectionWeightCount) }

    /// Of the output head, which every token reads.
    package var headWeightCount: Int { vocabularySize * hiddenSize }
    package var headByteCount: Int { byteCount(ofWeights: headWeightCount) }

    /// Token and position embeddings and the output head; a tied head counts once.
    package var embeddingByteCount: Int {
        (isHeadTied ? 1 : 2) * headByteCount
            + byteCount(ofWeights: learnedPositionCount * hiddenSize)
    }

    /// What the GPU keeps whatever is hot: projections, embeddings and head.
    package var denseByteCount: Int { layerCount * projectionByteCount + embeddingByteCount }

    /// All weights.
    package var weightByteCount: Int { layerCount * layerNeuronByteCount + denseByteCount }
    package var weightCount: Int {
        layerCount * (layerNeuronWeightCount + projectionWeightCount)
            + (isHeadTied ? 1 : 2) * headWeightCount + learnedPositionCount * hiddenSize
    }

    /// Keys and values of one position in all layers.
    package var keyValueByteCountPerPosition: Int {
        2 * layerCount * keyValueSize * bytesPerActivation
    }

    /// Bytes of `count` weights, whole blocks.
    package func byteCount(ofWeights count: Int) -> Int {
        let blocks = (count + weightFormat.elementsPerBlock - 1) / weightFormat.elementsPerBlock
        return blocks * weightFormat.bytesPerBlock
    }
}
