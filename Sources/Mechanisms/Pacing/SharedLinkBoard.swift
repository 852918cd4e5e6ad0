// The only file of this module that holds raw pointers: atomics in memory that processes share.

package import MappedMemory
import Synchronization

/// The shared schedules of a machine's links, one after the other in a shared segment.
///
/// A link takes 256 bytes, two pairs of cache lines (x86 prefetches them in pairs), so that
/// traffic on one link never slows another. The first pair holds only the schedule; the
/// parameters by which all sharers must count follow it, written once.
///
///       0   the schedule: bytes booked since the origin, at the link's rate
///     128   bandwidth in bytes per second; 0 until the first sharer came
///     136   dilation in thousandths
///     144   origin in nanoseconds of CLOCK_MONOTONIC
///
/// Owns its view of the memory; limiters keep the board alive.
package final class SharedLinkBoard: Sendable {
    private static let stride = 256

    package let linkCount: Int
    private let mapping: SharedMapping
    private let byteOffset: Int

    /// Bytes that `linkCount` links need, zero at first.
    package static func byteCount(linkCount: Int) -> Int {
        precondition(linkCount > 0)
        return linkCount * stride
    }

    /// Takes over a view whose bytes from `byteOffset` on, a multiple of 256, are the board.
    package init(
        adopting mapping: consuming SharedMapping, atByteOffset byteOffset: Int = 0,
        linkCount: Int
    ) throws(PacingError) {
        precondition(byteOffset >= 0 && byteOffset.isMultiple(of: Self.stride))
        let needed = byteOffset + Self.byteCount(linkCount: linkCount)
        guard mapping.byteCount >= needed else {
            throw .boardTooSmall(byteCount: mapping.byteCount, neededByteCount: needed)
        }
        self.mapping = mapping
        self.byteOffset = byteOffset
        self.linkCount = linkCount
    }

    /// Forgets schedules and parameters, for a run that starts over with another origin.
    ///
    /// For the one process that starts it, while no other uses the board.
    package func reset() {
        for link in 0..<linkCount {
            for field in [0, 16, 17, 18] {
                unsafe word(link: link, field: field).pointee.store(0, ordering: .releasing)
            }
        }
    }

    /// Bytes booked on `link` since the origin.
    @inline(__always)
    func bookedByteCount(link: Int) -> UInt64 {
        unsafe word(link: link, field: 0).pointee.load(ordering: .relaxed)
    }

    /// Replaces `expected`; otherwise changes nothing and tells what was found. Relaxed: the word
    /// publishes nothing but itself.
    @inline(__always)
    func replace(link: Int, expected: UInt64, by value: UInt64) -> (isReplaced: Bool, UInt64) {
        let (exchanged, found) = unsafe word(link: link, field: 0).pointee.compareExchange(
            expected: expected, desired: value, ordering: .relaxed)
        return (exchanged, found)
    }

    /// The first sharer writes the parameters, every other one checks them.
    func agree(
        link: Int, on values: [(field: String, value: UInt64)]
    ) throws(PacingError) {
        precondition(link >= 0 && link < linkCount)
        for (index, parameter) in values.enumerated() {
            precondition(parameter.value > 0, "zero stands for: not yet written")
            let (exchanged, found) = unsafe word(link: link, field: 16 + index).pointee
                .compareExchange(
                    expected: 0, desired: parameter.value, ordering: .acquiringAndReleasing)
            guard exchanged || found == parameter.value else {
                throw .linkMismatch(
                    link: link, field: parameter.field, expected: parameter.value, found: found)
            }
        }
    }

    @unsafe @inline(__always)
    private func word(link: Int, field: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        precondition(MemoryLayout<Atomic<UInt64>>.size == 8, "the bare bytes that others see")
        precondition(link >= 0 && link < linkCount)
        return unsafe mapping.address(
            atByteOffset: byteOffset + link * Self.stride + field * 8, byteCount: 8
        ).assumingMemoryBound(to: Atomic<UInt64>.self)
    }
}
