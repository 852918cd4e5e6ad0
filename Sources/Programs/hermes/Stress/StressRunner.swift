import BaselineTiming
import Coordinator
import Logging
import ModelCatalogue
import Pacing
import Quantities
import Scheduling
import SyntheticActivity
import Telemetry
import Topology

/// Runs one session of one cell.
struct StressRunner {
    typealias Model = ModelSpecification

    let command: StressCommand
    let model: Model
    let logger: Logger

    /// - Parameter session: from 0; each has a seed of its own.
    func request(_ cell: StressCell, session: Int) throws -> EmulationRequest {
        var (topology, path) = try TopologyFile.load(
            cell.topology, assignments: command.assignments)
        let slow = try command.slowDimm.flatMap { slow in
            guard slow.dimm < topology.dimms.count else {
                throw Failure(
                    .usage,
                    "--slow-dimm \(slow.dimm): '\(cell.topology)' has DIMMs 0 to "
                        + "\(topology.dimms.count - 1)")
            }
            return slow.assignments(for: topology.dimms[slow.dimm])
        }
        if !slow.isEmpty {
            (topology, path) = try TopologyFile.load(
                cell.topology, assignments: command.assignments + slow)
        }
        if cell.workload.kind == .hotDIMM,
            Int(cell.workload[.dimm]) >= topology.dimms.count
        {
            throw Failure(
                .usage,
                "workload \(cell.workload): '\(cell.topology)' has DIMMs 0 to "
                    + "\(topology.dimms.count - 1)")
        }
        var request = EmulationRequest(model: model, topology: topology, topologyPath: path)
        request.batchSize = command.batch
        request.promptTokenCount = command.promptTokens
        request.tokenCount = command.tokens
        request.seed = command.seed &+ UInt64(session)
        request.clock = command.time.clock
        request.dilation = command.time.dilation
        request.overrunLimit = command.time.overrunLimit
        request.recovery = command.recovery.policy
        request.faults = command.recovery.faults
        request.secondsLimit = command.duration
        request.startingHomes = command.placement.homes
        if let file = cell.workload.file {
            request.replay = file
        } else {
            request.workload = cell.workload
        }
        request.policy = policy(cell)
        return request
    }

    private func policy(_ cell: StressCell) -> EmulationPolicy {
        var policy = EmulationPolicy()
        policy.predictor = command.predictor
        policy.partition = command.placement.method
        policy.hotCriterion = command.hotCriterion
        policy.rebalancing = cell.policy.rebalancing
        policy.foresees = cell.policy == .oracle
        policy.windowTokenCount =
            cell.windowTokenCount ?? PlacementPolicy.standardWindowTokenCount
        return policy
    }

    /// All that an answer depends on beside model and topology.
    func description(_ cell: StressCell) throws -> String {
        let command = command
        let trace = try cell.workload.file.map { try ModelHash.hexadecimal(ofFile: $0) } ?? ""
        return [
            cell.description, "\(command.batch)", "\(command.promptTokens)", "\(command.tokens)",
            "\(command.duration ?? 0)", "\(command.seed)", "\(command.time.clock)",
            "\(command.time.dilation)", "\(command.sessions)", "\(command.neighbours)",
            command.placement.rawValue, command.hotCriterion.rawValue,
            command.predictor.rawValue, "\(command.recovery.restarts)",
            "\(command.recovery.faults)", "\(command.slowDimm)", trace,
        ].joined(separator: "; ")
    }

    func run(_ cell: StressCell, session: Int, title: String) throws -> StressAnswer {
        var request = try request(cell, session: session)
        var slowdowns = Array(repeating: 1.0, count: request.topology.dimms.count)
        for slow in command.slowDimm { slowdowns[slow.dimm] = slow.factor }
        let observer = StressObserver(
            slowdowns: slowdowns, usesWallTime: command.time.clock != .virtual, title: title,
            tokenCount: command.tokens - 1)
        request.observer = observer
        switch try Emulation.run(request, logger: logger) {
        case .unsupported(let reason): return .unsupported(reason: reason)
        case .timed(let timed):
            guard let processes = timed.processes else {
                throw Failure(.internalFault, "a cell ran without processes")
            }
            return .measured(figures(observer.meter, timed, processes))
        }
    }

    private func figures(
        _ meter: BalanceMeter, _ timed: TimedEmulation, _ processes: ProcessRecord
    ) -> StressFigures {
        let records = processes.migrations
        // QKV and MLP have as many samples each.
        let count = Double(max(1, records.count))
        return StressFigures(
            meter: meter, isTimed: processes.time != nil,
            hasWallRoundTrips: command.time.clock != .virtual,
            tokenCount: meter.imbalances.count, emulatedSeconds: timed.decodeSeconds,
            remapCount: timed.remapCount,
            remapByteCount: records.reduce(0) { $0 + $1.remapByteCount },
            refusedRemapCount: records.reduce(0) { $0 + $1.refusedRemapCount },
            abortedRemapCount: records.reduce(0) { $0 + $1.abortedRemapCount },
            remapLinkSeconds: (processes.time?.links ?? []).reduce(0) { sum, entry in
                entry.name.hasPrefix("dimm-link") ? sum + entry.link.counters.busy.seconds : sum
            },
            countImbalance: records.reduce(0) { $0 + $1.imbalance.mean } / count,
            countImbalanceUnmoved: records.reduce(0) { $0 + $1.imbalanceUnmoved.mean } / count,
            restartCount: processes.restarts.count, wallSeconds: timed.wallSeconds,
            dilation: processes.paced.map { "\($0.dilation)" },
            missedShare: processes.paced?.overruns.share)
    }
}
