import HardwareModel
import Messages
import Pacing
import Quantities
import Supervision
import Topology

/// The wall instant at which a paced run's emulated time begins, and its clock.
struct PacedStart {
    let dilation: Dilation
    let clock: PacedClock
    private let origin: WallInstant

    /// Begins a little later, so that every role has heard of it.
    private static let headStartNanoseconds: UInt64 = 20_000_000
    /// The coordinator prepares messages this much ahead: some hand-overs between processes.
    private static let lead = Duration.microseconds(300)

    /// - Parameters:
    ///   - pacing: this process's view of the caps that the workers share; forgets what was booked
    ///     before, so no worker may be at work.
    ///   - watch: as the clock's.
    init(
        dilation: Dilation, topology: Topology, pacing: WallPacing, watch: @escaping WaitWatch
    ) {
        self.dilation = dilation
        pacing.board?.reset()
        origin = WallInstant.now.advanced(byNanoseconds: Self.headStartNanoseconds)
        let rates = LinkPlan(topology).links.map {
            LinkRate(bandwidth: $0.bandwidth, latency: $0.latency)
        }
        clock = pacing.clock(
            origin: origin, dilation: dilation, rates: rates, lead: Self.lead, watch: watch)
    }

    /// What the workers are told.
    var setting: ClockSetting {
        ClockSetting(
            originNanoseconds: origin.nanoseconds, dilationThousandths: dilation.thousandths)
    }

    /// Wall time since the beginning.
    func elapsed() -> Duration { WallInstant.now - origin }
}

/// What a paced run measured of itself.
struct PacedRecord {
    let dilation: Dilation
    /// Wall time from the beginning to the last token.
    let span: Duration
    /// Of the coordinator and of all workers.
    let overruns: OverrunCount
    /// Payload bytes that really moved, by link.
    let movedByteCounts: [UInt64]
    private(set) var byRole: [(role: String, deadlines: UInt64, missed: UInt64)]

    init(
        dilation: Dilation, span: Duration, overruns: OverrunCount, movedByteCounts: [UInt64],
        workers: [WorkerFacts]
    ) {
        self.movedByteCounts = movedByteCounts
        self.dilation = dilation
        self.span = span
        byRole = [("coordinator", overruns.deadlines, overruns.missed)]
        var total = overruns
        for (index, facts) in workers.enumerated() {
            byRole.append(("dimm \(index)", facts.deadlineCount, facts.missedDeadlineCount))
            total.deadlines += facts.deadlineCount
            total.missed += facts.missedDeadlineCount
        }
        self.overruns = total
    }

    /// The span on the emulated scale.
    var seconds: Double { dilation.emulatedSeconds(ofWall: span) }
}
