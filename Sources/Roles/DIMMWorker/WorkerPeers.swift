package import Messages

/// How a worker reaches the DIMM of that number when another worker has its place; the text says
/// where it is.
package typealias PeerConnector = (Int, String) throws(LinkError) -> any MessageLink

/// A worker's links to other DIMMs' workers.
package struct WorkerPeers {
    let links: [Int: any MessageLink]
    let connector: PeerConnector

    /// - Parameters:
    ///   - links: by DIMM.
    ///   - connector: for those whose place is taken by others.
    package init(
        links: [Int: any MessageLink] = [:],
        connector: @escaping PeerConnector = { dimm, _ throws(LinkError) in
            throw .peerCorrupt("no way to another worker of DIMM \(dimm)")
        }
    ) {
        self.links = links
        self.connector = connector
    }
}

/// In place of the link to a worker that is gone, until another one's is known.
final class GoneLink: MessageLink {
    let maximumMessageByteCount: Int

    init(maximumMessageByteCount: Int) {
        self.maximumMessageByteCount = maximumMessageByteCount
    }

    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        throw .peerGone("its place is being taken")
    }

    func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        throw .peerGone("its place is being taken")
    }

    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        throw .peerGone("its place is being taken")
    }
}
