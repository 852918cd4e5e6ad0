import Coordinator
import Logging
import Messages
import Pacing
import Quantities
import Topology

/// Finds the smallest dilation at which this machine keeps up with an emulation, by decoding some
/// tokens on its very processes. Neurons stay where they are meanwhile, and nothing is learnt: each
/// trial works with a copy of the coordinator.
struct EmulationRehearsal {
    let coordinator: ShapeCoordinator
    let topology: Topology
    let machine: EmulatedMachine
    let fleet: WorkerFleet
    /// The share of missed deadlines that the run itself may have.
    let overrunLimit: Double
    let logger: Logger

    /// A token of a paper-scale model is thousands of deadlines, and can take seconds.
    private static let tokenCount = 2
    /// Trials of such tokens take their time.
    private static let limit = Duration.seconds(90)

    func leastDilation() throws -> Dilation {
        let bound = try unpacedBound()
        return try DilationSearch(limit: Self.limit).leastDilation(from: bound, keepsUp: keepsUp)
    }

    private func trial() -> ShapeCoordinator {
        var trial = coordinator
        trial.holdPlacement()
        trial.startOver(time: Timekeeper(machine: machine, records: false))
        return trial
    }

    private func unpacedBound() throws -> Dilation {
        var free = trial()
        try free.startClock(
            ClockSetting(originNanoseconds: 0, dilationThousandths: 0),
            clock: UnpacedClock(.virtual))
        // The first one warms up.
        try free.decode()
        guard let before = free.time?.now else { return .one }
        let wall = try ContinuousClock().measure {
            for _ in 0..<Self.tokenCount {
                try Interruption.check()
                try free.decode()
            }
        }
        guard let now = free.time?.now else { return .one }
        return DilationSearch.bound(wall: wall, emulated: now - before)
    }

    /// Whether all roles miss at most half as many deadlines as they may: a trial is short.
    private func keepsUp(at dilation: Dilation) throws -> Bool {
        var paced = trial()
        let start = PacedStart(
            dilation: dilation, topology: topology, pacing: fleet.pacing, watch: fleet.pacingWatch)
        try paced.startClock(start.setting, clock: start.clock)
        for _ in 0..<Self.tokenCount {
            try Interruption.check()
            try paced.decode()
        }
        let (count, missed) = paced.deadlines
        let share = Double(missed) / Double(max(1, count))
        logger.info(
            "rehearsed", metadata: ["dilation": "\(dilation)", "missed_share": "\(share)"])
        return share <= overrunLimit / 2
    }
}
