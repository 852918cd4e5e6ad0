import ArgumentParser
import RingTransport
import SystemPackage
import Topology

/// The ring between two workers over which neurons change their DIMM. The coordinator creates it,
/// both workers inherit it; the one of the lower DIMM takes the end that a coordinator would.
///
/// A class, since collections hold no noncopyable owners.
final class PeerRing {
    private let pair: Topology.DIMMPair
    private let session: RingSession
    private let segment: RingSegment

    private init(
        pair: Topology.DIMMPair, session: RingSession, segment: consuming RingSegment
    ) {
        self.pair = pair
        self.session = session
        self.segment = segment
    }

    static func create(
        between pair: Topology.DIMMPair, capacity: Int
    ) throws(RingError) -> PeerRing {
        let session = RingSession.random()
        let segment = try RingSegment.create(capacityPerDirection: capacity, session: session)
        return PeerRing(pair: pair, session: session, segment: segment)
    }

    /// For both workers to inherit.
    var descriptor: FileDescriptor { segment.descriptor }

    /// What a DIMM's worker is told of the ring; `nil` when it has no end of it.
    func argument(ofDIMM dimm: Int) -> String? {
        switch dimm {
        case pair.lower: "\(pair.upper):\(session)"
        case pair.upper: "\(pair.lower):\(session)"
        default: nil
        }
    }
}

/// A worker's `--peer`: the other DIMM and the ring's session.
struct PeerArgument: ExpressibleByArgument {
    let dimm: Int
    let session: RingSession

    init?(argument: String) {
        let parts = argument.split(separator: ":")
        guard parts.count == 2, let dimm = Int(parts[0]), dimm >= 0,
            let session = RingSession(String(parts[1]))
        else { return nil }
        self.dimm = dimm
        self.session = session
    }
}
