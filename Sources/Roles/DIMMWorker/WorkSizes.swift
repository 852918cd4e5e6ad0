import Messages
import ModelFile
import PackedSets
import Transformer

/// What a worker's time depends on of a model: bytes and weights of neurons, and of heads.
struct WorkSizes {
    /// One kind of sparse operator.
    struct Block {
        var neuronByteCount: Int
        var weightsPerNeuron: Int
        /// The input vector and the sums of one sequence that the buffer holds meanwhile.
        var vectorByteCount: Int
    }

    let qkv: Block
    let feedForward: Block
    /// What tells whether a neuron is active: its gate or, without gates, its up row and bias;
    /// `nil` where requests name active neurons alone.
    let selecting: Block?
    let isGated: Bool
    let batchSize: Int
    let queryGroupSize: Int
    let headSize: Int
    /// Of keys, values and queries.
    let bytesPerElement: Int

    /// - Parameter isSparse: whether a rule selects; without gates, ReLU always does.
    init(_ model: DecoderModel, isSparse: Bool) {
        let shape = model.shape
        let vectorByteCount = 4 * (shape.hiddenSize + max(shape.qkvWidth, shape.hiddenSize))
        qkv = Block(
            neuronByteCount: model.qkvNeuronByteCount, weightsPerNeuron: shape.qkvWidth,
            vectorByteCount: vectorByteCount)
        feedForward = Block(
            neuronByteCount: model.feedForwardNeuronByteCount,
            weightsPerNeuron: model.feedForwardNeuronWeightCount, vectorByteCount: vectorByteCount)
        isGated = shape.architecture.isGated
        selecting =
            isSparse || !isGated
            ? Block(
                neuronByteCount: model.selectingByteCount, weightsPerNeuron: shape.hiddenSize,
                vectorByteCount: vectorByteCount) : nil
        batchSize = 1
        queryGroupSize = shape.queryGroupSize
        headSize = shape.headSize
        bytesPerElement = 4
    }

    /// The MLP applies ReLU, as every model that is known by its shape alone.
    init(_ shape: ShapeConfiguration) {
        let blocks = shape.blocks.map {
            Block(
                neuronByteCount: $0.neuronByteCount, weightsPerNeuron: $0.weightsPerNeuron,
                vectorByteCount: max(1, $0.inputByteCount + $0.sumByteCount))
        }
        qkv = blocks[0]
        feedForward = blocks[1]
        selecting = nil
        isGated = false
        batchSize = shape.batchSize
        queryGroupSize = shape.queryHeadCount / shape.keyValueHeadCount
        headSize = shape.headSize
        bytesPerElement = shape.bytesPerActivation
    }
}

/// The neurons that a request names, by slot; slots take ranks in turn.
enum NeuronDemand {
    /// Each once, for the one sequence.
    case list(ArraySlice<UInt32>)
    /// Those that any sequence of a batch needs; products are pairs of neuron and sequence.
    case union(PackedSet, productCount: Int)

    var productCount: Int {
        switch self {
        case .list(let slots): slots.count
        case .union(_, let productCount): productCount
        }
    }

    func countPerRank(rankCount: Int) -> [Int] {
        var counts = Array(repeating: 0, count: rankCount)
        switch self {
        case .list(let slots):
            for slot in slots { counts[Int(slot) % rankCount] += 1 }
        case .union(let set, _) where 64 % rankCount == 0:
            let first = (0..<64 / rankCount).reduce(UInt64(0)) { $0 | 1 << UInt64($1 * rankCount) }
            for word in set.words {
                for rank in counts.indices {
                    counts[rank] += (word & first << UInt64(rank)).nonzeroBitCount
                }
            }
        case .union(let set, _):
            set.forEachMember { counts[$0 % rankCount] += 1 }
        }
        return counts
    }
}
