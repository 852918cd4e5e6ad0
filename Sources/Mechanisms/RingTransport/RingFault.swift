import LinkRecords
import Messages

extension RingLink {
    /// Sends one message with the fault that waits for it. Traps when the end is closed.
    @inline(never)
    func sendFaulty(
        byteCount: Int, writtenByteCount: Int, _ fill: (inout MutableRawSpan) -> Void
    ) throws(LinkError) {
        precondition(!isClosed, "a closed link sends nothing")
        guard let fault else { preconditionFailure("an open end without a fault is ordinary") }
        var cursor = outgoing
        let offset = try reserve(byteCount: byteCount, &cursor)
        self.fault = nil
        let payloadOffset = offset + RingLayout.recordHeaderByteCount
        if case .halfWritten(let interruption) = fault {
            writeInHalves(
                byteCount: writtenByteCount, at: payloadOffset, fill, between: interruption)
        } else {
            producer.ring.records.withMutablePayload(
                at: payloadOffset, byteCount: writtenByteCount, fill)
        }
        if case .skipSequence = fault { producer.skipSequenceNumber(&cursor) }
        producer.finish(
            byteCount: byteCount, writtenByteCount: writtenByteCount, at: offset, &cursor)
        switch fault {
        case .corruptPayload(let bit) where writtenByteCount > 0:
            producer.ring.records.flip(bit: bit % (8 * writtenByteCount), from: payloadOffset)
        case .corruptPayload:
            producer.ring.records.flip(bit: 0, from: offset + 12)
        case .corruptHeader(let bit):
            producer.ring.records.flip(bit: bit % 96, from: offset)
        case .halfWritten, .skipSequence, .loseDoorbell, .staleEpoch:
            break
        }
        if case .loseDoorbell = fault {
            producer.showSilently(&cursor)
        } else if producer.show(&cursor) {
            counts.wakes += 1
        }
        outgoing = cursor
        counts.messagesSent += 1
        counts.bytesSent += byteCount
    }

    private func writeInHalves(
        byteCount: Int, at offset: Int, _ fill: (inout MutableRawSpan) -> Void,
        between interruption: () -> Void
    ) {
        var whole = [UInt8](repeating: 0, count: byteCount)
        var span = whole.mutableSpan
        var bytes = unsafe span.mutableBytes
        fill(&bytes)
        let records = producer.ring.records
        func copy(_ range: Range<Int>) {
            records.withMutablePayload(at: offset, byteCount: byteCount) { payload in
                for index in range {
                    payload.storeBytes(of: whole[index], toByteOffset: index, as: UInt8.self)
                }
            }
        }
        copy(0..<byteCount / 2)
        interruption()
        copy(byteCount / 2..<byteCount)
    }
}
