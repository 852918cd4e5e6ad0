import Messages
import ModelFile
import NeuronShards
import Pacing
import Quantities
import Transformer

/// What the token loop says of time: each step begins, sends, runs kernels, collects replies and
/// ends, in emulated time and, in a paced run, on the wall clock.
extension Coordinator {
    mutating func beginStep(_ name: String, layer: Int) {
        time?.beginStep(name, layer: layer)
        for dimm in workEnds.indices { workEnds[dimm] = nil }
        clock.beginWork()
    }

    /// Advances emulated time to the step's end and, in a paced run, returns when the wall clock
    /// has come that far.
    mutating func endStep() throws(CoordinatorError) {
        guard let end = try time?.endStep() else { return }
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
        countMoved(byteCount, dimm: dimm)
        return header
    }

    private mutating func countMoved(_ byteCount: Int, dimm: Int) {
        for link in path(toDIMM: dimm) {
            movedByteCounts[link] += UInt64(byteCount)
        }
    }

    mutating func note(_ answer: Answer, from dimm: Int) throws(CoordinatorError) {
        workerDeadlines[dimm] = (
            answer.report.deadlineCount, answer.report.missedDeadlineCount
        )
        workEnds[dimm] = answer.workEnd
        countMoved(answer.payloadByteCount, dimm: dimm)
        try time?.receive(
            from: dimm, ready: answer.ready, byteCount: answer.payloadByteCount,
            report: answer.report)
    }

    /// Adding the units' shares, and a bias like one more: the GPU reads each and writes the sum.
    /// A few nanoseconds of emulated time, which the next message's departure includes: no wait
    /// of its own.
    mutating func mergeTime(
        _ name: String, width: Int, layer: Int
    ) throws(CoordinatorError) {
        let unitCount = exchange.count + 1
        let biasCount = model.shape.architecture.hasBiases ? width : 0
        let size = PartialSum.elementByteCount(isWide: buffers.sum.isWide)
        let start = time?.now
        time?.beginStep(name, layer: layer)
        try time?.runKernel(
            name, byteCount: (unitCount + 1) * width * size + 4 * biasCount,
            macCount: unitCount * width + biasCount, synchronises: false)
        try time?.endStep()
        guard let start, let now = time?.now else { return }
        try pacing { () throws(PacingError) in try clock.pass(to: now, lasting: now - start) }
    }

    /// The GPU's part of the step of the projection, which ends with it.
    mutating func projectionTime(
        _ tensor: Tensor, layer: Int
    ) throws(CoordinatorError) {
        let bias = model.weights.layers[layer].biases?.attentionOutput
        try time?.runKernel(
            "projection", byteCount: tensor.byteCount + (bias?.byteCount ?? 0),
            macCount: tensor.elementCount + (bias?.elementCount ?? 0), synchronises: true)
        try endStep()
    }

    /// Books a request of the current step; returns its header with when it arrives.
    mutating func sending(
        _ request: MessageHeader, byteCount: Int, to dimm: Int
    ) throws(CoordinatorError) -> MessageHeader {
        guard let now = time?.now,
            let arrival = try time?.send(byteCount: byteCount, to: dimm)
        else { return request }
        return try stamped(
            request, byteCount: byteCount, to: dimm, readyAt: now, arrival: arrival)
    }
}
