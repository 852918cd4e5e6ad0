import Foundation

/// How a figure follows from emulations.
package indirect enum Formula: Equatable, Sendable {
    case measure(Measure, PlannedEmulation)
    case quotient(Formula, Formula)
    case scaled(Formula, Double)
    case less(Formula, Double)
    /// Arithmetic.
    case mean([Formula])
    case geometricMean([Formula])
    case least([Formula])
    case greatest([Formula])
    /// By how many percent the first is below the second.
    case percentBelow(Formula, Formula)
    /// The least of the numbers at which the emulation is supported.
    case leastSupported([Candidate])
    /// The least of the numbers whose throughput reaches this share of the best one's.
    case saturation([Candidate], share: Double)
    /// Not from an emulation.
    case fact(Fact)

    package struct Candidate: Equatable, Sendable {
        package let number: Double
        package let emulation: PlannedEmulation

        package init(_ number: Double, _ emulation: PlannedEmulation) {
            self.number = number
            self.emulation = emulation
        }
    }

    /// What is read off one emulation.
    package enum Measure: String, Sendable {
        case tokensPerSecond
        case mlpSeconds
        case tokenGenerationShare
        case prefillShare
        case communicationShare
        case predictorShare
        /// Of what is not communication.
        case predictorShareOfCompute
        case residentShare
        case imbalanceMean
        case imbalanceMax
        case predictorAccuracy
        /// An upper bound: one link, one neuron after another.
        case remapShare
    }

    /// What the program finds out otherwise.
    package enum Fact: String, CaseIterable, Sendable {
        /// Wall time of the offline partition of LLaMA2-70B, s.
        case partitionSolverSeconds
        /// The paper's LLaMA-7B: 32 layers of 4096 + 10.5K neurons, KB.
        case stateTableKilobytes
        /// Initially hot neurons that change, synthetic LLaMA2-70B activity, %.
        case hotSetDrift
    }

    /// Why a formula has no value.
    package enum Absence: Error, Equatable, CustomStringConvertible {
        case notRun
        case unsupported(PlannedEmulation, reason: String)
        case notReported(Measure, PlannedEmulation)
        case noneSupported
        case factMissing

        package var description: String {
            switch self {
            case .notRun: "not run"
            case .unsupported(_, let reason): "not supported: \(reason)"
            case .notReported(let measure, _): "the emulation reports no \(measure.rawValue)"
            case .noneSupported: "no size is supported"
            case .factMissing: "not computed"
            }
        }
    }

    // MARK: What it needs

    /// In the order in which they stand, repeats included.
    package var emulations: [PlannedEmulation] {
        switch self {
        case .measure(_, let emulation): [emulation]
        case .quotient(let first, let second), .percentBelow(let first, let second):
            first.emulations + second.emulations
        case .scaled(let formula, _), .less(let formula, _): formula.emulations
        case .mean(let list), .geometricMean(let list), .least(let list), .greatest(let list):
            list.flatMap(\.emulations)
        case .leastSupported(let list), .saturation(let list, _): list.map(\.emulation)
        case .fact: []
        }
    }

    package var facts: Set<Fact> {
        switch self {
        case .fact(let fact): [fact]
        default: []
        }
    }

    // MARK: Its value

    package func value(_ results: EmulationResults) throws(Absence) -> Double {
        switch self {
        case .measure(let measure, let emulation):
            return try results.value(measure, emulation)
        case .quotient(let first, let second):
            return try first.value(results) / second.value(results)
        case .scaled(let formula, let factor): return try formula.value(results) * factor
        case .less(let formula, let number): return try formula.value(results) - number
        case .percentBelow(let first, let second):
            return try 100 * (1 - first.value(results) / second.value(results))
        case .mean(let list):
            return try values(list, results).reduce(0, +) / Double(list.count)
        case .geometricMean(let list):
            return exp(try values(list, results).reduce(0) { $0 + log($1) } / Double(list.count))
        case .least(let list): return try values(list, results).min() ?? .nan
        case .greatest(let list): return try values(list, results).max() ?? .nan
        case .leastSupported(let list):
            for candidate in list {
                if case .timed = try results.answer(candidate.emulation) { return candidate.number }
            }
            throw .noneSupported
        case .saturation(let list, let share):
            var rates: [Double] = []
            for candidate in list {
                rates.append(try results.value(.tokensPerSecond, candidate.emulation))
            }
            let best = rates.max() ?? 0
            let place = rates.firstIndex { $0 >= share * best } ?? 0
            return list[place].number
        case .fact(let fact):
            guard let value = results.facts[fact] else { throw .factMissing }
            return value
        }
    }

    private func values(
        _ list: [Formula], _ results: EmulationResults
    ) throws(Absence) -> [Double] {
        var values: [Double] = []
        for formula in list { values.append(try formula.value(results)) }
        return values
    }
}

/// What has been found so far.
package struct EmulationResults: Sendable {
    package var answers: [PlannedEmulation: EmulationAnswer]
    package var facts: [Formula.Fact: Double]
    /// Shorter runs are extrapolated to this many generated tokens.
    package let tokenCount: Int

    package init(
        answers: [PlannedEmulation: EmulationAnswer] = [:], facts: [Formula.Fact: Double] = [:],
        tokenCount: Int
    ) {
        self.answers = answers
        self.facts = facts
        self.tokenCount = tokenCount
    }

    func answer(_ emulation: PlannedEmulation) throws(Formula.Absence) -> EmulationAnswer {
        guard let answer = answers[emulation] else { throw .notRun }
        return answer
    }

    /// Shares are in percent.
    func value(
        _ measure: Formula.Measure, _ emulation: PlannedEmulation
    ) throws(Formula.Absence) -> Double {
        let figures: EmulationFigures
        switch try answer(emulation) {
        case .unsupported(let reason): throw .unsupported(emulation, reason: reason)
        case .timed(let timed): figures = timed.extrapolated(toTokens: tokenCount)
        }
        let total = figures.totalSeconds
        let value: Double? =
            switch measure {
            case .tokensPerSecond: figures.tokensPerSecond
            case .mlpSeconds: figures.parts["mlp"]
            case .tokenGenerationShare: 100 * figures.decodeSeconds / total
            case .prefillShare: 100 * figures.prefillSeconds / total
            case .communicationShare: figures.parts["communication"].map { 100 * $0 / total }
            case .predictorShare: figures.parts["predictor"].map { 100 * $0 / total }
            case .predictorShareOfCompute:
                figures.parts["predictor"].map {
                    100 * $0 / (total - (figures.parts["communication"] ?? 0))
                }
            case .residentShare: 100 * figures.residentShare
            case .imbalanceMean: figures.imbalanceMean
            case .imbalanceMax: figures.imbalanceMax
            case .predictorAccuracy: figures.predictorAccuracy.map { 100 * $0 }
            case .remapShare: figures.remapLinkSeconds.map { 100 * $0 / total }
            }
        guard let value else { throw .notReported(measure, emulation) }
        return value
    }
}
