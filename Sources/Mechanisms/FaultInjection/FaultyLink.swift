package import Messages

/// A link on which faults happen when their points come.
///
/// Both ends can have one: the worker's kills, stops and delays its process and spoils answers, the
/// coordinator's spoils requests. What the faults do is the program's to say.
package final class FaultyLink: MessageLink {
    /// What a fault does to this process, or to the next message that is sent.
    package typealias Effect = (Fault) -> Void

    private let base: any MessageLink
    private let end: Fault.Side
    private let firstPosition: Int
    private let effect: Effect
    private var waiting: [Fault]
    /// Faults of the answer to the request that was read last.
    private var due: [Fault] = []
    private var token = 0
    /// How many times as slow this process is.
    private var slowness = 1.0
    private var begun: ContinuousClock.Instant?

    /// - Parameters:
    ///   - end: whose messages pass through ``send(byteCount:_:)``: a worker's answers or the
    ///     coordinator's requests.
    ///   - faults: of the DIMM behind the link.
    ///   - firstPosition: of the first token that is decoded, in the context.
    ///   - effect: called before a message is read (`request` faults of a worker) or sent.
    package init(
        _ base: any MessageLink, end: Fault.Side, faults: [Fault], firstPosition: Int,
        effect: @escaping Effect
    ) {
        self.base = base
        self.end = end
        self.firstPosition = firstPosition
        self.effect = effect
        waiting = faults
    }

    package var maximumMessageByteCount: Int { base.maximumMessageByteCount }

    package func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        try send(byteCount: byteCount, writtenByteCount: byteCount, fill)
    }

    package func send(
        byteCount: Int, writtenByteCount: Int, _ fill: (inout MutableRawSpan) -> Void
    ) throws(LinkError) {
        if end == .request {
            // A request's point stands in it, so it is written before anything happens to it.
            let message = KeptMessage(
                byteCount: byteCount, writtenByteCount: writtenByteCount, fill)
            for fault in come(unsafe message.written.span.bytes) { effect(fault) }
            try message.send(over: base)
        } else {
            for fault in due { effect(fault) }
            due = []
            if slowness > 1, let begun {
                Self.sleep(begun.duration(to: .now) * (slowness - 1))
            }
            try base.send(byteCount: byteCount, writtenByteCount: writtenByteCount, fill)
        }
    }

    package func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        try base.receive { message in
            meet(message)
            read(message)
        }
    }

    package func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        try base.tryReceive { message in
            meet(message)
            read(message)
        }
    }

    /// A worker's request has come.
    private func meet(_ message: RawSpan) {
        guard end == .answer else { return }
        begun = .now
        for fault in come(message) {
            if fault.action == .slow {
                slowness = fault.value ?? 1
            } else if fault.side == .request, !fault.action.isOfMessage {
                effect(fault)
            } else {
                due.append(fault)
            }
        }
    }

    /// The faults whose point a message has reached.
    private func come(_ message: RawSpan) -> [Fault] {
        guard !waiting.isEmpty, let header = try? MessageHeader(decoding: message),
            let point = point(of: header)
        else { return [] }
        let come = waiting.filter { $0.point <= point }
        waiting.removeAll { $0.point <= point }
        return come
    }

    private func point(of header: MessageHeader) -> Fault.Point? {
        guard
            let point = Fault.Point(header, firstPosition: firstPosition, during: token)
        else { return nil }
        token = point.token
        return point
    }

    package static func sleep(_ span: Duration) {
        let (seconds, attoseconds) = span.components
        guard seconds >= 0, attoseconds >= 0 else { return }
        pause(seconds: seconds, nanoseconds: attoseconds / 1_000_000_000)
    }
}

extension Fault.Point {
    /// Where a request belongs; `nil` for what is no part of a token.
    ///
    /// - Parameter token: the one that is being decoded, for requests that do not say.
    package init?(_ header: MessageHeader, firstPosition: Int, during token: Int) {
        guard let step = Fault.Step(header.kind) else { return nil }
        let own = header.position - firstPosition
        // Rehearsals decode at the prompt's last position: before the first token.
        guard step == .move || own >= 0 else { return nil }
        self.init(token: step == .move ? token : own, layer: header.layer, step: step)
    }
}
