internal import ConnectionProtocol
internal import LinkRecords
internal import Messages

extension SocketLink {
    /// Sends the message in the outbox with a fault. A socket has no doorbell to lose: that message
    /// is sent like any other.
    func sendFaulty(_ fault: LinkFault, byteCount: Int) throws(LinkError) {
        let end = FrameHeader.byteCount + byteCount
        if case .skipSequence = fault { skipSequenceNumber() }
        // An empty payload has no bit to turn over.
        let isEmptyAndCorrupt =
            if case .corruptPayload = fault { byteCount == 0 } else { false }
        let isStale = if case .staleEpoch = fault { true } else { false }
        setHeader(
            .message, byteCount: byteCount, changing: isEmptyAndCorrupt ? 1 : 0,
            epoch: isStale ? terms.epoch &- 1 : terms.epoch)
        switch fault {
        case .corruptPayload(let bit) where byteCount > 0:
            outbox.flip(bit: bit % (8 * byteCount), from: FrameHeader.byteCount)
        case .corruptHeader(let bit):
            outbox.flip(bit: bit % 96, from: 0)
        case .halfWritten(let interruption):
            let half = FrameHeader.byteCount + byteCount / 2
            try write(half)
            interruption()
            return try write(from: half, end)
        case .corruptPayload, .skipSequence, .loseDoorbell, .staleEpoch:
            break
        }
        try write(end)
    }
}
