import LinkRecords
import MappedMemory
import Messages
import RingTransport
import SystemPackage

/// A segment with both ends attached, and a raw view of its memory: what a broken peer can do.
///
/// Sendable is sound as the tests use it: each end is touched by one thread at a time.
struct RingFixture: @unchecked Sendable {
    let coordinator: RingLink
    let worker: RingLink
    let memory: RawSegment
    let layout: RingLayout

    init(
        capacity: Int = 4096, policy: WaitPolicy = .sleeping, hasChecksums: Bool = true,
        watch: @escaping RingLink.Watch = {}
    ) throws {
        let segment = try RingSegment.create(
            capacityPerDirection: capacity, session: .random(), hasChecksums: hasChecksums)
        memory = try RawSegment(segment)
        layout = segment.layout
        coordinator = try .coordinatorEnd(segment, waitPolicy: policy, watch: watch)
        worker = try .workerEnd(segment, waitPolicy: policy, watch: watch)
    }

    /// Byte offset of the ring that the worker reads.
    var toWorkerControl: Int { layout.controlOffset(of: .toWorker) }
    var toWorkerRecords: Int { layout.recordsOffset(of: .toWorker) }
    var toCoordinatorControl: Int { layout.controlOffset(of: .toCoordinator) }
}

/// Raw access to a segment through a mapping of its own.
final class RawSegment {
    private let mapping: SharedMapping

    init(_ segment: borrowing RingSegment) throws {
        let copy = try segment.descriptor.duplicate()
        mapping = try SharedSegment.adopt(copy, minimumByteCount: 1).map()
    }

    func word64(at offset: Int) -> UInt64 {
        unsafe mapping.address(atByteOffset: offset, byteCount: 8).load(as: UInt64.self)
    }

    func setWord64(_ value: UInt64, at offset: Int) {
        unsafe mapping.address(atByteOffset: offset, byteCount: 8)
            .storeBytes(of: value, as: UInt64.self)
    }

    func setWord32(_ value: UInt32, at offset: Int) {
        unsafe mapping.address(atByteOffset: offset, byteCount: 4)
            .storeBytes(of: value, as: UInt32.self)
    }
}

extension RingLink {
    /// Sends a message of `byteCount` bytes that carries `number` at both ends, as far as it has
    /// room.
    func send(_ number: UInt64, byteCount: Int = 8) throws(LinkError) {
        try send(byteCount: byteCount) { message in
            if byteCount >= 8 {
                // The end first: in a message of 9 to 15 bytes the two overlap.
                message.storeBytes(of: number, toByteOffset: byteCount - 8, as: UInt64.self)
                message.storeBytes(of: number, as: UInt64.self)
            }
        }
    }

    /// Receives a message, and its number when it is long enough to carry one.
    func receiveNumber() throws(LinkError) -> (byteCount: Int, number: UInt64?) {
        var result: (byteCount: Int, number: UInt64?) = (0, nil)
        try receive { result = $0.sizeAndNumber }
        return result
    }

    /// As ``receiveNumber()``, nil when no message is there.
    func tryReceiveNumber() throws(LinkError) -> (byteCount: Int, number: UInt64?)? {
        var result: (byteCount: Int, number: UInt64?) = (0, nil)
        return try tryReceive { result = $0.sizeAndNumber } ? result : nil
    }
}

extension RawSpan {
    /// Size, and the number that both ends carry; nil when they differ or do not fit.
    fileprivate var sizeAndNumber: (byteCount: Int, number: UInt64?) {
        guard byteCount >= 8 else { return (byteCount, nil) }
        let first = unsafe unsafeLoadUnaligned(as: UInt64.self)
        let last = unsafe unsafeLoadUnaligned(fromByteOffset: byteCount - 8, as: UInt64.self)
        return (byteCount, byteCount < 16 || first == last ? first : nil)
    }
}
