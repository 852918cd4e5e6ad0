import Messages
import NUMABinding
import RingTransport
import Topology

/// Where the rings between workers are to lie, and where they are. A ring has the nodes that the
/// DIMM at its reading end chose: its own (`rings: consumer`), or those of the DIMM that writes.
extension FleetBinding {
    /// The nodes where what travels from one DIMM to another is to lie; `nil` when nothing is
    /// bound.
    func peerRingNodes(from giver: Int, to taker: Int) -> [Int]? {
        let choice = choice(ofDIMM: taker)
        guard choice.policy != .firstTouch else { return nil }
        return processors(ofDIMM: choice.rings == .consumer ? taker : giver)
    }

    /// Moves the pages of a ring's records to where they were asked for. No other process may have
    /// mapped them yet.
    func bind(_ ring: PeerRing) throws {
        for end in PeerRing.Direction.allCases {
            let (giver, taker) = ring.ends(of: end)
            guard let nodes = peerRingNodes(from: giver, to: taker) else { continue }
            try bindRecords(of: ring.segment, end.ring, to: nodes, dimm: taker)
        }
    }
}

extension PeerRing {
    /// Which way neurons travel. The worker of the lower DIMM holds the coordinator's end.
    enum Direction: CaseIterable {
        case upwards
        case downwards

        var ring: RingDirection { self == .upwards ? .toWorker : .toCoordinator }
    }

    func ends(of direction: Direction) -> (giver: Int, taker: Int) {
        direction == .upwards ? (pair.lower, pair.upper) : (pair.upper, pair.lower)
    }
}

/// Where the pages of one direction of a ring between workers are.
struct PeerRingPlaces {
    let giver: Int
    let taker: Int
    /// `nil` where the kernel does not say.
    let pages: [Int: Int]?

    /// Of both directions.
    static func all(of ring: PeerRing) -> [PeerRingPlaces] {
        PeerRing.Direction.allCases.map { direction in
            let (giver, taker) = ring.ends(of: direction)
            return PeerRingPlaces(
                giver: giver, taker: taker,
                pages: try? ring.segment.withRecordAddresses(of: direction.ring) {
                    try NUMABinding.pagePlacement(ofAddresses: $0).pageCountByNode
                })
        }
    }
}
