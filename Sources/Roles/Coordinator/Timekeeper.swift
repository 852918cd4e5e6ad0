import HardwareModel
import Messages
package import Pacing
package import Quantities
package import Telemetry

/// Emulated time as the coordinator keeps it: plans transfers, times the GPU, collects replies
/// and advances, step by step.
///
/// A step begins at ``now``. Requests are booked in DIMM order; all replies of the step are
/// collected before any is booked, in the order of (ready time, DIMM index). So the order in
/// which the operating system delivers never matters.
package struct Timekeeper {
    package private(set) var now = EmulatedTime.start
    package private(set) var machine: EmulatedMachine
    /// Empty unless a trace or an explanation was asked for.
    package private(set) var timeline = Timeline()
    /// When the prefill was done.
    private var prefillEnd = EmulatedTime.start
    /// What the critical path was spent on.
    package private(set) var spending = TimeSpending()
    /// Each DIMM's time on the current token.
    private(set) var busyOfToken: [EmulatedDuration]
    private let records: Bool
    /// Eighteen minutes of emulated time, in picoseconds: no request takes as long, and a wait
    /// for it would hardly end.
    private static let longestRequest: UInt64 = 1 << 50
    private var token = -1
    private var layer = -1
    private var step = Step()
    private var nextFlow: UInt64 = 1

    /// What happened since the step began.
    private struct Step {
        var name = ""
        var gpuSegments: [(name: String, duration: EmulatedDuration, isWork: Bool)] = []
        var gpuEnd: EmulatedTime?
        var requests: [Int: PathBooking] = [:]
        var flows: [Int: UInt64] = [:]
        var replies: [Reply] = []
    }

    private struct Reply {
        let dimm: Int
        let ready: EmulatedTime
        let byteCount: Int
        let report: WorkReport
    }

    /// - Parameter records: whether to keep events and the critical path.
    package init(machine: EmulatedMachine, records: Bool) {
        self.machine = machine
        self.records = records
        busyOfToken = Array(repeating: .zero, count: machine.paths.count)
    }

    /// Until the first token could be sampled.
    package var prefillDuration: EmulatedDuration { prefillEnd.sinceStart }

    /// From then on.
    package var decodeDuration: EmulatedDuration { now - prefillEnd }

    /// Every link with its name, in a fixed order.
    package var links: [(name: String, link: LinkSchedule)] {
        machine.linkNames.indices.map { (machine.linkNames[$0], machine.links[$0]) }
    }

    mutating func endPrefill() { prefillEnd = now }

    mutating func beginToken(_ index: Int) {
        token = index
        for dimm in busyOfToken.indices { busyOfToken[dimm] = .zero }
    }

    mutating func beginStep(_ name: String, layer: Int) {
        self.layer = layer
        step = Step()
        step.name = name
    }

    // MARK: Requests and replies

    /// Books a request's transfer; returns when it is at the DIMM.
    mutating func send(byteCount: Int, to dimm: Int) throws(CoordinatorError) -> EmulatedTime {
        let flow = newFlow()
        let name = step.name
        let booking = try transfer(
            "\(name) to DIMM \(dimm)", byteCount, dimm: dimm, readyAt: now, ring: .to,
            flow: flow)
        step.requests[dimm] = booking
        step.flows[dimm] = flow
        return booking.arrival
    }

    /// Notes a reply; it is booked when all of the step are there.
    mutating func receive(
        from dimm: Int, ready: UInt64, byteCount: Int, report: WorkReport
    ) throws(CoordinatorError) {
        let ready = EmulatedTime(picosecondsSinceStart: ready)
        let arrival = step.requests[dimm]?.arrival ?? now
        guard ready >= arrival, (ready - arrival).picoseconds >= report.busyPicoseconds else {
            throw .link(
                dimm: dimm, .peerCorrupt("a reply was ready before its work could be done"))
        }
        guard (ready - arrival).picoseconds <= Self.longestRequest else {
            throw .link(
                dimm: dimm,
                .peerCorrupt("a request took \((ready - arrival).picoseconds) ps: absurd"))
        }
        step.replies.append(
            Reply(dimm: dimm, ready: ready, byteCount: byteCount, report: report))
    }

    // MARK: GPU

    /// A kernel of the GPU, at the start of the step or behind the step's earlier ones.
    ///
    /// - Parameter synchronises: whether two synchronisations with the DIMMs surround it.
    mutating func runKernel(
        _ name: String, byteCount: Int, macCount: Int, synchronises: Bool
    ) throws(CoordinatorError) {
        let timing = machine.gpu.kernel(
            byteCount: ByteCount(UInt64(byteCount)), operationCount: 2 * UInt64(macCount))
        let start = step.gpuEnd ?? now
        let duration =
            synchronises ? machine.gpu.synchronisedDuration(of: timing) : timing.total
        let end = try advance(start, by: duration)
        step.gpuSegments.append((name, timing.total, true))
        if synchronises {
            step.gpuSegments.append(("2 T_sync", machine.gpu.synchronisationCost * 2, false))
        }
        step.gpuEnd = end
        recordKernel(name, timing, from: start, to: end, byteCount, macCount)
    }

    private mutating func recordKernel(
        _ name: String, _ timing: KernelTiming, from start: EmulatedTime, to end: EmulatedTime,
        _ byteCount: Int, _ macCount: Int
    ) {
        guard records else { return }
        let rate =
            timing.bound == .memory
            ? "\(machine.gpu.effectiveBandwidth)" : "\(machine.gpu.effectiveComputeRate)"
        timeline.add(
            TimelineEvent(
                kind: .kernel, name: name, unit: "GPU", start: start, end: end, token: token,
                layer: layer, byteCount: UInt64(byteCount), macCount: UInt64(macCount),
                bound: timing.bound.rawValue, rate: rate, flow: 0))
    }

    // MARK: Advance

    /// Books the replies and moves ``now`` to when GPU and all DIMMs are done.
    @discardableResult
    mutating func endStep() throws(CoordinatorError) -> StepEnd {
        var latest: (reply: Reply, booking: PathBooking)?
        var arrivals: [Int: EmulatedTime] = [:]
        let start = now
        let order = step.replies.sorted { ($0.ready, $0.dimm) < ($1.ready, $1.dimm) }
        for reply in order {
            let busy = EmulatedDuration(picoseconds: reply.report.busyPicoseconds)
            busyOfToken[reply.dimm] += busy
            recordRequest(reply, busy: busy)
            let name = step.name
            let booking = try transfer(
                "\(name) from DIMM \(reply.dimm)", reply.byteCount, dimm: reply.dimm,
                readyAt: reply.ready, ring: .from, flow: step.flows[reply.dimm] ?? 0)
            arrivals[reply.dimm] = booking.arrival
            if latest.map({ $0.booking.arrival < booking.arrival }) ?? true {
                latest = (reply, booking)
            }
        }
        let gpuEnd = step.gpuEnd ?? now
        let last: StepEnd.Last
        if let latest, latest.booking.arrival > gpuEnd {
            extendPath(reply: latest.reply, booking: latest.booking)
            last = .reply(arrival: latest.booking.arrival)
            now = latest.booking.arrival
        } else {
            for segment in step.gpuSegments {
                extendPath(segment.name, "GPU", segment.duration, isWork: segment.isWork)
            }
            last = .kernels(end: gpuEnd, duration: gpuEnd - now)
            now = gpuEnd
        }
        step.replies = []
        step.requests = [:]
        step.gpuSegments = []
        step.gpuEnd = nil
        return StepEnd(
            last: last, replies: order.map { ($0.dimm, $0.ready, $0.byteCount) }, start: start,
            end: now, kernelDuration: gpuEnd - start, arrivals: arrivals)
    }

    /// Moves ``now`` forward to `time`; what happened until then is one segment of the path.
    mutating func advance(to time: EmulatedTime, _ name: String, unit: String) {
        guard time > now else { return }
        extendPath(name, unit, time - now, isWork: true)
        now = time
    }

    /// Which ring of a DIMM a message travels in.
    enum Ring: String {
        case to
        case from
    }

    /// Books a transfer.
    ///
    /// - Parameter ring: of the message that it is; `nil` for what moves in emulated time alone.
    mutating func transfer(
        _ name: @autoclosure () -> String, _ byteCount: Int, dimm: Int, readyAt: EmulatedTime,
        ring: Ring?, flow: UInt64 = 0
    ) throws(CoordinatorError) -> PathBooking {
        try transfer(
            name(), byteCount, over: machine.paths[dimm],
            unit: ring.map { "ring \($0.rawValue) DIMM \(dimm)" }, readyAt: readyAt, flow: flow)
    }

    /// Books what is no message: it moves in emulated time alone.
    mutating func reload(
        _ name: String, _ byteCount: Int, over path: [Int], readyAt: EmulatedTime
    ) throws(CoordinatorError) -> EmulatedTime {
        try transfer(name, byteCount, over: path, unit: nil, readyAt: readyAt, flow: 0).arrival
    }

    /// Books a transfer from one DIMM to another.
    ///
    /// - Parameter link: the one between the two.
    mutating func handOver(
        _ byteCount: Int, from donor: Int, to receiver: Int, link: Int, readyAt: EmulatedTime
    ) throws(CoordinatorError) -> EmulatedTime {
        try transfer(
            "neurons from DIMM \(donor) to DIMM \(receiver)", byteCount, over: [link],
            unit: "ring DIMM \(donor) to DIMM \(receiver)", readyAt: readyAt, flow: 0
        ).arrival
    }

    /// - Parameters:
    ///   - name: made only for a record.
    ///   - unit: the same.
    private mutating func transfer(
        _ name: @autoclosure () -> String, _ byteCount: Int, over path: [Int],
        unit: @autoclosure () -> String?, readyAt: EmulatedTime, flow: UInt64
    ) throws(CoordinatorError) -> PathBooking {
        var bookings: [(Int, Booking)] = []
        let booking = try machine.transfer(byteCount, over: path, readyAt: readyAt) {
            if records { bookings.append(($0, $1)) }
        }
        guard records else { return booking }
        let name = name()
        if let unit = unit() {
            timeline.add(
                TimelineEvent(
                    kind: .message, name: name, unit: unit,
                    ready: readyAt, start: booking.booking.start, end: booking.booking.end,
                    token: token, layer: layer, byteCount: UInt64(byteCount), macCount: 0,
                    bound: "link", rate: machine.linkNames[booking.bottleneck], flow: flow))
        }
        for (link, booking) in bookings {
            timeline.add(
                TimelineEvent(
                    kind: .transfer, name: name, unit: machine.linkNames[link],
                    ready: readyAt, start: booking.start, end: booking.end, token: token,
                    layer: layer,
                    byteCount: UInt64(byteCount), macCount: 0, bound: "link",
                    rate: "\(machine.links[link].bandwidth)", flow: flow))
        }
        return booking
    }

    /// A kernel at an instant that the caller lays out itself; returns when it is done.
    mutating func placeKernel(
        _ name: String, at start: EmulatedTime, byteCount: Int, macCount: Int
    ) throws(CoordinatorError) -> EmulatedTime {
        let timing = machine.gpu.kernel(
            byteCount: ByteCount(UInt64(byteCount)), operationCount: 2 * UInt64(macCount))
        let end = try advance(start, by: timing.total)
        recordKernel(name, timing, from: start, to: end, byteCount, macCount)
        return end
    }

    func advance(
        _ time: EmulatedTime, by duration: EmulatedDuration
    ) throws(CoordinatorError) -> EmulatedTime {
        guard let sum = time.checkedAdding(duration) else {
            throw .time("emulated time is beyond 213 days")
        }
        return sum
    }

    // MARK: Records

    private mutating func newFlow() -> UInt64 {
        nextFlow += 1
        return nextFlow - 1
    }

    private mutating func recordRequest(_ reply: Reply, busy: EmulatedDuration) {
        guard records else { return }
        let report = reply.report
        let isReadBound = report.readPicoseconds >= report.multiplyPicoseconds
        let start = EmulatedTime(
            picosecondsSinceStart: reply.ready.sinceStart.picoseconds - busy.picoseconds)
        timeline.add(
            TimelineEvent(
                kind: .request, name: step.name, unit: "DIMM \(reply.dimm)", start: start,
                end: reply.ready, token: token, layer: layer, byteCount: report.readByteCount,
                macCount: report.multiplyAccumulateCount,
                bound: isReadBound ? "read" : "multiply",
                rate: isReadBound
                    ? Self.rate(report.readByteCount, report.readPicoseconds, "GB/s")
                    : Self.rate(
                        report.multiplyAccumulateCount, report.multiplyPicoseconds, "GMAC/s"),
                flow: step.flows[reply.dimm] ?? 0))
    }

    /// Count per picosecond, in 10⁹ per second, two decimals.
    private static func rate(_ count: UInt64, _ picoseconds: UInt64, _ unit: String) -> String {
        guard picoseconds > 0 else { return "-" }
        let hundredths = (Double(count) * 100_000 / Double(picoseconds)).rounded()
        return "\(hundredths / 100) \(unit)"
    }

    private mutating func extendPath(reply: Reply, booking: PathBooking) {
        let dimm = reply.dimm
        if let request = step.requests[dimm] { extendPath(request, "to DIMM \(dimm)") }
        let arrival = step.requests[dimm]?.arrival ?? now
        let busy = EmulatedDuration(picoseconds: reply.report.busyPicoseconds)
        let waited = EmulatedDuration(
            picoseconds: (reply.ready - arrival).picoseconds - busy.picoseconds)
        extendPath("wait for the DIMM", "DIMM \(dimm)", waited, isWork: true)
        extendPath(step.name, "DIMM \(dimm)", busy, isWork: true)
        extendPath(booking, "from DIMM \(dimm)")
    }

    private mutating func extendPath(_ path: PathBooking, _ direction: String) {
        let unit = machine.linkNames[path.bottleneck]
        let latency = path.booking.arrival - path.booking.end
        extendPath("queue \(direction)", unit, path.booking.queueing, isWork: false)
        extendPath("transfer \(direction)", unit, path.booking.occupancy, isWork: false)
        extendPath("latency \(direction)", unit, latency, isWork: false)
    }

    /// - Parameter isWork: false for what units wait on each other's messages.
    private mutating func extendPath(
        _ name: String, _ unit: String, _ duration: EmulatedDuration, isWork: Bool
    ) {
        spending.add(duration, step: step.name, isWork: isWork)
        guard records else { return }
        timeline.extendPath(
            PathSegment(name: name, unit: unit, token: token, layer: layer, duration: duration))
    }
}
