import Messages
import NeuronShards
import Pacing
import PackedSets

/// Requests to the workers and their checked answers: the coordinator's side of the wire.
struct WorkerExchange {
    private let links: [any MessageLink]
    private let counter = StepCounter()

    init(links: [any MessageLink]) { self.links = links }

    var count: Int { links.count }
    var indices: Range<Int> { links.indices }

    /// A number that no earlier request carries.
    func nextStep() -> UInt64 { counter.next() }

    func maximumPayloadByteCount(of dimm: Int) -> Int {
        links[dimm].maximumMessageByteCount - MessageHeader.byteCount
    }

    /// Sends `header` and a payload that `fill` writes behind it.
    func send(
        _ header: MessageHeader, to dimm: Int, payloadByteCount: Int,
        _ fill: (inout MutableRawSpan) -> Void
    ) throws(CoordinatorError) {
        do {
            try links[dimm].send(byteCount: MessageHeader.byteCount + payloadByteCount) {
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
            sum.add(elementCount, of: message, at: Answer.payloadOffset)
            return try Answer(header, message, activeSlots: active)
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
            all.append(facts)
        }
        return all
    }

    /// Waits for a message, checks that it is the expected answer, and reads it.
    func receive<Value>(
        _ kind: MessageKind, from dimm: Int, answering request: MessageHeader,
        _ read: (MessageHeader, RawSpan) throws(LinkError) -> Value
    ) throws(CoordinatorError) -> Value {
        var outcome: Result<Value, LinkError>?
        var fault: CoordinatorError?
        do {
            try links[dimm].receive { message in
                outcome = Result { () throws(LinkError) in
                    let header = try MessageHeader(decoding: message)
                    if header.kind == .fault {
                        fault = Self.fault(header, message, dimm: dimm)
                    }
                    guard header.kind == kind else {
                        throw .peerCorrupt("expected \(kind), got \(header.kind)")
                    }
                    guard header.step == request.step, header.layer == request.layer else {
                        throw .peerCorrupt(
                            "an answer to step \(header.step) of layer \(header.layer), not "
                                + "\(request.step) of \(request.layer)")
                    }
                    return try read(header, message)
                }
            }
        } catch {
            throw .link(dimm: dimm, error)
        }
        if let fault { throw fault }
        do throws(LinkError) {
            guard let outcome else { throw .peerCorrupt("no message came") }
            return try outcome.get()
        } catch {
            throw .link(dimm: dimm, error)
        }
    }

    /// Throws the fault that a worker left in its ring, if it did.
    private func throwFault(of dimm: Int) throws(CoordinatorError) {
        var fault: CoordinatorError?
        var isWaiting = true
        while isWaiting {
            isWaiting =
                (try? links[dimm].tryReceive { message in
                    guard let header = try? MessageHeader(decoding: message) else { return }
                    if header.kind == .fault {
                        fault = Self.fault(header, message, dimm: dimm)
                    }
                }) ?? false
        }
        if let fault { throw fault }
    }

    private static func fault(
        _ header: MessageHeader, _ message: RawSpan, dimm: Int
    ) -> CoordinatorError {
        let base = MessageHeader.byteCount
        let text = message.text(at: base, byteCount: message.byteCount - base)
        return .fault(dimm: dimm, code: header.auxiliary, text)
    }
}

/// Counts requests; a class, so that the exchange stays immutable around it.
private final class StepCounter {
    private var value: UInt64 = 0

    func next() -> UInt64 {
        value += 1
        return value
    }
}

/// What a reply says beside its values.
struct Answer {
    static let payloadOffset = MessageHeader.byteCount + WorkReport.byteCount

    let activeCount: Int
    /// Which of the slots asked for were active; none in a reply about attention.
    let activeSlots: PackedSet
    /// When the reply was ready at the DIMM, picoseconds.
    let ready: UInt64
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
