import Foundation
import LinkRecords
import Messages
import RingTransport
import SystemPackage
import Testing

/// The worker's end in an exit test's process, which inherits no descriptor: the same open file
/// through the parent's entry in /proc.
func adoptWorkerEnd(
    of parent: pid_t, _ descriptor: Int32, _ session: String
) throws -> RingLink {
    let file = try FileDescriptor.open(
        FilePath("/proc/\(parent)/fd/\(descriptor)"), .readWrite)
    let session = try #require(LinkSession(session))
    return try RingLink.workerEnd(
        try RingSegment.adopt(file, session: session), waitPolicy: .sleeping,
        watch: { () throws(LinkError) in
            if getppid() != parent { throw .peerGone("the test ended") }
        })
}

/// Sendable is sound: the test hands the link over and does not touch it again.
struct LinkBox: @unchecked Sendable {
    let link: RingLink
    init(_ link: RingLink) { self.link = link }
}

/// Used by the side thread alone: it stores the number, and its own waits read it.
final class PeerState: @unchecked Sendable {
    var identifier: pid_t?
}
