import CheckedYAML
import WeightFormats

extension ModelSpecification {
    /// The only file format that is read so far.
    package static let formatVersion = 1

    /// Reads and validates a model's shape. The caller reads the file.
    ///
    /// Every key must be there, as a shape has no default that would be right for another model;
    /// but for `activity`, which a model may share with its family.
    ///
    /// - Parameters:
    ///   - text: YAML, at most 1 MB.
    ///   - fileName: how errors call the text.
    /// - Throws: every problem that was found, by line.
    package static func parse(
        _ text: String, fileName: String
    ) throws(ModelCatalogueError) -> ModelSpecification {
        try CatalogueText.read(text, fileName: fileName, what: "model") { section in
            ModelReader(problems: section.problems).shape(from: &section)
        }
    }
}

/// What counts as absurd: far beyond any model, and yet no product of them leaves 64 bits.
enum ModelLimits {
    static let nameLength = 100
    static let layers = 1...10_000
    static let size = 1...1_000_000
    static let heads = 1...10_000
    static let headSize = 1...4_096
    static let vocabulary = 1...10_000_000
    static let positions = 0...100_000_000
    static let context = 1...100_000_000
    static let bytesPerActivation = 1...8
}

/// Builds a shape from the keys of a file. What is wrong goes to the list of problems.
struct ModelReader {
    let problems: ProblemList

    func shape(from section: inout Section) -> ModelSpecification? {
        let format = ModelSpecification.formatVersion
        _ = section.integer("format", in: format...format)
        let name = section.text("name", maximumLength: ModelLimits.nameLength)
        if let name, name.text.isEmpty || name.text.contains(where: \.isNewline) {
            problems.add(name.at, "must be one line and not empty")
        }
        let family = section.choice("family", what: "model family", or: ModelFamily.opt)
        let activation = section.choice(
            "activation", what: "activation", or: ModelSpecification.Activation.nativeReLU)
        let layers = section.integer("layers", in: ModelLimits.layers)
        let hidden = section.integer("hidden", in: ModelLimits.size)
        let feedForward = section.integer("feed_forward", in: ModelLimits.size)
        let isGated = section.flag("gated")
        let queryHeads = section.integer("query_heads", in: ModelLimits.heads)
        let keyValueHeads = section.integer("key_value_heads", in: ModelLimits.heads)
        let head = section.integer("head", in: ModelLimits.headSize)
        let vocabulary = section.integer("vocabulary", in: ModelLimits.vocabulary)
        let isHeadTied = section.flag("head_tied")
        let positions = section.integer("learned_positions", in: ModelLimits.positions)
        let context = section.integer("context", in: ModelLimits.context)
        let weights = section.choice("weights", what: "weight format", or: WeightFormat.f16)
        let activationBytes = section.integer(
            "bytes_per_activation", in: ModelLimits.bytesPerActivation)
        let activity = section.optional("activity").map { value in
            var own = Section(value, problems: problems)
            defer { own.finish() }
            return ActivityStatistics(from: &own)
        }
        guard section.isSound, let name else { return nil }
        guard queryHeads.isMultiple(of: keyValueHeads) else {
            section.report(
                ["query_heads", "key_value_heads"],
                "\(queryHeads) query heads cannot share \(keyValueHeads) key and value heads evenly"
            )
            return nil
        }
        guard positions == 0 || positions >= context else {
            section.report(
                ["learned_positions", "context"],
                "\(positions) learned positions do not cover a context of \(context)")
            return nil
        }
        return ModelSpecification(
            name: name.text, family: family, activation: activation, layerCount: layers,
            hiddenSize: hidden, feedForwardSize: feedForward, isGated: isGated,
            queryHeadCount: queryHeads, keyValueHeadCount: keyValueHeads, headSize: head,
            vocabularySize: vocabulary, isHeadTied: isHeadTied, learnedPositionCount: positions,
            contextLength: context, weightFormat: weights, bytesPerActivation: activationBytes,
            activity: activity)
    }
}
