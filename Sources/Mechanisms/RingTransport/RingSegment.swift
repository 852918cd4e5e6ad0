package import LinkRecords
import MappedMemory
package import SystemPackage

/// The shared segment of one worker: its handshake and both rings.
///
/// The coordinator creates it and starts the worker, which inherits ``descriptor`` and adopts it.
/// Each side then attaches its end once, as a ``RingLink``, and may drop the segment.
package struct RingSegment: ~Copyable, Sendable {
    package let layout: RingLayout
    private let segment: SharedSegment

    /// The smallest capacity per direction with room for `messageCount` messages of
    /// `messageByteCount`, one of them at least being the largest that the ring accepts.
    package static func capacity(
        forMessageByteCount messageByteCount: Int, messageCount: Int = 1
    ) -> Int {
        precondition(messageByteCount >= 0 && messageCount > 0)
        let record = RingLayout.recordByteCount(forMessage: messageByteCount)
        let needed = max(2 * record, messageCount * record, RingLayout.capacityRange.lowerBound)
        return 1 << (Int.bitWidth - (needed - 1).leadingZeroBitCount)
    }

    /// The largest message of a ring of that capacity, in bytes.
    package static func maximumMessageByteCount(capacityPerDirection: Int) -> Int {
        guard let layout = RingLayout(capacity: UInt64(clamping: capacityPerDirection)) else {
            preconditionFailure("the capacity must be a power of two from 4096 to 2^40")
        }
        return layout.maximumMessageByteCount
    }

    /// Creates a segment with two empty rings.
    ///
    /// - Parameters:
    ///   - capacityPerDirection: bytes, a power of two from 4096 to 2^40.
    ///   - hasChecksums: whether both ends protect every record by a checksum.
    package static func create(
        capacityPerDirection: Int, session: LinkSession, hasChecksums: Bool = true
    ) throws(RingError) -> RingSegment {
        let capacity = UInt64(clamping: capacityPerDirection)
        guard let layout = RingLayout(capacity: capacity, hasChecksums: hasChecksums) else {
            preconditionFailure("the capacity must be a power of two from 4096 to 2^40")
        }
        do throws(MappedMemoryError) {
            let segment = try SharedSegment.create(byteCount: layout.segmentByteCount)
            let mapping = try segment.map()
            for field in handshake(layout, session: session) {
                SharedCounter(in: mapping, at: field.offset).storeRelaxed(field.value)
            }
            return RingSegment(layout: layout, segment: segment)
        } catch {
            throw .memory(error)
        }
    }

    /// Takes over an inherited descriptor and checks the handshake; closes it when refused.
    ///
    /// - Throws: ``RingError/handshake(field:expected:found:)`` with the first field that differs.
    package static func adopt(
        _ descriptor: FileDescriptor, session: LinkSession
    ) throws(RingError) -> RingSegment {
        let segment = try adoptMemory(descriptor)
        let mapping = try Self.map(segment)
        // Without magic and version, no other field means anything.
        try check(magicAndVersion, in: mapping)
        let capacity = SharedCounter(in: mapping, at: RingLayout.capacityOffset).loadRelaxed()
        let checksums = SharedCounter(in: mapping, at: RingLayout.checksumsOffset).loadRelaxed()
        guard checksums <= 1 else {
            throw .handshake(field: "checksums", expected: "0 or 1", found: "\(checksums)")
        }
        guard let layout = RingLayout(capacity: capacity, hasChecksums: checksums == 1) else {
            throw .handshake(
                field: "capacity", expected: "a power of two from 4096 to 2^40",
                found: "\(capacity)")
        }
        try check(handshake(layout, session: session), in: mapping)
        guard segment.byteCount == layout.segmentByteCount else {
            throw .handshake(
                field: "size in memory", expected: "\(layout.segmentByteCount)",
                found: "\(segment.byteCount)")
        }
        return RingSegment(layout: layout, segment: segment)
    }

    private init(layout: RingLayout, segment: consuming SharedSegment) {
        self.layout = layout
        self.segment = segment
    }

    /// For the worker to inherit; owned by the segment.
    package var descriptor: FileDescriptor { segment.descriptor }

    /// Bytes of records that each direction holds.
    package var capacityPerDirection: Int { layout.capacity }

    /// Where the pages with a direction's records lie while `body` runs, each made present; for
    /// calls that take addresses and touch nothing.
    package func withRecordAddresses<Result>(
        of direction: RingDirection, _ body: (Range<UInt>) throws -> Result
    ) throws -> Result {
        let mapping = try map()
        let range = layout.recordsRange(of: direction)
        mapping.touch(range)
        return try body(mapping.addresses(of: range))
    }

    func map() throws(RingError) -> SharedMapping { try Self.map(segment) }

    private static func map(
        _ segment: borrowing SharedSegment
    ) throws(RingError) -> SharedMapping {
        do throws(MappedMemoryError) { return try segment.map() } catch { throw .memory(error) }
    }

    private static func adoptMemory(
        _ descriptor: FileDescriptor
    ) throws(RingError) -> SharedSegment {
        do throws(MappedMemoryError) {
            return try .adopt(descriptor, minimumByteCount: RingLayout.headerByteCount)
        } catch {
            throw .memory(error)
        }
    }

    // MARK: - Handshake

    private struct Field {
        let name: String
        let offset: Int
        let value: UInt64
    }

    private static let magicAndVersion = [
        Field(name: "magic number", offset: RingLayout.magicOffset, value: RingLayout.magic),
        Field(name: "layout version", offset: RingLayout.versionOffset, value: RingLayout.version),
    ]

    private static func handshake(_ layout: RingLayout, session: LinkSession) -> [Field] {
        magicAndVersion + [
            Field(
                name: "segment byte count", offset: RingLayout.segmentByteCountOffset,
                value: UInt64(layout.segmentByteCount)),
            Field(
                name: "capacity", offset: RingLayout.capacityOffset,
                value: UInt64(layout.capacity)),
            Field(
                name: "checksums", offset: RingLayout.checksumsOffset,
                value: layout.hasChecksums ? 1 : 0),
            Field(
                name: "session (high half)", offset: RingLayout.sessionOffset,
                value: session.high),
            Field(
                name: "session (low half)", offset: RingLayout.sessionOffset + 8,
                value: session.low),
        ]
    }

    private static func check(
        _ fields: [Field], in mapping: borrowing SharedMapping
    ) throws(RingError) {
        for field in fields {
            let found = SharedCounter(in: mapping, at: field.offset).loadRelaxed()
            guard found == field.value else {
                throw .handshake(
                    field: field.name, expected: "0x" + String(field.value, radix: 16),
                    found: "0x" + String(found, radix: 16))
            }
        }
    }
}
