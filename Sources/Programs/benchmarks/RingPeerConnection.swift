import Glibc
import LinkRecords
import Messages
import RingTransport
import SystemPackage

/// How messages cross between two processes, and how both sides wait.
struct Channel {
    let transport: Transport
    let policy: WaitPolicy
    /// Of every message.
    let messageByteCount: Int
    /// Of a ring's records.
    var hasChecksums = true
    /// Of a ring direction; other transports ignore it.
    var capacity: Int {
        max(1 << 18, RingSegment.capacity(forMessageByteCount: messageByteCount, messageCount: 16))
    }
}

/// A second process, and the measuring side's end of the link to it.
struct PeerConnection: ~Copyable {
    let link: any MessageLink
    private let process: PeerProcess

    /// Starts a peer in `role`; see ``RingPeerCommand`` for the other parameters.
    static func open(
        _ channel: Channel, role: PeerRole, count: Int = 0, workMicroseconds: Int = 0,
        processor: Int? = nil
    ) throws -> PeerConnection {
        var arguments = [
            "peer", "--transport", channel.transport.rawValue, "--role", role.rawValue,
            "--byte-count", "\(channel.messageByteCount)", "--count", "\(count)",
            "--work", "\(workMicroseconds)", "--spins", "\(channel.policy.spinIterations)",
            "--yields", "\(channel.policy.yieldCount)",
        ]
        if let processor { arguments += ["--processor", "\(processor)"] }
        switch channel.transport {
        case .ring: return try openRing(arguments, channel)
        case .pipe: return try openPipes(arguments, channel)
        case .socket: return try openSocket(arguments, channel)
        }
    }

    private static func openRing(
        _ arguments: [String], _ channel: Channel
    ) throws -> PeerConnection {
        let session = LinkSession.random()
        let segment = try RingSegment.create(
            capacityPerDirection: channel.capacity, session: session,
            hasChecksums: channel.hasChecksums)
        let process = try PeerProcess.start(
            arguments + ["--session", "\(session)"], inheriting: [segment.descriptor])
        let link = try RingLink.coordinatorEnd(
            segment, waitPolicy: channel.policy, watch: process.watch)
        return PeerConnection(link: link, process: process)
    }

    private static func openPipes(
        _ arguments: [String], _ channel: Channel
    ) throws -> PeerConnection {
        let toPeer = try makePair { ends in unsafe pipe(&ends) }
        let fromPeer = try makePair { ends in unsafe pipe(&ends) }
        let process = try PeerProcess.start(
            arguments, inheriting: [toPeer.first, fromPeer.second])
        try toPeer.first.close()
        try fromPeer.second.close()
        let link = DescriptorLink(
            input: fromPeer.first, output: toPeer.second,
            messageByteCount: channel.messageByteCount)
        return PeerConnection(link: link, process: process)
    }

    private static func openSocket(
        _ arguments: [String], _ channel: Channel
    ) throws -> PeerConnection {
        let kind = Int32(SOCK_STREAM.rawValue)
        let pair = try makePair { ends in unsafe socketpair(AF_UNIX, kind, 0, &ends) }
        let process = try PeerProcess.start(arguments, inheriting: [pair.second])
        try pair.second.close()
        let link = DescriptorLink(
            input: pair.first, output: pair.first, messageByteCount: channel.messageByteCount)
        return PeerConnection(link: link, process: process)
    }

    private static func makePair(
        _ call: (inout [Int32]) -> Int32
    ) throws -> (first: FileDescriptor, second: FileDescriptor) {
        var ends: [Int32] = [-1, -1]
        guard call(&ends) == 0 else { throw BenchmarkError.current("pipe or socketpair") }
        for end in ends {
            guard fcntl(end, F_SETFD, FD_CLOEXEC) == 0 else {
                throw BenchmarkError.current("fcntl")
            }
        }
        return (FileDescriptor(rawValue: ends[0]), FileDescriptor(rawValue: ends[1]))
    }
}
