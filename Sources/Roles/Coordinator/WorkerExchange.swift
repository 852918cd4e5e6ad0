import Messages
import NeuronShards
import Pacing
import PackedSets

/// Requests to the workers and their checked answers: the coordinator's side of the wire.
///
/// With a ``WorkerRecovery``, a worker that fails is replaced and told all that the lost one knew,
/// and a damaged message is sent again, while the caller waits for an answer as ever.
struct WorkerExchange {
    let state: ExchangeState

    /// - Parameters:
    ///   - links: one per DIMM, in DIMM order.
    ///   - mending: what to do about failures; `nil` gives up at the first.
    init(links: [any MessageLink], mending: ExchangeMending? = nil) {
        state = ExchangeState(links: links, mending: mending)
    }

    var count: Int { state.links.count }
    var indices: Range<Int> { state.links.indices }

    /// A number that no earlier request carries.
    func nextStep() -> UInt64 {
        state.lastStep += 1
        return state.lastStep
    }

    func maximumPayloadByteCount(of dimm: Int) -> Int {
        state.links[dimm].maximumMessageByteCount - MessageHeader.byteCount
    }

    /// Sends `header` and a payload that `fill` writes behind it.
    ///
    /// - Parameter writtenByteCount: of the payload, from its first byte; what is behind means
    ///   nothing. `nil`: all.
    func send(
        _ header: MessageHeader, to dimm: Int, payloadByteCount: Int,
        writtenByteCount: Int? = nil, _ fill: (inout MutableRawSpan) -> Void
    ) throws(CoordinatorError) {
        guard state.mending == nil else {
            let message = encoded(
                header, payloadByteCount: payloadByteCount, writtenByteCount: writtenByteCount,
                fill)
            return try sendMended(header, message, to: dimm)
        }
        do {
            try state.links[dimm].send(
                byteCount: MessageHeader.byteCount + payloadByteCount,
                writtenByteCount: MessageHeader.byteCount + (writtenByteCount ?? payloadByteCount)
            ) {
                header.encode(into: &$0)
                fill(&$0)
            }
        } catch {
            // A worker that gave up says why before it leaves; its words tell more.
            try throwFault(of: dimm)
            throw .link(dimm: dimm, error)
        }
    }

    /// Waits for the answer to `request` and adds it to `sum`, element by element.
    ///
    /// - Parameters:
    ///   - elementCount: how many elements the sum has at this step.
    ///   - candidates: the slots that the request named; no other can be active.
    /// - Returns: what the reply says of the DIMM's work.
    func addPartialSum(
        from dimm: Int, answering request: MessageHeader, elementCount: Int,
        candidates: PackedSet, to sum: inout PartialSum
    ) throws(CoordinatorError) -> Answer {
        try receive(.partialSum, from: dimm, answering: request) {
            (header, message) throws(LinkError) in
            let elementSize = PartialSum.elementByteCount(isWide: sum.isWide)
            let byteCount =
                Answer.payloadOffset + elementSize * elementCount + candidates.byteCount
            guard header.count == elementCount, message.byteCount == byteCount else {
                throw .peerCorrupt(
                    "a partial sum of \(header.count) of \(elementCount) elements in "
                        + "\(message.byteCount) of \(byteCount) bytes")
            }
            guard header.auxiliary <= candidates.memberCount else {
                throw .peerCorrupt(
                    "\(header.auxiliary) active neurons of \(candidates.memberCount) asked for")
            }
            var active = candidates
            try active.load(
                from: message, at: Answer.payloadOffset + elementSize * elementCount)
            guard active.memberCount == header.auxiliary,
                active.intersectionCount(candidates) == header.auxiliary
            else {
                throw .peerCorrupt("active neurons that are not as counted, or not asked for")
            }
            let answer = try Answer(header, message, activeSlots: active)
            // Last, so that an answer that is refused leaves no trace.
            sum.add(elementCount, of: message, at: Answer.payloadOffset)
            return answer
        }
    }

    /// Waits for the contexts of `heads` and puts them at their places in `context`.
    func receiveContext(
        from dimm: Int, answering request: MessageHeader, heads: [Int], groupWidth: Int,
        into context: inout [Float]
    ) throws(CoordinatorError) -> Answer {
        try receive(.attentionContext, from: dimm, answering: request) {
            (header, message) throws(LinkError) in
            guard header.count == heads.count,
                message.byteCount == Answer.payloadOffset + 4 * heads.count * groupWidth
            else { throw .peerCorrupt("contexts of \(header.count) of \(heads.count) heads") }
            for (place, head) in heads.enumerated() {
                var all = context.mutableSpan
                var target = all._mutatingExtracting(head * groupWidth..<(head + 1) * groupWidth)
                message.copyFloats(
                    at: Answer.payloadOffset + 4 * place * groupWidth, into: &target)
            }
            return try Answer(header, message)
        }
    }

    /// Waits for an answer of a run by shape, of which only the size and the report mean anything.
    func receiveShape(
        _ kind: MessageKind, from dimm: Int, answering request: MessageHeader,
        payloadByteCount: Int
    ) throws(CoordinatorError) -> Answer {
        try receive(kind, from: dimm, answering: request) {
            (header, message) throws(LinkError) in
            guard message.byteCount == Answer.payloadOffset + payloadByteCount else {
                throw .peerCorrupt(
                    "\(kind) in \(message.byteCount - Answer.payloadOffset) of "
                        + "\(payloadByteCount) bytes")
            }
            return try Answer(header, message)
        }
    }

