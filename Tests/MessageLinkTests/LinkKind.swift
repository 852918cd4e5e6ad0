import Foundation
import LinkRecords
import Messages
import Simulation
import Testing

/// The links that must all behave alike; a new transport adds a case.
enum LinkKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case inMemory = "in memory"
    case spinningRing = "ring, spinning"
    case sleepingRing = "ring, sleeping"
    case smallRing = "ring of one page"
    case socket = "socket"
    case smallSocket = "socket with a window of one page"
    case rdma = "RDMA"
    case smallRDMA = "RDMA with a window of one page"

    /// Those that this machine can make.
    static let possible = chosen(
        allCases.filter { RDMA.address != nil || ![.rdma, .smallRDMA].contains($0) }
    ) { $0.rawValue }

    /// Those whose name begins as `HERMES_TEST_LINKS` in the environment says, or all.
    static func chosen<Kind>(_ kinds: [Kind], name: (Kind) -> String) -> [Kind] {
        let start = ProcessInfo.processInfo.environment["HERMES_TEST_LINKS"] ?? ""
        return kinds.filter { name($0).hasPrefix(start) }
    }

    var testDescription: String { rawValue }

    /// Two connected ends.
    func makePair() throws -> LinkPair {
        switch self {
        case .inMemory:
            let (left, right) = InMemoryLink.pair(maximumMessageByteCount: 4000, capacity: 8192)
            return LinkPair(
                left: left, right: right, closeLeft: { left.close() },
                closeRight: { right.close() })
        case .spinningRing:
            return try pair(of: SharedMemory(), capacity: 1 << 15, .spinning)
        case .sleepingRing:
            return try pair(of: SharedMemory(), capacity: 1 << 15, .sleeping)
        case .smallRing:
            return try pair(
                of: SharedMemory(), capacity: 4096, WaitPolicy(spinIterations: 20, yieldCount: 1))
        case .socket: return try pair(of: Sockets(), capacity: 1 << 15, .sleeping)
        case .smallSocket:
            return try pair(
                of: Sockets(), capacity: 4096, WaitPolicy(spinIterations: 20, yieldCount: 1))
        case .rdma: return try pair(of: RDMA(), capacity: 1 << 15, .sleeping)
        case .smallRDMA:
            return try pair(
                of: RDMA(), capacity: 4096, WaitPolicy(spinIterations: 20, yieldCount: 1))
        }
    }

    private func pair(
        of transport: some TransportUnderTest, capacity: Int, _ policy: WaitPolicy
    ) throws -> LinkPair {
        let pair = try transport.makePair(capacity: capacity, policy: policy, watch: {})
        return LinkPair(
            left: pair.coordinator, right: pair.worker,
            closeLeft: { pair.coordinator.close() }, closeRight: { pair.worker.close() })
    }
}

/// Two connected ends, and how to close them: the protocol leaves that to the owner.
///
/// Sendable is sound as the tests use it: each end is touched by one thread at a time, and the
/// other takes it over only by starting or joining a thread.
struct LinkPair: @unchecked Sendable {
    let left: any MessageLink
    let right: any MessageLink
    let closeLeft: () -> Void
    let closeRight: () -> Void
}

extension MessageLink {
    /// Sends `bytes` as one message.
    func send(_ bytes: [UInt8]) throws(LinkError) {
        try send(byteCount: bytes.count) { message in
            for index in bytes.indices {
                message.storeBytes(of: bytes[index], toByteOffset: index, as: UInt8.self)
            }
        }
    }

    /// The oldest message.
    func receiveBytes() throws(LinkError) -> [UInt8] {
        var bytes: [UInt8] = []
        try receive { bytes = $0.copied }
        return bytes
    }

    /// The oldest message, as soon as one is there: what was sent may still be on its way.
    func awaitBytes() throws(LinkError) -> [UInt8]? {
        let deadline = ContinuousClock.now + .seconds(5)
        while ContinuousClock.now < deadline {
            if let bytes = try tryReceiveBytes() { return bytes }
        }
        return nil
    }

    /// The oldest message, nil when none is there.
    func tryReceiveBytes() throws(LinkError) -> [UInt8]? {
        var bytes: [UInt8] = []
        return try tryReceive { bytes = $0.copied } ? bytes : nil
    }
}

extension RawSpan {
    /// A copy of all bytes.
    var copied: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }
}
