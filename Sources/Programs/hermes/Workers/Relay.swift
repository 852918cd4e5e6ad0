import LinkRecords
import Messages

// Neurons that change their DIMM travel over the coordinator where no memory is shared. A link
// keeps order, so the donor's come to the coordinator before its answer, and to the receiver before
// the request to take them: as in a ring of two workers, nobody ever waits for them.

/// An end of a link over which other workers' neurons pass, too: it sorts them out.
class SortingLink: MessageLink {
    let maximumMessageByteCount: Int
    fileprivate let base: any MessageLink

    /// - Parameter limit: of a message that does not pass, in bytes.
    init(_ base: any MessageLink, limit: Int) {
        precondition(limit <= base.maximumMessageByteCount)
        self.base = base
        maximumMessageByteCount = limit
    }

    /// Takes neurons that are not for the reader of this link.
    fileprivate func handOn(_ message: [UInt8]) throws(LinkError) {}

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        try base.send(byteCount: byteCount, fill)
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        while true {
            var passing: [UInt8]?
            try base.receive { passing = Self.sort($0, read) }
            guard let passing else { return }
            try handOn(passing)
        }
    }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        while true {
            var passing: [UInt8]?
            guard try base.tryReceive({ passing = Self.sort($0, read) }) else { return false }
            guard let passing else { return true }
            try handOn(passing)
        }
    }

    /// Reads a message, unless it is on its way to somebody else: that one is returned.
    private static func sort(_ message: RawSpan, _ read: (RawSpan) -> Void) -> [UInt8]? {
        guard let header = try? MessageHeader(decoding: message), header.kind == .neuronTransfer
        else {
            read(message)
            return nil
        }
        return unsafe message.withUnsafeBytes { unsafe Array($0) }
    }
}

/// The coordinator's end: it passes neurons on.
final class RelayingLink: SortingLink {
    private let dimm: Int
    private let route: (Int) -> (any CarriedLink)?

    /// - Parameters:
    ///   - dimm: of the worker behind `base`.
    ///   - limit: of a message of the coordinator's own, in bytes.
    ///   - route: the link to a DIMM; `nil` where there is none.
    init(
        _ base: any MessageLink, dimm: Int, limit: Int,
        route: @escaping (Int) -> (any CarriedLink)?
    ) {
        self.dimm = dimm
        self.route = route
        super.init(base, limit: limit)
    }

    /// The worker names the receiver, the receiver is told the donor.
    override fileprivate func handOn(_ message: [UInt8]) throws(LinkError) {
        var header = try unsafe MessageHeader(decoding: message.span.bytes)
        guard header.auxiliary != dimm, let link = route(header.auxiliary),
            message.count <= link.maximumMessageByteCount
        else {
            throw .peerCorrupt(
                "\(message.count) bytes of neurons for DIMM \(header.auxiliary): no way leads there"
            )
        }
        // Its worker is lost and not replaced yet.
        guard !link.isClosed else { return }
        header.auxiliary = dimm
        do {
            try link.send(byteCount: message.count) {
                $0.store(message.span, at: 0)
                header.encode(into: &$0)
            }
        } catch .interrupted(let signal) {
            throw .interrupted(signal: signal)
        } catch {
            // What a lost worker was to get is lost; the one in its place will say that none came.
        }
    }
}

/// A worker's end, and what came over it from each of its peers.
final class RelayPort: SortingLink {
    /// By donor.
    fileprivate var waiting: [Int: [[UInt8]]] = [:]

    func peer(_ dimm: Int) -> any MessageLink {
        waiting[dimm] = []
        return RelayedPeer(self, dimm: dimm)
    }

    override fileprivate func handOn(_ message: [UInt8]) throws(LinkError) {
        let donor = try unsafe MessageHeader(decoding: message.span.bytes).auxiliary
        guard waiting[donor] != nil else {
            throw .peerCorrupt("neurons came from DIMM \(donor), which is no peer")
        }
        waiting[donor, default: []].append(message)
    }
}

/// A worker's way to another DIMM's.
private final class RelayedPeer: MessageLink {
    let maximumMessageByteCount: Int
    private let port: RelayPort
    private let dimm: Int

    init(_ port: RelayPort, dimm: Int) {
        self.port = port
        self.dimm = dimm
        maximumMessageByteCount = port.base.maximumMessageByteCount
    }

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        precondition(byteCount >= MessageHeader.byteCount, "only neurons are relayed")
        let dimm = dimm
        try port.base.send(byteCount: byteCount) {
            fill(&$0)
            MessageHeader.setAuxiliary(dimm, in: &$0)
        }
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        guard try tryReceive(read) else {
            throw .system("nobody waits for neurons that are relayed: they come with the request")
        }
    }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        guard let message = port.waiting[dimm]?.first else { return false }
        port.waiting[dimm]?.removeFirst()
        unsafe read(message.span.bytes)
        return true
    }
}
