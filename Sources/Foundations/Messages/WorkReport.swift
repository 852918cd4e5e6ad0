/// How a DIMM derived the time of one request, for the coordinator's books; follows the header of
/// each reply. All zero in a native run.
///
/// Byte layout: seven little-endian UInt64 in the order of the properties.
package struct WorkReport: Equatable, Sendable {
    package static let byteCount = 56

    /// Emulated picoseconds that the request took on the DIMM.
    package var busyPicoseconds: UInt64
    /// Of these, what reading the DRAM and what multiplying would take alone.
    package var readPicoseconds: UInt64
    package var multiplyPicoseconds: UInt64
    /// Bytes of weights, keys and values read.
    package var readByteCount: UInt64
    package var multiplyAccumulateCount: UInt64
    /// A paced run's deadlines so far, and how many of them the worker missed.
    package var deadlineCount: UInt64 = 0
    package var missedDeadlineCount: UInt64 = 0

    package init(
        busyPicoseconds: UInt64 = 0, readPicoseconds: UInt64 = 0, multiplyPicoseconds: UInt64 = 0,
        readByteCount: UInt64 = 0, multiplyAccumulateCount: UInt64 = 0
    ) {
        self.busyPicoseconds = busyPicoseconds
        self.readPicoseconds = readPicoseconds
        self.multiplyPicoseconds = multiplyPicoseconds
        self.readByteCount = readByteCount
        self.multiplyAccumulateCount = multiplyAccumulateCount
    }

    /// Reads the report behind the header of a reply.
    package init(decoding message: RawSpan) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard message.byteCount >= base + Self.byteCount else {
            throw .peerCorrupt("a reply of \(message.byteCount) bytes has no work report")
        }
        busyPicoseconds = message.word64(at: base)
        readPicoseconds = message.word64(at: base + 8)
        multiplyPicoseconds = message.word64(at: base + 16)
        readByteCount = message.word64(at: base + 24)
        multiplyAccumulateCount = message.word64(at: base + 32)
        deadlineCount = message.word64(at: base + 40)
        missedDeadlineCount = message.word64(at: base + 48)
        try checkDeadlines(deadlineCount, missed: missedDeadlineCount)
    }

    package func encode(into message: inout MutableRawSpan) {
        let fields = [
            busyPicoseconds, readPicoseconds, multiplyPicoseconds, readByteCount,
            multiplyAccumulateCount, deadlineCount, missedDeadlineCount,
        ]
        for (index, field) in fields.enumerated() {
            message.storeBytes(
                of: field, toByteOffset: MessageHeader.byteCount + 8 * index, as: UInt64.self)
        }
    }
}

/// Checks what a peer says of its deadlines; sums of many workers' stay far below 64 bits.
func checkDeadlines(_ count: UInt64, missed: UInt64) throws(LinkError) {
    guard missed <= count, count <= 1 << 48 else {
        throw .peerCorrupt("\(missed) of \(count) deadlines missed: impossible")
    }
}

/// When a paced run's emulated time starts and how it is stretched; payload of
/// ``MessageKind/startClock``.
///
/// Byte layout: two little-endian UInt64.
package struct ClockSetting: Equatable, Sendable {
    package static let byteCount = 16

    /// CLOCK_MONOTONIC of emulated time zero.
    package var originNanoseconds: UInt64
    /// Wall time per emulated time, in thousandths; 0 where nothing waits.
    package var dilationThousandths: UInt64

    package init(originNanoseconds: UInt64, dilationThousandths: UInt64) {
        self.originNanoseconds = originNanoseconds
        self.dilationThousandths = dilationThousandths
    }

    package init(decoding message: RawSpan) throws(LinkError) {
        let base = MessageHeader.byteCount
        guard message.byteCount == base + Self.byteCount else {
            throw .peerCorrupt("a clock setting of \(message.byteCount) bytes")
        }
        originNanoseconds = message.word64(at: base)
        dilationThousandths = message.word64(at: base + 8)
    }

    package func encode(into message: inout MutableRawSpan) {
        let base = MessageHeader.byteCount
        message.storeBytes(of: originNanoseconds, toByteOffset: base, as: UInt64.self)
        message.storeBytes(of: dilationThousandths, toByteOffset: base + 8, as: UInt64.self)
    }
}
