package import ModelCatalogue
package import Quantities

/// What the activity of a model family looks like: the process's parameters.
///
/// The first two are input, as published; the others were set so that the generated activity has
/// the statistics that the paper reports (see the article Process).
package struct ActivityStatistics: Equatable, Sendable {
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

    /// Refuses parameters outside what the process can do.
    func check() throws(ActivityError) {
        guard density > .zero, density < .one else { throw .density(density) }
        let spells = 1...Int(UInt16.max)
        guard spells.contains(longestSpell) else { throw .spell(longestSpell) }
        guard spells.contains(longestContext) else { throw .context(longestContext) }
        guard (0...255).contains(upsetsPer256) else { throw .upsets(upsetsPer256) }
    }
}

extension ModelFamily {
    /// The table of parameters.
    ///
    /// Density: fitted to the paper's published speeds (input of the calibration; the paper says
    /// 70 to 90 % sparse). Frequent share: PowerInfer (SOSP '24), input. The rest meets section
    /// "Statistics" of the paper: adjacent tokens share over 90 % (Falcon 95 %), tokens 10 apart
    /// about 70 %, flat from 25 on; parents predict with over 90 %; 52 % of the hot neurons change.
    package var statistics: ActivityStatistics {
        switch self {
        case .opt: .published(100_000, frequent: 200_000, context: 700_000, longestSpell: 8)
        case .llama2: .published(190_000, frequent: 430_000, context: 735_000, longestSpell: 8)
        case .falcon: .published(193_000, frequent: 200_000, context: 250_000, longestSpell: 11)
        }
    }
}

extension ActivityStatistics {
    fileprivate static func published(
        _ density: UInt64, frequent: UInt64, context: UInt64, longestSpell: Int
    ) -> ActivityStatistics {
        ActivityStatistics(
            density: Proportion(millionths: density),
            frequentShare: Proportion(millionths: frequent),
            contextShare: Proportion(millionths: context),
            longestSpell: longestSpell, longestContext: 896, upsetsPer256: 24)
    }
}
