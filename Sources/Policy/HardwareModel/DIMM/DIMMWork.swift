package import Quantities

/// Weights of some neurons, to be multiplied with the vectors of a batch.
package struct NeuronWork: Hashable, Sendable {
    /// Neurons to read in each rank; with the striped layout only their sum counts.
    package let neuronCountPerRank: [Int]
    /// Bytes of one neuron, contiguous from the start of a line.
    package let neuronByteCount: Int
    /// Weights of one neuron, each one multiply-accumulate a product.
    package let weightsPerNeuron: Int
    package let batchSize: Int
    /// Pairs of a neuron and a sequence that it is multiplied with.
    package let productCount: Int
    /// Input vector and sums of one sequence, which the buffer holds.
    package let vectorByteCountPerSequence: ByteCount

    /// - Parameter productCount: fewer than neurons x batch when a sequence needs only some of
    ///   the neurons; `nil` when each needs all.
    /// - Precondition: counts are not negative; bytes, weights, batch and vectors above zero.
    package init(
        neuronCountPerRank: [Int], neuronByteCount: Int, weightsPerNeuron: Int, batchSize: Int,
        productCount: Int? = nil, vectorByteCountPerSequence: ByteCount
    ) {
        precondition(neuronCountPerRank.allSatisfy { $0 >= 0 })
        precondition(neuronByteCount > 0)
        precondition(weightsPerNeuron > 0)
        precondition(batchSize > 0)
        precondition(vectorByteCountPerSequence > .zero)
        let allProducts = neuronCountPerRank.reduce(0, +) * batchSize
        precondition((0...allProducts).contains(productCount ?? 0))
        self.productCount = productCount ?? allProducts
        self.neuronCountPerRank = neuronCountPerRank
        self.neuronByteCount = neuronByteCount
        self.weightsPerNeuron = weightsPerNeuron
        self.batchSize = batchSize
        self.vectorByteCountPerSequence = vectorByteCountPerSequence
    }

    /// How many of the neurons at these places in a DIMM's shard each rank holds: neurons take
    /// ranks in turn.
    package static func neuronCountPerRank(
        ofPlaces places: some Sequence<Int>, rankCount: Int
    ) -> [Int] {
        var counts = Array(repeating: 0, count: rankCount)
        for place in places { counts[place % rankCount] += 1 }
        return counts
    }

    package var neuronCount: Int { neuronCountPerRank.reduce(0, +) }

    package var macCount: UInt64 {
        UInt64(productCount) * UInt64(weightsPerNeuron)
    }
}

/// One step of attention over the heads that a DIMM holds.
package struct AttentionWork: Hashable, Sendable {
    package let batchSize: Int
    /// Positions whose keys and values are read, the new one included.
    package let contextLength: Int
    package let queryHeadCount: Int
    /// Fewer than query heads when queries share them (grouped-query attention).
    package let keyValueHeadCount: Int
    /// Elements of a key or value of one head.
    package let headSize: Int
    package let bytesPerElement: Int
    /// Bytes that lie together: of one head's keys, of all heads of one position, ...
    package let blockByteCount: Int

    /// - Precondition: everything is above zero.
    package init(
        batchSize: Int, contextLength: Int, queryHeadCount: Int, keyValueHeadCount: Int,
        headSize: Int, bytesPerElement: Int, blockByteCount: Int
    ) {
        precondition(batchSize > 0)
        precondition(contextLength > 0)
        precondition(queryHeadCount > 0)
        precondition(keyValueHeadCount > 0)
        precondition(headSize > 0)
        precondition(bytesPerElement > 0)
        precondition(blockByteCount > 0)
        self.batchSize = batchSize
        self.contextLength = contextLength
        self.queryHeadCount = queryHeadCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.bytesPerElement = bytesPerElement
        self.blockByteCount = blockByteCount
    }

    /// Of the keys; the values are as many: batch x positions x KV heads x head size x bytes.
    package var keyByteCount: ByteCount {
        let elements = batchSize * contextLength * keyValueHeadCount * headSize
        return ByteCount(UInt64(elements * bytesPerElement))
    }

    /// Of queries with keys; weights with values takes as many: batch x heads x positions x size.
    package var macCountPerProduct: UInt64 {
        UInt64(batchSize * contextLength * queryHeadCount * headSize)
    }
}

/// The parts of attention, one after the other.
package struct AttentionTiming: Hashable, Sendable {
    package let scores: ReadMultiplyTiming
    package let softmax: EmulatedDuration
    package let context: ReadMultiplyTiming

    package var total: EmulatedDuration { scores.total + softmax + context.total }
}
