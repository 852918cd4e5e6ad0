/// One published figure beside the emulator's own.
package struct ReproducedPoint: Equatable, Sendable {
    /// What the paper states.
    package enum Published: Equatable, Sendable {
        case exactly(Double)
        case below(Double)
        case above(Double)
        case between(Double, Double)

        /// The number to divide by; `nil` for bounds.
        package var value: Double? {
            if case .exactly(let value) = self { return value }
            return nil
        }

        package var text: String {
            switch self {
            case .exactly(let value): Digits.significant(value, 5)
            case .below(let bound): "<\(Digits.significant(bound, 3))"
            case .above(let bound): ">\(Digits.significant(bound, 3))"
            case .between(let low, let high):
                "\(Digits.significant(low, 3))-\(Digits.significant(high, 3))"
            }
        }
    }

    /// What kind of number ours is.
    package enum Origin: String, Sendable {
        /// Comes out of an emulation.
        case emulated
        /// Follows from the model's or the machine's data alone.
        case modelled
        /// Wall time of this machine.
        case measured
        /// Was put in: agreement proves nothing.
        case input
    }

    package let figure: String
    package let system: String
    package let model: String
    /// As published: a number, or a list such as `1;4;16`.
    package let batch: String
    package let gpu: String
    package let dimms: String
    package let metric: String
    package let unit: String
    package let published: Published
    package let ours: Double?
    /// Why there is no number of ours; empty if there is one.
    package let absence: String
    package let origin: Origin
    /// Whether the point was used to choose parameters.
    package let isFitted: Bool
    /// Whether an earlier figure states the same run: then it counts there alone.
    package let isRepeat: Bool
    package let note: String
    /// Where the paper contradicts itself or its hardware on this point; empty where it does not.
    package let contradiction: String

    package init(
        figure: String, system: String, model: String, batch: String, gpu: String,
        dimms: String, metric: String, unit: String, published: Published, ours: Double?,
        absence: String = "", origin: Origin = .emulated, isFitted: Bool = false,
        isRepeat: Bool = false, note: String = "", contradiction: String = ""
    ) {
        self.figure = figure
        self.system = system
        self.model = model
        self.batch = batch
        self.gpu = gpu
        self.dimms = dimms
        self.metric = metric
        self.unit = unit
        self.published = published
        self.ours = ours
        self.absence = absence
        self.origin = origin
        self.isFitted = isFitted
        self.isRepeat = isRepeat
        self.note = note
        self.contradiction = contradiction
    }

    /// Ours over the published; `nil` without ours, and where the paper states a bound.
    package var ratio: Double? {
        guard let ours, let value = published.value, value != 0 else { return nil }
        return ours / value
    }

    /// Counts among the throughputs that errors and ranks are computed from.
    package var isScored: Bool {
        guard let ours, let value = published.value else { return false }
        return metric == "throughput" && origin == .emulated && !isRepeat && ours > 0 && value > 0
    }

    package var verdict: Verdict { Verdict(of: self) }
}

/// How near ours is to the published number, in a word.
package enum Verdict: String, CaseIterable, Sendable {
    /// Within 15 % either way.
    case agrees
    /// Within a factor of 1.5 either way.
    case near
    /// Farther away.
    case differs
    /// The published bound or range holds for ours.
    case holds
    case fails
    /// Was put in, not computed.
    case input
    case noResult = "no result"

    package static let agreementFactor = 1.15
    package static let nearFactor = 1.5

    init(of point: ReproducedPoint) {
        guard let ours = point.ours else {
            self = .noResult
            return
        }
        if point.origin == .input {
            self = .input
            return
        }
        switch point.published {
        case .below(let bound): self = ours < bound ? .holds : .fails
        case .above(let bound): self = ours > bound ? .holds : .fails
        case .between(let low, let high): self = ours >= low && ours <= high ? .holds : .fails
        case .exactly(let value):
            if ours == value {
                self = .agrees
            } else if ours <= 0 || value <= 0 {
                self = .differs
            } else {
                let factor = max(ours / value, value / ours)
                self =
                    factor <= Self.agreementFactor
                    ? .agrees : factor <= Self.nearFactor ? .near : .differs
            }
        }
    }
}
