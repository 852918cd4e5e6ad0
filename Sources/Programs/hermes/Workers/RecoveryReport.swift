import Coordinator
import Messages
import Quantities

/// What was mended, as results show it.
extension RecoveryRecord {
    /// - Parameter promptCount: tokens of the prompt, which the first decoded token follows.
    func json(promptCount: Int) -> JSONValue {
        // Neurons on their way belong to a layer, and to no position.
        let hasPosition = [.projectQKV, .attend, .feedForward].contains(request?.kind)
        return .object([
            "dimm": .integer(dimm),
            "remedy": .string(remedy.rawValue),
            "request": request.map { .string("\($0.kind)") } ?? .null,
            "layer": request.map { .integer($0.layer) } ?? .null,
            "token": request.flatMap { request in
                hasPosition ? .integer(request.position - promptCount) : nil
            } ?? .null,
            "reloaded_weight_bytes": .integer(weightByteCount),
            "resent_key_value_bytes": .integer(keyValueByteCount),
            "seconds": ["emulated": JSONValue(delay.seconds)],
            // A process identifier or a span of wall time may stand in it.
            "host": ["cause": .string("\(cause)")],
        ])
    }

    /// For people.
    var summaryLine: String {
        let place = request.map { " at \($0.kind) of layer \($0.layer)" } ?? ""
        let cost = delay > .zero ? ", \(delay) of emulated time" : ""
        switch remedy {
        case .restart:
            return "recovered DIMM \(dimm)\(place) (\(cause)): "
                + "\(Text.megabytes(weightByteCount)) of weights loaded again, "
                + "\(Text.megabytes(keyValueByteCount)) of keys and values sent again\(cost)"
        case .repetition:
            return "repeated a message of DIMM \(dimm)\(place) (\(cause))\(cost)"
        }
    }
}

extension WorkerRestart {
    var json: JSONValue {
        .object([
            "dimm": .integer(dimm), "lost_pid": .integer(Int(lostProcess)),
            "pid": .integer(Int(process)), "seconds_wall": JSONValue(span.seconds),
        ])
    }
}
