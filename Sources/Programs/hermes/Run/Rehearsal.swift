import Coordinator
import Logging
import Messages
import Pacing
import Quantities
import Topology
import Transformer

/// Finds the smallest dilation at which this machine keeps up with the topology, by running some
/// tokens on the very processes of the run.
///
/// Tokens without waiting give a lower bound: what the work alone takes. Then tokens are paced,
/// since deliveries and wake-ups cost time too: the dilation doubles until few enough deadlines
/// are missed, is narrowed down from there, and has to hold once more.
struct Rehearsal {
    let topology: Topology
    let pacing: WallPacing
    let watch: WaitWatch
    let promptTokens: [Int32]
    /// The share of missed deadlines that the run itself may have.
    let overrunLimit: Double
    let logger: Logger

    /// Tokens of a trial: some hundred deadlines of each role.
    private static let tokenCount = 12
    /// Much dilation makes tokens long: a trial of this many may end early.
    private static let leastTokenCount = 6
    private static let trialLimit = Duration.seconds(2)

    /// A trial is short, so it has to stay well below the limit.
    private var safeShare: Double { overrunLimit / 2 }

    func leastDilation(
        _ coordinator: inout Coordinator, prefill: borrowing ReferenceTransformer
    ) throws -> Dilation {
        let bound = try unpacedBound(&coordinator, prefill: prefill)
        return try DilationSearch().leastDilation(from: bound) {
            try keepsUp(&coordinator, at: $0)
        }
    }

    /// Wall time over emulated time of tokens that wait for nothing: less cannot suffice.
    private func unpacedBound(
        _ coordinator: inout Coordinator, prefill: borrowing ReferenceTransformer
    ) throws -> Dilation {
        try coordinator.startClock(
            ClockSetting(originNanoseconds: 0, dilationThousandths: 0),
            clock: UnpacedClock(.virtual))
        try coordinator.deliver(prefill: prefill, tokenCount: promptTokens.count)
        // The first one warms up.
        try decodeToken(&coordinator)
        guard let before = coordinator.time?.now else { return .one }
        let clock = ContinuousClock()
        let wall = try clock.measure {
            for _ in 0..<Self.tokenCount { try decodeToken(&coordinator) }
        }
        guard let now = coordinator.time?.now, now > before else { return .one }
        return DilationSearch.bound(wall: wall, emulated: now - before)
    }

    /// Whether all roles together miss few enough deadlines at a dilation; gives up as soon as
    /// they cannot any more.
    private func keepsUp(
        _ coordinator: inout Coordinator, at dilation: Dilation
    ) throws -> Bool {
        coordinator.startOver(
            time: Timekeeper(machine: EmulatedMachine(topology), records: false))
        let start = PacedStart(
            dilation: dilation, topology: topology, pacing: pacing, watch: watch)
        // The keys and values are there since the tokens that waited for nothing.
        try coordinator.startClock(start.setting, clock: start.clock)
        var share = 0.0
        var doneCount = 0
        let clock = ContinuousClock()
        let end = clock.now + Self.trialLimit
        repeat {
            try decodeToken(&coordinator)
            doneCount += 1
            let (count, missed) = coordinator.deadlines
            // As if the tokens still to come missed nothing.
            let planned = Double(count) * Double(Self.tokenCount) / Double(doneCount)
            share = Double(missed) / max(1, planned)
        } while doneCount < Self.tokenCount && share <= safeShare
            && (doneCount < Self.leastTokenCount || clock.now < end)
        let (count, missed) = coordinator.deadlines
        share = Double(missed) / Double(max(1, count))
        logger.info(
            "rehearsed",
            metadata: [
                "dilation": "\(dilation)", "tokens": "\(doneCount)", "missed_share": "\(share)",
            ])
        return share <= safeShare
    }

    /// Always at the prompt's last position, whose keys and values are delivered again.
    private func decodeToken(_ coordinator: inout Coordinator) throws {
        try Interruption.check()
        _ = try coordinator.decode(promptTokens[0], at: promptTokens.count - 1)
    }
}
