import CheckedYAML
package import Quantities

/// What the activity of a model family looks like: the parameters of the process that draws it,
/// which `SyntheticActivity` explains.
///
/// Value of a file of `topology/models/families`, or of `activity` in a model's own file; each
/// value names its source there.
package struct ActivityStatistics: Hashable, Sendable {
    /// Mean share of the neurons that a token activates.
    package let density: Proportion
    /// The share of the neurons, most frequent first, that carries 80 % of the activations.
    package let frequentShare: Proportion
    /// How often a newly drawn value repeats the neuron's context rather than its frequency.
    ///
    /// Its square is the similarity that is left between distant tokens beyond what frequencies
    /// alone explain.
    package let contextShare: Proportion
    /// Spells last 1 to this many tokens, each length equally likely.
    package let longestSpell: Int
    /// Contexts last 1 to this many tokens, each length equally likely.
    package let longestContext: Int
    /// How many of 256 refreshed pairs are upset in a layer: half of these part from the previous
    /// layer, a quarter each let one neuron of the pair part from the other.
    package let upsetsPer256: Int

    package init(
        density: Proportion, frequentShare: Proportion, contextShare: Proportion,
        longestSpell: Int, longestContext: Int, upsetsPer256: Int
    ) {
        self.density = density
        self.frequentShare = frequentShare
        self.contextShare = contextShare
        self.longestSpell = longestSpell
        self.longestContext = longestContext
        self.upsetsPer256 = upsetsPer256
    }
}

// MARK: - The file

extension ActivityStatistics {
    /// The only file format that is read so far.
    package static let formatVersion = 1

    /// Reads and validates a family's file. Every key must be there. The caller reads the file.
    ///
    /// - Parameters:
    ///   - family: whose file it is to be.
    ///   - text: YAML, at most 1 MB.
    ///   - fileName: how errors call the text.
    /// - Throws: every problem that was found, by line.
    package static func parse(
        _ text: String, of family: ModelFamily, fileName: String
    ) throws(ModelCatalogueError) -> ActivityStatistics {
        try CatalogueText.read(text, fileName: fileName, what: "activity") { section in
            _ = section.integer("format", in: formatVersion...formatVersion)
            let named = section.choice("family", what: "model family", or: family)
            if section.isSound, named != family {
                section.report(["family"], "must be '\(family.rawValue)', whose file this is")
            }
            return ActivityStatistics(from: &section)
        }
    }

    /// From the keys of a family's file, or of a model's own group of them.
    init(from section: inout Section) {
        self.init(
            density: section.quantity("density", in: Limits.parts),
            frequentShare: section.quantity("frequent_share", in: Limits.parts),
            contextShare: section.quantity("context_share", in: Limits.shares),
            longestSpell: section.integer("longest_spell", in: Limits.tokens),
            longestContext: section.integer("longest_context", in: Limits.tokens),
            upsetsPer256: section.integer("upsets_per_256", in: Limits.upsets))
    }

    private enum Limits {
        static let parts = Proportion(millionths: 1)...Proportion(millionths: 999_999)
        static let shares = Proportion.zero...Proportion.one
        static let tokens = 1...Int(UInt16.max)
        static let upsets = 0...255
    }
}
