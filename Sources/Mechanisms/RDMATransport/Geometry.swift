package import ConnectionProtocol
internal import LinkRecords

/// How frames lie in a direction's ring, the same on both ends: it follows from the capacity.
///
/// A frame is a header and a message in one piece. Its length counts toward the capacity; the gap
/// at the ring's end that it may leave does not, so the memory is half as long again.
package struct RingGeometry {
    /// Bytes of frames that may wait to be read.
    package let capacity: Int
    /// Frames take multiples of this, so that no more of them wait than the other side's queue has
    /// places for.
    package let granule: Int

    /// Frames that may wait, at most.
    package static let frameLimit = 1024

    package init(_ terms: LinkTerms) { self.init(capacity: terms.capacity) }

    init(capacity: Int) {
        self.capacity = capacity
        granule = max(16, Self.roundUp(capacity / Self.frameLimit, to: 16))
    }

    package var maximumMessageByteCount: Int { capacity / 2 - FrameHeader.byteCount }

    /// Of one direction's ring: frames up to the capacity, and a gap shorter than the longest.
    package var memoryByteCount: Int {
        Self.roundUp(capacity + capacity / 2 + 2 * granule, to: granule)
    }

    package func frameByteCount(forMessage byteCount: Int) -> Int {
        Self.roundUp(FrameHeader.byteCount + byteCount, to: granule)
    }

    private static func roundUp(_ value: Int, to step: Int) -> Int {
        (value + step - 1) / step * step
    }
}

/// The number that a write hands to the other side with its end: what is there to be looked at.
package enum Notice: Equatable, Sendable {
    /// A frame of so many bytes was committed.
    case frame(byteCount: Int)
    /// So many bytes of frames were read so far, modulo 2^34.
    case credit(releasedByteCount: UInt64)
    /// The last one.
    case close

    private static let unit = 16
    private static let valueMask: UInt32 = (1 << 30) - 1

    /// Two bits say what it is, the others count units of 16 bytes.
    package var immediate: UInt32 {
        switch self {
        case .frame(let byteCount): 1 << 30 | UInt32(byteCount / Self.unit)
        case .credit(let released):
            2 << 30 | UInt32(truncatingIfNeeded: released / UInt64(Self.unit)) & Self.valueMask
        case .close: 3 << 30
        }
    }

    package init?(immediate: UInt32) {
        let value = immediate & Self.valueMask
        switch immediate >> 30 {
        case 1: self = .frame(byteCount: Int(value) * Self.unit)
        case 2: self = .credit(releasedByteCount: UInt64(value) * UInt64(Self.unit))
        case 3 where value == 0: self = .close
        default: return nil
        }
    }

    /// The whole count behind one that is known modulo 2^34: the next from `base` on.
    package static func extend(_ partial: UInt64, from base: UInt64) -> UInt64 {
        let modulus = (UInt64(valueMask) + 1) * UInt64(unit)
        return base + (partial &- base) % modulus
    }
}
