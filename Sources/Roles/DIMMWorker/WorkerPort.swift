import HardwareModel
import Messages
import Pacing
import Quantities
import Topology

/// What every worker has, whatever it computes with: its links and its clock.
struct WorkerPort {
    let link: any MessageLink
    /// To the DIMMs that this one hands neurons to and gets them from, by their index.
    private(set) var peers: [Int: any MessageLink]
    private let connector: PeerConnector
    let intake: RequestIntake
    let dimm: Int
    /// A native run has no emulated time.
    private let isTimed: Bool
    private let pacing: WallPacing
    /// Of the topology's links, by index; none without emulated time.
    private let linkRates: [LinkRate]
    private var clock: any RunClock = UnpacedClock(.native)

    /// - Parameter topology: `nil` in a native run.
    init(
        link: any MessageLink, peers: WorkerPeers, dimm: Int, topology: Topology?,
        pacing: WallPacing
    ) {
        self.link = link
        self.peers = peers.links
        connector = peers.connector
        intake = RequestIntake(link: link)
        self.dimm = dimm
        self.pacing = pacing
        isTimed = topology != nil
        linkRates = (topology.map { LinkPlan($0).links } ?? []).map {
            LinkRate(bandwidth: $0.bandwidth, latency: $0.latency)
        }
    }

    /// Waits for the first message, which says what to be, and reads it.
    static func receiveFirst<Configuration>(
        _ kind: MessageKind, from link: any MessageLink,
        _ read: (RawSpan) throws(LinkError) -> Configuration
    ) throws(LinkError) -> Configuration {
        try link.receiveValue { (message) throws(LinkError) in
            let header = try MessageHeader(decoding: message)
            guard header.kind == kind else {
                throw .peerCorrupt("the first message is \(header.kind), not \(kind)")
            }
            return try read(message)
        }
    }

    /// The topology that the coordinator sent; `nil` in a native run.
    static func topology(
        _ text: String, isTimed: Bool, dimm: Int
    ) throws(LinkError) -> Topology? {
        guard isTimed else { return nil }
        let topology: Topology
        do {
            topology = try Topology.parse(text, fileName: "the coordinator's topology")
        } catch {
            throw .peerCorrupt("\(error)")
        }
        guard dimm < topology.dimms.count else {
            throw .peerCorrupt("the topology has no DIMM \(dimm)")
        }
        return topology
    }

    /// Another worker has the place of the one behind the link to a DIMM.
    mutating func replacePeer(_ message: RawSpan, _ header: MessageHeader) throws(LinkError) {
        guard let former = peers[header.auxiliary] else {
            throw .peerCorrupt("DIMM \(dimm) has no link to DIMM \(header.auxiliary)")
        }
        let base = MessageHeader.byteCount
        let text = message.text(at: base, byteCount: message.byteCount - base)
        do {
            peers[header.auxiliary] = try connector(header.auxiliary, text)
        } catch .system {
            // That worker is gone again: the next notice says where the one after it is.
            peers[header.auxiliary] = GoneLink(
                maximumMessageByteCount: former.maximumMessageByteCount)
        }
    }

    // MARK: Time

    private func paced<Value>(
        _ body: () throws(PacingError) -> Value
    ) throws(LinkError) -> Value {
        do {
            return try body()
        } catch {
            throw .system("paced clock: \(error)")
        }
    }

    /// Returns when a request may be used; work on it begins.
    func begin(_ request: MessageHeader) throws(LinkError) {
        try paced { () throws(PacingError) in
            try clock.receive(
                arrival: request.instant,
                delivery: WallInstant(nanoseconds: request.delivery))
        }
        clock.beginWork()
    }

    /// An origin further ahead cannot be meant: the coordinator would wait as long.
    private static let latestOriginNanoseconds: UInt64 = 60_000_000_000

