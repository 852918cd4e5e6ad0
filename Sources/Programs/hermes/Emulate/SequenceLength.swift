import ModelCatalogue

/// How long sequences may be of a model that is known by its shape alone: one rule for all commands
/// that time shapes.
///
/// Learned positions are weights: beyond them a model has none. Positions that are rotated in cost
/// nothing and end nowhere; what the model would say there is another matter, and is not computed.
enum SequenceLength {
    /// Tokens of a prompt, and of what is generated, in a model whose context is shorter.
    static let rotaryLimit = 32_768

    /// - Returns: what to tell about a model that is timed beyond the context it was trained for;
    ///   `nil` within.
    /// - Throws: exit 65 where there are no such positions.
    static func remark(
        _ model: ModelSpecification, promptTokenCount: Int, tokenCount: Int
    ) throws -> String? {
        let count = promptTokenCount + tokenCount
        guard count > model.contextLength else { return nil }
        let demand = "\(model.name): \(promptTokenCount) + \(tokenCount) tokens are more than "
        guard model.learnedPositionCount == 0 else {
            throw Failure(
                .badInput,
                demand + "its context of \(model.contextLength), and its positions are learned: "
                    + "it has no more of them")
        }
        guard max(promptTokenCount, tokenCount) <= rotaryLimit else {
            throw Failure(
                .badInput,
                demand + "its context of \(model.contextLength); beyond it a prompt may have "
                    + "\(rotaryLimit), and as many may be generated")
        }
        return demand + "the context of \(model.contextLength) that it was trained for; its shape "
            + "is timed, as rotary positions do not end there"
    }

    static func remark(_ request: EmulationRequest) throws -> String? {
        try remark(
            request.model, promptTokenCount: request.promptTokenCount,
            tokenCount: request.tokenCount)
    }

    /// Of a series one for each model, about its longest sequences.
    static func remarks(_ requests: [EmulationRequest]) throws -> [String] {
        var longest: [String: (length: Int, remark: String)] = [:]
        for request in requests {
            guard let remark = try remark(request) else { continue }
            let length = request.promptTokenCount + request.tokenCount
            guard length > longest[request.model.name]?.length ?? 0 else { continue }
            longest[request.model.name] = (length, remark)
        }
        return longest.sorted { $0.key < $1.key }.map(\.value.remark)
    }
}
