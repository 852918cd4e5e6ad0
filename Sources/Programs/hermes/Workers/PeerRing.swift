import ArgumentParser
import Glibc
import LinkRecords
import Messages
import RingTransport
import SystemPackage
import Topology

/// The ring between two workers over which neurons change their DIMM. The coordinator creates it,
/// both workers inherit it; the one of the lower DIMM takes the end that a coordinator would.
///
/// A class, since collections hold no noncopyable owners.
final class PeerRing {
    let pair: Topology.DIMMPair
    private let session: LinkSession
    let segment: RingSegment

    private init(
        pair: Topology.DIMMPair, session: LinkSession, segment: consuming RingSegment
    ) {
        self.pair = pair
        self.session = session
        self.segment = segment
    }

    static func create(
        between pair: Topology.DIMMPair, capacity: Int
    ) throws(RingError) -> PeerRing {
        let session = LinkSession.random()
        let segment = try RingSegment.create(capacityPerDirection: capacity, session: session)
        return PeerRing(pair: pair, session: session, segment: segment)
    }

    /// The other DIMM of the pair; `nil` when this one is not of it.
    func partner(ofDIMM dimm: Int) -> Int? { pair.partner(of: dimm) }

    /// Where a worker that runs already finds the ring: this process keeps the descriptor open.
    var address: String { "\(getpid()):\(descriptor.rawValue):\(session)" }

    /// For both workers to inherit.
    var descriptor: FileDescriptor { segment.descriptor }

    /// What a DIMM's worker is told of the ring; `nil` when it has no end of it.
    func argument(ofDIMM dimm: Int) -> String? {
        partner(ofDIMM: dimm).map { "\($0):\(session)" }
    }
}

extension Topology.DIMMPair {
    /// The other DIMM of the pair; `nil` when this one is not of it.
    func partner(of dimm: Int) -> Int? {
        switch dimm {
        case lower: upper
        case upper: lower
        default: nil
        }
    }
}

/// A worker's end of the ring to another one.
enum PeerEnd {
    /// The lower DIMM takes the end that a coordinator would. Nobody waits on it but for room.
    static func attach(
        _ segment: borrowing RingSegment, dimm: Int, peer: Int
    ) throws(RingError) -> RingLink {
        dimm < peer
            ? try RingLink.coordinatorEnd(segment, waitPolicy: .sleeping) {
                () throws(LinkError) in
            }
            : try RingLink.workerEnd(segment, waitPolicy: .sleeping) { () throws(LinkError) in }
    }

    /// Opens the ring at a ``PeerRing/address``, which the coordinator sent.
    static func open(
        _ address: String, dimm: Int, peer: Int, coordinator: Int32
    ) throws(LinkError) -> RingLink {
        let parts = address.split(separator: ":")
        guard parts.count == 3, let process = Int32(parts[0]), process == coordinator,
            let number = Int32(parts[1]), number >= 0,
            let session = LinkSession(String(parts[2]))
        else { throw .peerCorrupt("\(address) is no ring's address") }
        do {
            let descriptor = try unsafe FileDescriptor.open(
                "/proc/\(process)/fd/\(number)", .readWrite, options: .closeOnExec)
            return try attach(
                RingSegment.adopt(descriptor, session: session), dimm: dimm, peer: peer)
        } catch {
            throw .system("the ring to the new worker of DIMM \(peer): \(error)")
        }
    }
}

/// A worker's `--peer`: the other DIMM and the ring's session.
struct PeerArgument: ExpressibleByArgument {
    let dimm: Int
    let session: LinkSession

    init?(argument: String) {
        let parts = argument.split(separator: ":")
        guard parts.count == 2, let dimm = Int(parts[0]), dimm >= 0,
            let session = LinkSession(String(parts[1]))
        else { return nil }
        self.dimm = dimm
        self.session = session
    }
}