    mutating func startClock(_ setting: ClockSetting) throws(LinkError) {
        guard setting.dilationThousandths > 0 else {
            clock = UnpacedClock(.virtual)
            return
        }
        guard setting.dilationThousandths <= Dilation.maximum.thousandths, isTimed else {
            throw .peerCorrupt(
                "a dilation of \(setting.dilationThousandths) thousandths, or no emulated time")
        }
        let origin = WallInstant(nanoseconds: setting.originNanoseconds)
        guard
            origin.nanoseconds > 0,
            origin <= WallInstant.now.advanced(byNanoseconds: Self.latestOriginNanoseconds)
        else { throw .peerCorrupt("a clock that starts at \(origin.nanoseconds) ns") }
        clock = pacing.clock(
            origin: origin, dilation: Dilation(thousandths: setting.dilationThousandths),
            rates: linkRates, watch: {})
    }

    /// The header of a computed reply with when the DIMM's work on it is over in wall time. The
    /// coordinator, which sees all replies, gives them their links.
    func finished(
        _ reply: MessageHeader, _ report: WorkReport
    ) throws(LinkError) -> (header: MessageHeader, workEnd: WallInstant?) {
        guard isTimed else { return (reply, nil) }
        var header = reply
        let workEnd = try paced { () throws(PacingError) in
            try clock.finishWork(
                at: reply.instant,
                lasting: EmulatedDuration(picoseconds: report.busyPicoseconds))
        }
        header.delivery = workEnd?.nanoseconds ?? 0
        return (header, workEnd)
    }

    // MARK: Replies

    /// Sends the answer to work that is done now; returns when its wall time has nearly come.
    ///
    /// - Parameters:
    ///   - byteCount: of what `fill` writes.
    ///   - writtenByteCount: of the payload; what is behind stays as the memory is. `nil`: all.
    ///   - fill: writes the message behind header and report, from ``payloadOffset`` on.
    func finish(
        _ reply: MessageHeader, _ report: WorkReport, payloadByteCount byteCount: Int,
        writtenByteCount: Int? = nil, _ fill: (inout MutableRawSpan) -> Void = { _ in }
    ) throws(LinkError) {
        let (header, workEnd) = try finished(reply, report)
        try send(
            header, report, payloadByteCount: byteCount, writtenByteCount: writtenByteCount, fill)
        guard let workEnd else { return }
        // Nothing can come before the DIMM's work is over.
        try paced { () throws(PacingError) in try clock.rest(until: workEnd) }
    }

    static let payloadOffset = MessageHeader.byteCount + WorkReport.byteCount

    /// Sends an answer whose work's end is known, with how the worker kept its deadlines so far.
    ///
    /// - Parameters: as of ``finish(_:_:payloadByteCount:writtenByteCount:_:)``.
    func send(
        _ header: MessageHeader, _ report: WorkReport, payloadByteCount byteCount: Int,
        writtenByteCount: Int? = nil, _ fill: (inout MutableRawSpan) -> Void = { _ in }
    ) throws(LinkError) {
        var report = report
        report.deadlineCount = clock.overruns.deadlines
        report.missedDeadlineCount = clock.overruns.missed
        try intake.answer(
            byteCount: Self.payloadOffset + byteCount,
            writtenByteCount: Self.payloadOffset + (writtenByteCount ?? byteCount)
        ) {
            header.encode(into: &$0)
            report.encode(into: &$0)
            fill(&$0)
        }
    }

    func sendFacts(
        _ facts: WorkerFacts, busy: EmulatedDuration?, as kind: MessageKind, step: UInt64
    ) throws(LinkError) {
        var facts = facts
        facts.busyPicoseconds = busy?.picoseconds ?? 0
        facts.deadlineCount = clock.overruns.deadlines
        facts.missedDeadlineCount = clock.overruns.missed
        let header = MessageHeader(kind, step: step)
        try link.send(byteCount: MessageHeader.byteCount + facts.messageByteCount) { message in
            header.encode(into: &message)
            facts.encode(into: &message)
        }
    }
}

extension MessageHeader {
    /// When a request arrived, or a reply was ready.
    var instant: EmulatedTime { EmulatedTime(picosecondsSinceStart: time) }

    /// The header of an answer to this request, which is ready at `ready`.
    func answer(
        _ kind: MessageKind, position: Int = 0, count: Int, auxiliary: Int = 0,
        ready: EmulatedTime?
    ) -> MessageHeader {
        var header = MessageHeader(
            kind, layer: layer, position: position, count: count, auxiliary: auxiliary, step: step)
        header.time = ready?.sinceStart.picoseconds ?? 0
        return header
    }
}
