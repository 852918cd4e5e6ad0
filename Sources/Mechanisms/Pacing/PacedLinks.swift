package import Quantities

/// Bandwidth and latency of one link.
package struct LinkRate: Hashable, Sendable {
    package let bandwidth: Bandwidth
    package let latency: EmulatedDuration

    package init(bandwidth: Bandwidth, latency: EmulatedDuration) {
        self.bandwidth = bandwidth
        self.latency = latency
    }
}

/// One role's access to the caps that all processes of a paced run share.
package final class PacedLinks {
    /// A role's messages are of this order; four of them may catch up at any rate.
    private static let typicalMessage = ByteCount(4_096)

    /// Whether messages are held until their links deliver them. Tests switch it off to show that
    /// the wall time of a run depends on its links.
    package let holdsMessages: Bool
    private let board: SharedLinkBoard
    private let rates: [LinkRate]
    private var limiters: [Int: LinkLimiter] = [:]

    /// - Parameter rates: of the board's links, by index.
    package init(board: SharedLinkBoard, rates: [LinkRate], holdsMessages: Bool = true) {
        precondition(rates.count == board.linkCount)
        self.board = board
        self.rates = rates
        self.holdsMessages = holdsMessages
    }

    /// Books the bytes on every link of `path`; returns when the last has delivered them.
    ///
    /// - Throws: ``PacingError`` when the shared memory is damaged.
    func depart(
        _ byteCount: ByteCount, over path: [Int], readyAt: WallInstant, origin: WallInstant,
        dilation: Dilation, wall: WallClock
    ) throws(PacingError) -> WallInstant {
        var delivery = readyAt
        for link in path {
            let limiter: LinkLimiter
            if let known = limiters[link] {
                limiter = known
            } else {
                limiter = LinkLimiter(
                    try SharedRateLimiter(
                        board: board, link: link, bandwidth: rates[link].bandwidth,
                        dilation: dilation, origin: origin,
                        catchUpTolerance: SharedRateLimiter.defaultTolerance(
                            bandwidth: rates[link].bandwidth, dilation: dilation,
                            message: Self.typicalMessage),
                        sparesCores: false, wall: wall, watch: {}))
                limiters[link] = limiter
            }
            let end = try limiter.value.acquire(byteCount, readyAt: readyAt)
            let latency = dilation.wallNanoseconds(of: rates[link].latency) ?? .max
            delivery = max(delivery, end.advanced(byNanoseconds: latency))
        }
        return delivery
    }
}

/// A limiter that a dictionary can hold.
private final class LinkLimiter {
    var value: SharedRateLimiter

    init(_ value: consuming SharedRateLimiter) { self.value = value }
}
