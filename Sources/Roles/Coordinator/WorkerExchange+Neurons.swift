import Messages
import NeuronShards

/// Requests about neurons that move, and their checked answers.
extension WorkerExchange {
    /// What a worker answers to a request about neurons.
    struct NeuronAnswer {
        var answer: Answer
        /// How many neurons were meant: all asked for, or none.
        let count: Int
        /// Their weights, one after the other, if they were asked for.
        let weights: [UInt8]
    }

    /// Waits for the answer to `request`.
    ///
    /// - Parameters:
    ///   - parcelByteCount: of one neuron's weights behind the report; 0 where the answer has none.
    ///   - keepsWeights: whether anybody reads them.
    func receiveNeurons(
        _ kind: MessageKind, from dimm: Int, answering request: MessageHeader,
        parcelByteCount: Int = 0, keepsWeights: Bool = true
    ) throws(CoordinatorError) -> NeuronAnswer {
        try receive(kind, from: dimm, answering: request) {
            (header, message) throws(LinkError) in
            let byteCount = request.count * parcelByteCount
            let mayBeNone = kind == .neuronsTaken
            guard header.count == request.count || (mayBeNone && header.count == 0),
                message.byteCount == Answer.payloadOffset + byteCount
            else {
                throw .peerCorrupt(
                    "an answer about \(header.count) of \(request.count) neurons in "
                        + "\(message.byteCount) bytes")
            }
            return NeuronAnswer(
                answer: try Answer(header, message), count: header.count,
                weights: keepsWeights
                    ? message.copiedBytes(at: Answer.payloadOffset, byteCount: byteCount) : [])
        }
    }
}
