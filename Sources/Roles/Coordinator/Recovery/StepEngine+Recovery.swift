import Messages
import Pacing
import Quantities

/// What failures that were mended cost in emulated time.
extension StepEngine {
    /// An answer with what came before it: the reload of the worker that gives it, or the
    /// transfers that were repeated.
    ///
    /// A DIMM's answer is ready as much later as its weights take over the DIMM's own channel and
    /// its keys and values over all links from the GPU, and what it answers next is not ready
    /// earlier; a message that came damaged has its links once more. What noticing a failure takes
    /// is wall time, and no part of it.
    mutating func delayed(_ answer: Answer, from dimm: Int) throws(CoordinatorError) -> Answer {
        exchange.state.noteBusy(answer.report.busyPicoseconds, of: dimm)
        let delays = exchange.state.takeDelays(of: dimm)
        let floor = exchange.state.readyNotBefore[dimm]
        guard time != nil, !delays.isEmpty || floor > answer.ready else { return answer }
        isDelayed = true
        // The worker that loads again knows nothing of how long that takes in emulated time.
        var now = EmulatedTime(picosecondsSinceStart: max(answer.ready, floor))
        for delay in delays {
            let before = now
            let index: Int
            switch delay {
            case .reload(let record):
                index = record
                let record = exchange.state.records[record]
                now = try time?.reload(record, from: now) ?? now
                exchange.state.readyNotBefore[dimm] = now.sinceStart.picoseconds
            case .repetition(let record, let requestByteCount):
                index = record
                now =
                    try time?.transfer(
                        "repeated message of DIMM \(dimm)",
                        requestByteCount ?? answer.payloadByteCount, dimm: dimm, readyAt: now,
                        ring: nil
                    ).arrival ?? now
            }
            exchange.state.records[index].delay = now - before
        }
        var answer = answer
        answer.ready = now.sinceStart.picoseconds
        return answer
    }

    /// What was mended so far, in order.
    var recoveries: [RecoveryRecord] { exchange.state.records }
}

extension Timekeeper {
    /// Books what a new worker is given: its weights from the host's memory, keys and values from
    /// the GPU's side; returns when all is there.
    fileprivate mutating func reload(
        _ record: RecoveryRecord, from ready: EmulatedTime
    ) throws(CoordinatorError) -> EmulatedTime {
        let weights = try reload(
            "reload of DIMM \(record.dimm)", record.weightByteCount,
            over: machine.hostPath(toDIMM: record.dimm), readyAt: ready)
        return try transfer(
            "keys and values of DIMM \(record.dimm)", record.keyValueByteCount,
            dimm: record.dimm, readyAt: weights, ring: nil
        ).arrival
    }
}
