import BaselineTiming
import Quantities
import Topology

/// The systems without NDP-DIMMs: their schedules, with the facts of the compared systems' file.
enum ScheduledEmulation {
    /// - Precondition: the system does not run as processes.
    static func run(_ request: EmulationRequest) throws -> EmulationOutcome {
        let start = ContinuousClock.now
        guard let system = ComparedSystem(rawValue: request.system.rawValue), system.isSchedule
        else {
            throw Failure(.internalFault, "\(request.system.rawValue) has no schedule")
        }
        let systems = try ComparedSystemsFile.load().systems
        let outcome: BaselineOutcome
        do {
            outcome = try BaselineSchedules(systems: systems, gpu: request.topology.gpu).outcome(
                of: system, model: request.model,
                workload: Workload(
                    batchSize: request.batchSize, promptTokenCount: request.promptTokenCount,
                    tokenCount: request.tokenCount))
        } catch {
            throw Failure(.badInput, "\(error)")
        }
        switch outcome {
        case .unsupported(let reason): return .unsupported(reason: reason)
        case .timed(let run):
            return .timed(
                TimedEmulation(
                    prefillSeconds: run.prefill.seconds, decodeSeconds: run.decode.seconds,
                    breakdown: EmulationBreakdown(run.breakdown),
                    tokensPerSecond: run.tokensPerSecond, residentShare: run.residentShare,
                    wallSeconds: start.duration(to: .now).seconds))
        }
    }
}

extension EmulationBreakdown {
    fileprivate init(_ times: TimeBreakdown) {
        self.init(
            prefill: times.prefill.seconds, qkv: times.qkv.seconds,
            attention: times.attention.seconds, projection: times.projection.seconds,
            mlp: times.mlp.seconds, communication: times.communication.seconds,
            predictor: times.predictor.seconds, other: times.other.seconds)
    }
}
