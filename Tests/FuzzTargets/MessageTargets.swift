import LinkRecords
import MappedMemory
import Messages
import PackedSets
import RingTransport
import SystemPackage

/// Readers of what a peer process wrote.
enum MessageTargets {
    /// Byte 0 chooses the decoder; the rest is the message.
    static func messages(_ bytes: [UInt8]) throws {
        guard let choice = bytes.first else { return }
        let body = Array(bytes.dropFirst())
        let message = unsafe body.span.bytes
        let header = try? MessageHeader(decoding: message)
        let count = Int(header?.count ?? 0)
        switch choice % 9 {
        case 0: _ = try ShapeConfiguration(decoding: message)
        case 1: _ = try WorkerConfiguration(decoding: message)
        case 2: _ = try WorkerFacts(decoding: message)
        case 3: _ = try WorkReport(decoding: message)
        case 4: _ = try ClockSetting(decoding: message)
        case 5: _ = try NeuronArrivals(decoding: message, count: count)
        case 6: _ = try SlotList.decode(message, count: count)
        case 8: _ = try NeuronPlacements(decoding: message, count: count)
        default:
            var set = PackedSet(elementCount: 100)
            try set.load(from: message, at: min(MessageHeader.byteCount, message.byteCount))
        }
    }

    private static let capacity = 4096

    /// Byte 0 chooses whether there are checksums, bytes 1 and 2 are the tail; the rest lies at
    /// the start of the ring.
    static func ring(_ bytes: [UInt8]) throws {
        guard bytes.count > 3 else { return }
        let segment = try RingSegment.create(
            capacityPerDirection: capacity, session: LinkSession(high: 1, low: 2),
            hasChecksums: bytes[0] % 2 == 1)
        let mapping = try SharedSegment.adopt(
            try segment.descriptor.duplicate(), minimumByteCount: 1
        ).map()
        let worker = try RingLink.workerEnd(segment, waitPolicy: .sleeping, watch: {})
        let records = bytes.dropFirst(3).prefix(capacity)
        let start = segment.layout.recordsOffset(of: .toWorker)
        for (index, byte) in records.enumerated() {
            unsafe mapping.address(atByteOffset: start + index, byteCount: 1)
                .storeBytes(of: byte, as: UInt8.self)
        }
        let tail = UInt64(bytes[1]) | UInt64(bytes[2]) << 8
        unsafe mapping.address(
            atByteOffset: segment.layout.controlOffset(of: .toWorker) + RingLayout.tailOffset,
            byteCount: 8
        ).storeBytes(of: tail, as: UInt64.self)
        for _ in 0..<capacity / 16 {
            do throws(LinkError) {
                let isThere = try worker.tryReceive { message in
                    precondition(message.byteCount <= worker.maximumMessageByteCount)
                    _ = try? MessageHeader(decoding: message)
                }
                if !isThere { return }
            } catch {
                guard case .damaged = error else { throw error }
            }
        }
    }
}
