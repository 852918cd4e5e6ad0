import HardwareModel
import Messages
import Pacing
import Quantities

/// The coordinator's side of every step, whatever is computed in it: requests and replies, their
/// time on the links, and in a paced run their wall time.
///
/// A step begins, sends, runs kernels, collects replies and ends. Knows no values: what a message
/// carries is its sender's business.
package struct StepEngine {
    let exchange: WorkerExchange
    /// `nil` in a native run, which has no emulated time.
    package internal(set) var time: Timekeeper?
    var clock: any RunClock = UnpacedClock(.native)
    var watch = StepWatch()
    /// When each DIMM's work on the current step is over in wall time.
    private var workEnds: [WallInstant?]
    /// Whether a failure that was mended made a reply of the current step later.
    var isDelayed = false
    private var workerDeadlines: [(count: UInt64, missed: UInt64)]
    /// Payload bytes of messages since the clock started, by link: what really moved, without the
    /// weights that the prefill streams in emulated time alone.
    package private(set) var movedByteCounts: [UInt64]

    /// - Parameter links: one per DIMM, in DIMM order; workers wait behind them.
    init(links: [any MessageLink], time: Timekeeper?, mending: ExchangeMending? = nil) {
        precondition(!links.isEmpty)
        exchange = WorkerExchange(links: links, mending: mending)
        self.time = time
        workEnds = Array(repeating: nil, count: links.count)
        workerDeadlines = Array(repeating: (0, 0), count: links.count)
        movedByteCounts = Array(repeating: 0, count: time?.links.count ?? 0)
    }

    // MARK: The whole run

    /// Starts emulated time: in a paced run every role waits from here on.
    ///
    /// - Parameters:
    ///   - setting: what the workers are told.
    ///   - clock: the coordinator's own, of the same setting.
    mutating func startClock(
        _ setting: ClockSetting, clock: any RunClock
    ) throws(CoordinatorError) {
        self.clock = clock
        for dimm in exchange.indices {
            try exchange.send(
                MessageHeader(.startClock, step: exchange.nextStep()), to: dimm,
                payloadByteCount: ClockSetting.byteCount
            ) { setting.encode(into: &$0) }
        }
    }

    /// Forgets time so far, for a run that starts over on the same workers.
    mutating func startOver(time: Timekeeper?) {
        self.time = time
        movedByteCounts = Array(repeating: 0, count: time?.links.count ?? 0)
        exchange.state.startOver()
    }

    /// Tells the workers to leave and waits for their last facts.
    func shutDown() throws(CoordinatorError) -> [WorkerFacts] {
        let step = exchange.nextStep()
        for dimm in exchange.indices {
            try exchange.send(
                MessageHeader(.shutDown, step: step), to: dimm, payloadByteCount: 0
            ) { _ in }
        }
        return try exchange.collectFacts(.farewell, step: step)
    }

    /// Deadlines of all roles so far, and how many were missed; the workers' as of their last
    /// replies.
    var deadlines: (count: UInt64, missed: UInt64) {
        workerDeadlines.reduce((clock.overruns.deadlines, clock.overruns.missed)) {
            ($0.0 + $1.count, $0.1 + $1.missed)
        }
    }

    // MARK: One step

    mutating func beginStep(_ name: String, layer: Int) {
        watch.begin(name, layer: layer)
        time?.beginStep(name, layer: layer)
        for dimm in workEnds.indices { workEnds[dimm] = nil }
        isDelayed = false
        clock.beginWork()
    }

    /// Advances emulated time to the step's end and, in a paced run, returns when the wall clock
    /// has come that far.
    ///
    /// - Returns: how it ended; `nil` in a native run.
    @discardableResult
    mutating func endStep() throws(CoordinatorError) -> Timekeeper.StepEnd? {
        guard let end = try time?.endStep() else {
            watch.end(nil)
            return nil
        }
        defer { watch.end(end) }
        try pacing { () throws(PacingError) in
            // Replies have the links in wall time in the order in which they have them in emulated
            // time, whoever's process was first.
            var delivery: WallInstant?
            for reply in end.replies {
                let instant = try clock.depart(
                    ByteCount(UInt64(reply.byteCount)), over: path(toDIMM: reply.dimm),
                    readyAt: reply.ready, workEnd: workEnds[reply.dimm])
                if let instant { delivery = max(delivery ?? instant, instant) }
            }
            switch end.last {
            case .reply(let arrival):
                try clock.receive(arrival: arrival, delivery: delivery)
            case .kernels(let end, let duration):
                try finishWork(at: end, lasting: duration, notBefore: delivery)
            }
        }
        return end
    }

    private func path(toDIMM dimm: Int) -> [Int] { time?.machine.paths[dimm] ?? [] }

    /// Waits for the GPU role's own work, and for replies that came while it worked.
    func finishWork(
        at end: EmulatedTime, lasting duration: EmulatedDuration,
        notBefore delivery: WallInstant? = nil
    ) throws(PacingError) {
        guard let instant = try clock.finishWork(at: end, lasting: duration) else { return }
        try clock.proceed(from: max(instant, delivery ?? instant))
    }

    func pacing<Value>(
        _ body: () throws(PacingError) -> Value
    ) throws(CoordinatorError) -> Value {
        do {
            return try body()
        } catch .waitEnded {
            throw .interrupted
        } catch {
            throw .time("\(error)")
        }
    }

    /// A kernel that follows the units' work, such as the addition of their sums, with the time
    /// that it takes: a few nanoseconds, which the next message's departure includes.
    mutating func runBetweenSteps(
        _ name: String, layer: Int, byteCount: Int, macCount: Int
    ) throws(CoordinatorError) {
        let start = time?.now
        watch.begin(name, layer: layer)
        time?.beginStep(name, layer: layer)
        try time?.runKernel(
            name, byteCount: byteCount, macCount: macCount, synchronises: false)
        watch.end(try time?.endStep())
        guard let start, let now = time?.now else { return }
        try pacing { () throws(PacingError) in try clock.pass(to: now, lasting: now - start) }
    }

    /// What was computed is seen outside: not before its time in a paced run.
    func catchUp() throws(CoordinatorError) {
        try pacing { () throws(PacingError) in try clock.catchUp() }
    }

    // MARK: Messages

    /// The header of a message of `byteCount` bytes to a DIMM, with when it arrives.
    mutating func stamped(
        _ request: MessageHeader, byteCount: Int, to dimm: Int, readyAt: EmulatedTime,
        arrival: EmulatedTime
    ) throws(CoordinatorError) -> MessageHeader {
        guard let time else { return request }
        var header = request
        header.time = arrival.sinceStart.picoseconds
        let delivery = try pacing { () throws(PacingError) in
            try clock.depart(
                ByteCount(UInt64(byteCount)), over: time.machine.paths[dimm], readyAt: readyAt,
                workEnd: nil)
        }
        header.delivery = delivery?.nanoseconds ?? 0
        countMoved(byteCount, over: path(toDIMM: dimm))
        return header
    }

    /// Books a request of the current step; returns its header with when it arrives.
    mutating func sending(
        _ request: MessageHeader, byteCount: Int, to dimm: Int
    ) throws(CoordinatorError) -> MessageHeader {
        watch.sent(to: dimm)
        guard let now = time?.now,
            let arrival = try time?.send(byteCount: byteCount, to: dimm)
        else { return request }
        return try stamped(
            request, byteCount: byteCount, to: dimm, readyAt: now, arrival: arrival)
    }

    /// Sends what is no part of a step, and books it.
    ///
    /// - Parameters:
    ///   - name: of the transfer.
    ///   - writtenByteCount: of the payload; what is behind means nothing. `nil`: all.
    mutating func post(
        _ name: @autoclosure () -> String, _ request: MessageHeader, byteCount: Int,
        writtenByteCount: Int? = nil, to dimm: Int, _ fill: (inout MutableRawSpan) -> Void
    ) throws(CoordinatorError) {
        var header = request
        if let now = time?.now,
            let booking = try time?.transfer(name(), byteCount, dimm: dimm, readyAt: now, ring: .to)
        {
            header = try stamped(
                header, byteCount: byteCount, to: dimm, readyAt: now, arrival: booking.arrival)
        }
        try exchange.send(
            header, to: dimm, payloadByteCount: byteCount, writtenByteCount: writtenByteCount,
            fill)
    }

    /// A reply of the current step has come.
    mutating func note(_ answer: Answer, from dimm: Int) throws(CoordinatorError) {
        let answer = try delayed(answer, from: dimm)
        watch.received(answer, from: dimm)
        workEnds[dimm] = answer.workEnd
        noteDeadlines(answer.report, of: dimm)
        countMoved(answer.payloadByteCount, over: path(toDIMM: dimm))
        try time?.receive(
            from: dimm, ready: answer.ready, byteCount: answer.payloadByteCount,
            report: answer.report)
    }

    mutating func noteDeadlines(_ report: WorkReport, of dimm: Int) {
        exchange.state.noteDeadlines(
            report.deadlineCount, missed: report.missedDeadlineCount, of: dimm)
        let lost = exchange.state.lostDeadlines[dimm]
        workerDeadlines[dimm] = (
            report.deadlineCount &+ lost.count, report.missedDeadlineCount &+ lost.missed
        )
    }

    mutating func countMoved(_ byteCount: Int, over links: [Int]) {
        for link in links { movedByteCounts[link] += UInt64(byteCount) }
    }
}
