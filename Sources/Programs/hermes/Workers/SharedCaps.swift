import HardwareModel
import MappedMemory
import Pacing
import RingTransport
import SystemPackage
import Topology

/// The shared memory with a paced run's caps: made by the coordinator, inherited by the workers.
final class SharedCaps {
    let board: SharedLinkBoard
    private let segment: SharedSegment

    /// Makes the caps of a topology's links.
    static func create(for topology: Topology) throws -> SharedCaps {
        let linkCount = LinkPlan(topology).links.count
        do {
            let segment = try SharedSegment.create(
                byteCount: SharedLinkBoard.byteCount(linkCount: linkCount))
            return try SharedCaps(segment, linkCount: linkCount)
        } catch let error as MappedMemoryError {
            throw Failure(.machineLacks, "shared memory for the link caps: \(error)")
        }
    }

    /// Takes over those that a worker inherited.
    static func adopt(_ descriptor: FileDescriptor, linkCount: Int) throws -> SharedCaps {
        do {
            return try SharedCaps(
                try SharedSegment.adopt(
                    descriptor, minimumByteCount: SharedLinkBoard.byteCount(linkCount: linkCount)),
                linkCount: linkCount)
        } catch {
            throw Failure(.workerLost, "cannot attach the link caps: \(error)")
        }
    }

    private init(_ segment: consuming SharedSegment, linkCount: Int) throws {
        board = try SharedLinkBoard(adopting: try segment.map(), linkCount: linkCount)
        self.segment = segment
    }

    /// For a worker to inherit; owned by this object.
    var descriptor: FileDescriptor { segment.descriptor }
}