    /// Waits for every worker's facts that answer request number `step`, in DIMM order.
    func collectFacts(
        _ kind: MessageKind, step: UInt64
    ) throws(CoordinatorError) -> [WorkerFacts] {
        let request = MessageHeader(kind, step: step)
        var all: [WorkerFacts] = []
        for dimm in indices {
            let facts = try receive(kind, from: dimm, answering: request) {
                (_, message) throws(LinkError) in try WorkerFacts(decoding: message)
            }
            all.append(state.completed(facts, ofDIMM: dimm))
        }
        return all
    }

    /// Waits for a message, checks that it is the expected answer, and reads it.
    ///
    /// - Parameter read: changes nothing when it throws: what it refuses may come again.
    func receive<Value>(
        _ kind: MessageKind, from dimm: Int, answering request: MessageHeader,
        _ read: (MessageHeader, RawSpan) throws(LinkError) -> Value
    ) throws(CoordinatorError) -> Value {
        while true {
            let incoming: Incoming<Value>
            do {
                incoming = try receiveOnce(kind, from: dimm, answering: request, read)
            } catch .damaged(let what) {
                try repeatAnswers(of: dimm, after: what)
                continue
            } catch {
                try recover(dimm, after: error)
                continue
            }
            switch incoming {
            case .value(let header, let value):
                state.noteAnswer(header, from: dimm)
                if kind == .ready { try deliverNotices(to: dimm) }
                return value
            case .fault(let fault):
                try recover(dimm, afterFault: fault)
            case .damagedRequest(let index, let latest):
                try repeatMessages(to: dimm, from: index, toldAt: latest)
            case .late:
                continue
            }
        }
    }

    private enum Incoming<Value> {
        case value(MessageHeader, Value)
        case fault(WorkerFault)
        case damagedRequest(index: Int, latest: Int)
        /// The answer to an earlier request, once more.
        case late
    }

    private func receiveOnce<Value>(
        _ kind: MessageKind, from dimm: Int, answering request: MessageHeader,
        _ read: (MessageHeader, RawSpan) throws(LinkError) -> Value
    ) throws(LinkError) -> Incoming<Value> {
        let skipsOthers = state.isRepeating(dimm)
        return try state.links[dimm].receiveValue {
            (message) throws(LinkError) -> Incoming<Value> in
            let header = try MessageHeader(decoding: message)
            if header.kind == .fault {
                return .fault(WorkerFault(header, message))
            }
            if header.kind == .damagedRequest {
                return .damagedRequest(index: header.count, latest: header.auxiliary)
            }
            if skipsOthers, header.step != request.step { return .late }
            guard header.kind == kind else {
                throw .peerCorrupt("expected \(kind), got \(header.kind)")
            }
            guard header.step == request.step, header.layer == request.layer else {
                throw .peerCorrupt(
                    "an answer to step \(header.step) of layer \(header.layer), not "
                        + "\(request.step) of \(request.layer)")
            }
            return .value(header, try read(header, message))
        }
    }

    /// Throws the fault that a worker left in its ring, if it did.
    func throwFault(of dimm: Int) throws(CoordinatorError) {
        if let fault = leftFault(of: dimm) { throw fault.error(ofDIMM: dimm) }
    }

    /// The fault that a worker left in its ring; everything else there is dropped.
    func leftFault(of dimm: Int) -> WorkerFault? {
        var fault: WorkerFault?
        while true {
            do {
                let wasThere = try state.links[dimm].tryReceive { message in
                    guard let header = try? MessageHeader(decoding: message) else { return }
                    if header.kind == .fault { fault = WorkerFault(header, message) }
                }
                if !wasThere { return fault }
            } catch .damaged {
                continue
            } catch {
                return fault
            }
        }
    }
}

/// What a worker said before it gave up.
struct WorkerFault {
    /// The exit code that fits.
    let code: Int
    let text: String

    init(_ header: MessageHeader, _ message: RawSpan) {
        let base = MessageHeader.byteCount
        code = header.auxiliary
        text = message.text(at: base, byteCount: message.byteCount - base)
    }

    func error(ofDIMM dimm: Int) -> CoordinatorError { .fault(dimm: dimm, code: code, text) }
}

/// What a reply says beside its values.
struct Answer {
    static let payloadOffset = MessageHeader.byteCount + WorkReport.byteCount

    let activeCount: Int
    /// Which of the slots asked for were active; none in a reply about attention.
    let activeSlots: PackedSet
    /// When the reply was ready at the DIMM, picoseconds.
    var ready: UInt64
    /// When the DIMM's work on it is over in a paced run's wall time.
    let workEnd: WallInstant
    let report: WorkReport
    let payloadByteCount: Int

    init(
        _ header: MessageHeader, _ message: RawSpan,
        activeSlots: PackedSet = PackedSet(elementCount: 0)
    ) throws(LinkError) {
        activeCount = header.auxiliary
        self.activeSlots = activeSlots
        ready = header.time
        workEnd = WallInstant(nanoseconds: header.delivery)
        report = try WorkReport(decoding: message)
        payloadByteCount = message.byteCount - Self.payloadOffset
    }
}
