/// Byte layout of one worker's segment: a handshake page and two rings, one per direction.
///
///     0      handshake: magic, layout version, sizes, session (written once, before sharing)
///     128    state word of the coordinator's end
///     256    state word of the worker's end
///     4096   control lines of the ring coordinator → worker
///     5120   control lines of the ring worker → coordinator
///     8192   records coordinator → worker, `capacity` bytes
///     8192 + capacity   records worker → coordinator, `capacity` bytes
///
/// Fields with different writers lie 128 B apart, not 64, because x86 cores prefetch cache lines
/// in pairs. Within a ring's control lines:
///
///     0      head          bytes consumed; written by the consumer only
///     128    tail          bytes published; written by the producer only
///     256    data doorbell the consumer sleeps here
///     384    room doorbell the producer sleeps here
package struct RingLayout: Equatable, Sendable {
    /// "HERMRING" as bytes in memory order on a little-endian machine.
    package static let magic: UInt64 = 0x474E_4952_4D52_4548
    package static let version: UInt64 = 3

    package static let magicOffset = 0
    package static let versionOffset = 8
    package static let segmentByteCountOffset = 16
    package static let capacityOffset = 24
    package static let sessionOffset = 32  // two words of 8 bytes
    package static let checksumsOffset = 48  // 1 with checksums, else 0
    package static let headerByteCount = 8192

    package static let headOffset = 0
    package static let tailOffset = 128
    package static let dataDoorbellOffset = 256
    package static let roomDoorbellOffset = 384

    /// Every record starts on a multiple of this, and so does its payload.
    package static let recordAlignment = 16
    package static let recordHeaderByteCount = 16

    /// Smallest and largest capacity of a direction: a page, and what no machine has in /dev/shm.
    package static let capacityRange = 4096...(1 << 40)

    /// Bytes in one direction's ring of records; a power of two.
    package let capacity: Int

    /// Whether records carry checksums.
    package let hasChecksums: Bool

    /// Nil when `capacity` is no power of two in range: it may come from a peer.
    package init?(capacity: UInt64, hasChecksums: Bool = true) {
        guard let capacity = Int(exactly: capacity), Self.capacityRange.contains(capacity),
            capacity.nonzeroBitCount == 1
        else { return nil }
        self.capacity = capacity
        self.hasChecksums = hasChecksums
    }

    package var segmentByteCount: Int { Self.headerByteCount + 2 * capacity }

    /// The largest payload. Half the ring, so that it fits behind any skip at the wrap; a record's
    /// byte count has 32 bits.
    package var maximumMessageByteCount: Int {
        min(capacity / 2, Int(UInt32.max) / 16 * 16) - Self.recordHeaderByteCount
    }

    package func controlOffset(of direction: RingDirection) -> Int {
        direction == .toWorker ? 4096 : 5120
    }

    package func recordsOffset(of direction: RingDirection) -> Int {
        Self.headerByteCount + (direction == .toWorker ? 0 : capacity)
    }

    /// A direction's records, in bytes of the segment: whole pages of 4 KiB.
    func recordsRange(of direction: RingDirection) -> Range<Int> {
        let start = recordsOffset(of: direction)
        return start..<start + capacity
    }

    /// Bytes that a message of `byteCount` takes in the ring: header, payload, padding.
    package static func recordByteCount(forMessage byteCount: Int) -> Int {
        let end = recordHeaderByteCount + byteCount
        return (end + recordAlignment - 1) / recordAlignment * recordAlignment
    }
}

/// Which way a ring carries messages.
package enum RingDirection: String {
    case toWorker = "ring coordinator → worker"
    case toCoordinator = "ring worker → coordinator"
}

/// The two ends of a segment.
package enum RingEnd: String {
    case coordinator
    case worker

    var peer: RingEnd { self == .coordinator ? .worker : .coordinator }
    var outgoing: RingDirection { self == .coordinator ? .toWorker : .toCoordinator }
    var incoming: RingDirection { peer.outgoing }
    package var stateOffset: Int { self == .coordinator ? 128 : 256 }
}

/// What an end's state word says.
enum EndState: UInt32 {
    case absent = 0
    case attached = 1
    case closed = 2
}
