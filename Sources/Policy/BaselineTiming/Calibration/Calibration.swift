import HardwareModel
package import ModelCatalogue
import Quantities
package import Topology

/// Chooses the calibrated values of ``ComparedSystems`` on the fitted half of the published points.
///
/// Pure and deterministic: the same points, models, topology and emulated runs give the same
/// values. The other half is never looked at; ``error(of:isFitted:systems:)`` tells how far off it
/// is afterwards.
package struct Calibration: Sendable {
    package private(set) var points: [PublishedPoint]
    private let models: [String: ModelSpecification]
    private let gpu: Topology.GPU
    private let estimates: [String: HermesEstimate]
    private let hostRuns: HostRuns?

    /// - Parameters:
    ///   - points: each system, model and batch once.
    ///   - models: the catalogue; needs those of the points, with their activity.
    ///   - topology: the machine of the published results.
    ///   - hostRuns: Hermes-host as emulated, all points of the fitted half; without them the
    ///     host's values stay, and its speed is the closed form's.
    package init(
        points: [PublishedPoint], models: [ModelSpecification], topology: Topology,
        hostRuns: HostRuns? = nil
    ) throws(BaselineTimingError) {
        self.hostRuns = hostRuns
        // Sums of logarithms depend on the order in the last digit, and ties on those.
        self.points = points.sorted {
            ($0.system.rawValue, $0.model, $0.batchSize)
                < ($1.system.rawValue, $1.model, $1.batchSize)
        }
        self.models = Dictionary(models.map { ($0.name, $0) }) { first, _ in first }
        gpu = topology.gpu
        var table = DRAMEfficiencyTable()
        var frequencies: [ActivityStatistics: NeuronFrequencies] = [:]
        var estimates: [String: HermesEstimate] = [:]
        for point in points where estimates[point.model] == nil {
            guard let model = self.models[point.model], let activity = model.activity else {
                throw .unknownModel(point.model)
            }
            let known: NeuronFrequencies
            if let found = frequencies[activity] {
                known = found
            } else {
                known = try NeuronFrequencies(activity)
                frequencies[activity] = known
            }
            estimates[point.model] = HermesEstimate(
                model: model,
                machine: try EstimatedMachine(topology, model: model, using: &table),
                frequencies: known)
        }
        self.estimates = estimates
    }

    /// `start` with every calibrated value replaced; its fixed values stay.
    package func calibrated(
        from start: ComparedSystems
    ) throws(BaselineTimingError) -> ComparedSystems {
        for system in ComparedSystem.allCases {
            guard points.contains(where: { $0.isFitted && $0.system == system }) else {
                throw .noFittedPoint(system)
            }
        }
        // What cannot be timed is found here, so that the losses below need not throw.
        _ = try errors(isFitted: true, systems: start)
        var systems = start
        for system in ComparedSystem.allCases { fit(system, &systems) }
        return systems
    }

    /// Replaces the values that one system's points choose. Deja Vu's fetches cross FlexGen's link:
    /// that comes first, as it does among all cases.
    private func fit(_ system: ComparedSystem, _ systems: inout ComparedSystems) {
        switch system {
        case .hermes: break
        case .hermesHost: if hostRuns != nil { fitHost(&systems) }
        case .hermesBase: fitMultipliers(&systems)
        case .accelerate:
            fit(.accelerate, in: 0.1e9...60e9, &systems) {
                $0.accelerate.linkBandwidth = Bandwidth(bytesPerSecond: UInt64($1.rounded()))
            }
        case .flexGen:
            fit(.flexGen, in: 1e9...60e9, &systems) {
                $0.flexGen.linkBandwidth = Bandwidth(bytesPerSecond: UInt64($1.rounded()))
            }
        case .dejaVu:
            fit(.dejaVu, in: 0.01...1, &systems) {
                $0.dejaVu.fetchedShare = Self.proportion($1)
            }
        case .tensorRTLLM:
            fit(.tensorRTLLM, in: 1e-6...1e-3, &systems) {
                $0.tensorRTLLM.allReduceCost = Self.duration($1)
            }
        }
    }

    /// The cycles of a group are whole, so all are tried. Hermes-base alone decides: it multiplies
    /// all weights for every sequence, so they are the slope of its time with the batch, into which
    /// neither activity nor placement enters.
    private func fitMultipliers(_ systems: inout ComparedSystems) {
        var least = Double.infinity
        for cycles in 1...64 {
            var trial = systems
            trial.hermes.cyclesPerMultiplyGroup = cycles
            let value = loss(of: .hermesBase, trial)
            if value < least {
                least = value
                systems.hermes.cyclesPerMultiplyGroup = cycles
            }
        }
    }

    /// By emulated runs: copies that move decide how much of the work stays on the host, and the
    /// closed form has none.
    private func fitHost(_ systems: inout ComparedSystems) {
        func applied(_ efficiency: Double, _ cost: Double) -> ComparedSystems {
            var trial = systems
            trial.host.sparseEfficiency = Self.proportion(efficiency)
            trial.host.blockCost = Self.duration(cost)
            return trial
        }
        let (efficiency, cost) = ZoomingSearch.best(in: (0.1...1, 10e-6...1e-3)) {
            loss(of: .hermesHost, applied($0, $1))
        }
        systems = applied(efficiency, cost)
    }

    private func fit(
        _ system: ComparedSystem, in range: ClosedRange<Double>,
        _ systems: inout ComparedSystems, set: (inout ComparedSystems, Double) -> Void
    ) {
        let start = systems
        let best = ZoomingSearch.best(in: range) { value in
            var trial = start
            set(&trial, value)
            return loss(of: system, trial)
        }
        set(&systems, best)
    }

    private static func proportion(_ value: Double) -> Proportion {
        Proportion(millionths: UInt64((value * Double(Proportion.scale)).rounded()))
    }

    private static func duration(_ seconds: Double) -> EmulatedDuration {
        EmulatedDuration(picoseconds: UInt64((seconds * 1e12).rounded()))
    }
}

