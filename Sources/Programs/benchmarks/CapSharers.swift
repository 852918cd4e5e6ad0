import Glibc
import MappedMemory
import Pacing
import Quantities

/// One cell of the measurement: some sharers that send messages of one size over one link.
struct CapCell {
    let cap: Bandwidth
    let message: ByteCount
    let sharerCount: Int

    /// What one window spans at least: enough messages, and enough time for the clock.
    static let windowMessageCount: UInt64 = 20
    static let windowNanoseconds: UInt64 = 100_000_000

    /// What a message takes on the link, at the cap.
    var messageNanoseconds: Double { Double(message.bytes) / Double(cap.bytesPerSecond) * 1e9 }

    /// One window.
    var windowSpan: UInt64 {
        max(
            Self.windowNanoseconds,
            UInt64(messageNanoseconds * Double(Self.windowMessageCount)) + 1)
    }
}

/// A moment at which a sharer had delivered so many messages.
struct Delivery {
    let nanoseconds: UInt64
    let messageCount: UInt64
}

/// What one sharer saw.
struct SharerLog {
    var deliveries: [Delivery] = []
    /// Link time that the sharer gave up because it came too late.
    var forfeited = ByteCount.zero
}

/// Threads that really copy each message into memory that other processes could map, under one
/// limiter each.
struct CapSharers {
    let cell: CapCell
    let catchUp: ByteCount
    let sparesCores: Bool
    /// Log entries are at least this far apart in link time, so that logging costs nothing.
    var logNanoseconds = 10_000.0

    /// Sends until `span` nanoseconds have passed.
    func run(forNanoseconds span: UInt64) throws -> [SharerLog] {
        let segment = try SharedSegment.create(
            byteCount: SharedLinkBoard.byteCount(linkCount: 1))
        let board = try SharedLinkBoard(adopting: try segment.map(), linkCount: 1)
        let target = try CopyTarget.create(sharerCount: cell.sharerCount, message: cell.message)
        let origin = WallInstant.now
        let end = origin.advanced(byNanoseconds: span)
        let outcomes = onThreads(cell.sharerCount) { index in
            Result { try send(on: board, to: target, sharer: index, from: origin, until: end) }
        }
        return try outcomes.map { try $0.get() }
    }

    private func send(
        on board: SharedLinkBoard, to target: CopyTarget, sharer: Int, from origin: WallInstant,
        until end: WallInstant
    ) throws -> SharerLog {
        var limiter = try SharedRateLimiter(
            board: board, link: 0, bandwidth: cell.cap, dilation: .one, origin: origin,
            catchUpTolerance: catchUp, sparesCores: sparesCores, watch: {})
        let stride = max(
            1, UInt64(logNanoseconds / cell.messageNanoseconds) / UInt64(cell.sharerCount))
        let source = [UInt8](repeating: 0x5A, count: Int(cell.message.bytes))
        var log = SharerLog()
        log.deliveries.reserveCapacity(1 << 17)
        var messageCount: UInt64 = 0
        var now = origin
        while now < end {
            for _ in 0..<stride {
                let deadline = try limiter.acquire(cell.message)
                target.copy(source, sharer: sharer, number: messageCount)
                try limiter.waitUntil(deadline)
                messageCount += 1
            }
            now = .now
            log.deliveries.append(
                Delivery(nanoseconds: now.nanoseconds, messageCount: messageCount))
        }
        guard target.holds(source, sharer: sharer, number: messageCount - 1) else {
            throw ValidationFailure.lostMessage
        }
        log.forfeited = limiter.forfeited
        return log
    }
}

/// A benchmark that lost its bytes must not report a rate.
enum ValidationFailure: Error, CustomStringConvertible {
    case lostMessage
    case tooFewDeliveries

    var description: String {
        switch self {
        case .lostMessage: "wrong result, so no figure: the last message did not arrive"
        case .tooFewDeliveries: "no figure: too few messages were delivered for one window"
        }
    }
}

/// Shared memory that messages are copied into, each sharer in its own part, round and round.
final class CopyTarget: Sendable {
    private let mapping: SharedMapping
    private let slotCount: Int
    private let messageByteCount: Int

    static func create(sharerCount: Int, message: ByteCount) throws -> CopyTarget {
        let byteCount = Int(message.bytes)
        // A ring's worth: 256 KiB, or one large message.
        let slotCount = max(1, (1 << 18) / byteCount)
        let segment = try SharedSegment.create(byteCount: sharerCount * slotCount * byteCount)
        return CopyTarget(
            try segment.map(), slotCount: slotCount, messageByteCount: byteCount)
    }

    private init(_ mapping: consuming SharedMapping, slotCount: Int, messageByteCount: Int) {
        self.mapping = mapping
        self.slotCount = slotCount
        self.messageByteCount = messageByteCount
    }

    @inline(__always)
    func copy(_ message: [UInt8], sharer: Int, number: UInt64) {
        precondition(message.count == messageByteCount)
        let slot = unsafe mapping.address(
            atByteOffset: offset(sharer: sharer, number: number), byteCount: messageByteCount)
        unsafe message.withUnsafeBytes { bytes in
            if let start = bytes.baseAddress { unsafe memcpy(slot, start, messageByteCount) }
        }
    }

    func holds(_ message: [UInt8], sharer: Int, number: UInt64) -> Bool {
        let slot = unsafe mapping.address(
            atByteOffset: offset(sharer: sharer, number: number), byteCount: messageByteCount)
        return unsafe message.withUnsafeBytes { bytes in
            unsafe bytes.baseAddress.map { unsafe memcmp(slot, $0, messageByteCount) == 0 } ?? false
        }
    }

    private func offset(sharer: Int, number: UInt64) -> Int {
        (sharer * slotCount + Int(number % UInt64(slotCount))) * messageByteCount
    }
}
