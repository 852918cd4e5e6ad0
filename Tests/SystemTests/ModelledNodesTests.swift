import Foundation
import HardwareModel
import MappedMemory
import Pacing
import Quantities
import Testing
import Topology

/// What crosses between modelled nodes is held to the configured share of a node's own bandwidth,
/// under both clocks that keep emulated time.
@Suite struct ModelledNodesTests {
    /// Of the stream: 64 KiB a message, so that no message's rounding shows.
    private static let messageByteCount = ByteCount(65_536)

    private static func twoSockets() throws -> Topology {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let file = root.appending(path: "topology/two-socket-8dimm.yaml")
        return try Topology.parse(
            try String(contentsOf: file, encoding: .utf8), fileName: file.path)
    }

    /// The links that a stream to all DIMMs of a node crosses, PCIe left out: its channels in
    /// turn, and the interconnect if the GPU is on the other node.
    private static func streams(
        _ topology: Topology, toNode node: Int
    ) throws -> (plan: LinkPlan, channels: [Int], crossing: Int?) {
        let plan = LinkPlan(topology)
        let set = NodeSet(node: node)
        let paths = topology.dimms.filter { $0.nodeSet == set }.map { plan.paths[$0.index] }
        try #require(paths.count == 4)
        let crossings = Set(paths.flatMap { $0.dropFirst(2) })
        return (plan, paths.map { $0[1] }, crossings.first)
    }

    /// 10/21, from the file's distances.
    private static let configuredRatio = 10.0 / 21

    @Test func `Virtual time keeps the configured ratio of remote to local bandwidth`() throws {
        let topology = try Self.twoSockets()
        var seconds: [Double] = []
        for node in [0, 1] {
            let (plan, channels, crossing) = try Self.streams(topology, toNode: node)
            #expect((crossing == nil) == (node == 0))
            var links = plan.links.map {
                LinkSchedule(bandwidth: $0.bandwidth, latency: $0.latency)
            }
            var last = EmulatedTime.start
            for message in 0..<4000 {
                let crossed = [channels[message % channels.count]] + (crossing.map { [$0] } ?? [])
                for link in crossed {
                    let booking = try links[link].book(Self.messageByteCount, readyAt: .start)
                    last = max(last, booking.arrival)
                }
            }
            seconds.append(last.sinceStart.seconds)
        }
        let ratio = seconds[0] / seconds[1]
        #expect(abs(ratio / Self.configuredRatio - 1) < 0.05, "\(ratio)")
    }

    /// In real time; a machine that stops for a moment makes one attempt slower, so the best of
    /// three counts: no attempt can be faster than its links.
    @Test func `Paced time keeps the same ratio, in real time`() throws {
        let topology = try Self.twoSockets()
        var best = [Double.infinity, .infinity]
        for _ in 0..<3 {
            for node in [0, 1] {
                best[node] = min(best[node], try pacedSeconds(topology, toNode: node))
            }
        }
        let ratio = best[0] / best[1]
        #expect(abs(ratio / Self.configuredRatio - 1) < 0.05, "\(ratio)")
    }

    /// Wall seconds of one stream, at a dilation that makes them some tenths.
    private func pacedSeconds(_ topology: Topology, toNode node: Int) throws -> Double {
        let (plan, channels, crossing) = try Self.streams(topology, toNode: node)
        let segment = try SharedSegment.create(
            byteCount: SharedLinkBoard.byteCount(linkCount: plan.links.count))
        let board = try SharedLinkBoard(
            adopting: try segment.map(), linkCount: plan.links.count)
        let origin = WallClock.system.now()
        func limiter(_ link: Int) throws -> SharedRateLimiter {
            try SharedRateLimiter(
                board: board, link: link, bandwidth: plan.links[link].bandwidth,
                dilation: Dilation(thousandths: 100_000), origin: origin,
                catchUpTolerance: ByteCount(1 << 40), sparesCores: false, watch: {})
        }
        var first = try limiter(channels[0])
        var second = try limiter(channels[1])
        var third = try limiter(channels[2])
        var fourth = try limiter(channels[3])
        // Without a crossing it stays unused.
        var crossed = try limiter(crossing ?? channels[0])
        for message in 0..<4000 {
            var due: WallInstant
            switch message % 4 {
            case 0: due = try first.acquire(Self.messageByteCount)
            case 1: due = try second.acquire(Self.messageByteCount)
            case 2: due = try third.acquire(Self.messageByteCount)
            default: due = try fourth.acquire(Self.messageByteCount)
            }
            if crossing != nil { due = max(due, try crossed.acquire(Self.messageByteCount)) }
            try first.waitUntil(due)
        }
        let end = WallClock.system.now()
        return Double(end.nanoseconds - origin.nanoseconds) * 1e-9
    }
}