// MARK: - How far off

extension Calibration {
    /// exp(mean |ln(ours / published)|) and the same of the worst point.
    package struct GeometricError: Equatable, Sendable {
        package let mean: Double
        package let worst: Double
        package let pointCount: Int
    }

    /// Of one half of a system's points; `nil` when it has none.
    package func error(
        of system: ComparedSystem, isFitted: Bool, systems: ComparedSystems
    ) throws(BaselineTimingError) -> GeometricError? {
        try errors(of: [system], isFitted: isFitted, systems: systems)[system]
    }

    private func errors(
        of own: [ComparedSystem] = ComparedSystem.allCases, isFitted: Bool, systems: ComparedSystems
    ) throws(BaselineTimingError) -> [ComparedSystem: GeometricError] {
        var logs: [ComparedSystem: [Double]] = [:]
        for point in points where point.isFitted == isFitted && own.contains(point.system) {
            logs[point.system, default: []].append(try distance(of: point, systems))
        }
        return logs.mapValues { GeometricError($0) }
    }

    /// Ours for a point: the schedule, the emulated run, or the estimate of the Hermes family.
    package func tokensPerSecond(
        _ point: PublishedPoint, systems: ComparedSystems
    ) throws(BaselineTimingError) -> Double {
        guard let estimate = estimates[point.model] else { throw .unknownModel(point.model) }
        if point.system == .hermesHost, let hostRuns {
            guard let speed = hostRuns.tokensPerSecond(point, with: systems.host) else {
                throw .notEmulated(model: point.model, batchSize: point.batchSize)
            }
            return speed
        }
        let workload = Workload(batchSize: point.batchSize)
        guard point.system.isSchedule else {
            return estimate.tokensPerSecond(point.system, workload: workload, systems: systems)
        }
        let outcome = try BaselineSchedules(systems: systems, gpu: gpu)
            .outcome(of: point.system, model: estimate.model, workload: workload)
        switch outcome {
        case .timed(let run): return run.tokensPerSecond
        case .unsupported(let reason):
            throw .unsupportedPoint(point.system, model: point.model, reason: reason)
        }
    }

    /// The error of a system's fitted points, each by values that its other fitted points chose:
    /// what the fit is worth on points that it has not seen, without a look at the other half.
    ///
    /// - Returns: `nil` for a system of whose values none is fitted, or that has one fitted point.
    package func errorLeavingOneOut(
        of system: ComparedSystem, systems: ComparedSystems
    ) throws(BaselineTimingError) -> GeometricError? {
        let fitted = points.indices.filter { points[$0].isFitted && points[$0].system == system }
        guard fitted.count > 1, system != .hermes, system != .hermesHost || hostRuns != nil else {
            return nil
        }
        var logs: [Double] = []
        for index in fitted {
            var others = self
            others.points[index].isFitted = false
            var trial = systems
            others.fit(system, &trial)
            logs.append(try distance(of: points[index], trial))
        }
        return GeometricError(logs)
    }

    /// |ln(ours / published)|.
    private func distance(
        of point: PublishedPoint, _ systems: ComparedSystems
    ) throws(BaselineTimingError) -> Double {
        abs(
            Logarithms.natural(
                try tokensPerSecond(point, systems: systems) / point.published))
    }

    /// Mean |ln(ours / published)| over the fitted points of a system.
    private func loss(of system: ComparedSystem, _ systems: ComparedSystems) -> Double {
        var logs: [Double] = []
        for point in points where point.isFitted && point.system == system {
            guard let log = try? distance(of: point, systems) else { return .infinity }
            logs.append(log)
        }
        return logs.reduce(0, +) / Double(logs.count)
    }
}

extension Calibration.GeometricError {
    fileprivate init(_ logs: [Double]) {
        self.init(
            mean: Logarithms.exponential(logs.reduce(0, +) / Double(logs.count)),
            worst: Logarithms.exponential(logs.max() ?? 0), pointCount: logs.count)
    }
}
