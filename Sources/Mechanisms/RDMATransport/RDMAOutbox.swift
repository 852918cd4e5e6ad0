internal import ConnectionProtocol
internal import LinkRecords
internal import SystemPackage

/// What is sent: a copy of the other side's ring, and the device's queue of transfers.
///
/// A transfer in some is signalled: when it is over, so are all before it, and their places in the
/// queue and their memory can be used anew.
final class RDMAOutbox {
    /// A message whose place in the ring is taken.
    struct Frame {
        let byteCount: Int
        fileprivate let offset: Int
        fileprivate let frameByteCount: Int

        fileprivate var payload: Int { offset + FrameHeader.byteCount }
    }

    /// Well below what a port must take in one message: 2^31 bytes (InfiniBand Architecture, volume
    /// 1, 9.7.7), and devices may say less (`ibv_port_attr.max_msg_sz`, 8 MB with rdma_rxe).
    static let longestWrite = 1 << 22

    /// Transfers of which one is signalled.
    private static let signalStride = 32

    private let terms: LinkTerms
    private let geometry: RingGeometry
    private let staging: RegisteredMemory
    private let remote: RemoteRing
    private let pair: QueuePair
    /// Of the other side's ring.
    private var places: FramePlaces
    private var sequence: UInt32 = 0
    private var isFilling = false
    /// Of the other side's window, so far.
    private(set) var sentByteCount: UInt64 = 0
    /// Of those, what the device has done with.
    private var doneByteCount: UInt64 = 0
    /// What the other side knows of what this one gave back.
    private(set) var toldByteCount: UInt64 = 0

    private struct Signal {
        let postedCount: Int
        let sentByteCount: UInt64
        let isProbe: Bool
    }

    /// The transfers that will be signalled, the oldest first.
    private var signals: [Signal] = []
    private var postedCount = 0
    private var doneCount = 0
    private var signalledByteCount: UInt64 = 0
    private var signalledCount = 0

    init(
        _ terms: LinkTerms, _ geometry: RingGeometry, staging: RegisteredMemory,
        remote: RemoteRing, pair: QueuePair
    ) {
        self.terms = terms
        self.geometry = geometry
        places = FramePlaces(memoryByteCount: geometry.memoryByteCount)
        self.staging = staging
        self.remote = remote
        self.pair = pair
    }

    // MARK: Room

    /// Whether a frame has room in the other side's ring, and in the copy.
    func hasRoom(_ byteCount: Int, creditByteCount: UInt64) -> Bool {
        sentByteCount - min(creditByteCount, doneByteCount) + UInt64(byteCount)
            <= UInt64(geometry.capacity)
    }

    /// Whether the queue takes so many more transfers. A message of the handshake may still have a
    /// place of its own.
    func hasPlaces(_ count: Int) -> Bool {
        postedCount - doneCount + count <= QueuePair.sendDepth - 1
    }

    /// Whether a signalled transfer is under way.
    var isBusy: Bool { !signals.isEmpty }
    var isProbing: Bool { signals.contains { $0.isProbe } }

    /// The oldest signalled transfer is over.
    func takeSent() {
        guard !signals.isEmpty else { return }
        let signal = signals.removeFirst()
        doneCount = signal.postedCount
        doneByteCount = signal.sentByteCount
    }

    // MARK: Frames

    /// Takes the next place and writes a message there; there must be room.
    func begin(_ byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) -> Frame {
        precondition(!isFilling, "while a message is written, no other is sent")
        isFilling = true
        let frameByteCount = geometry.frameByteCount(forMessage: byteCount)
        let offset = places.take(frameByteCount)
        let frame = Frame(byteCount: byteCount, offset: offset, frameByteCount: frameByteCount)
        staging.content.withMutableBytes(at: frame.payload, byteCount: byteCount, fill)
        sentByteCount += UInt64(frameByteCount)
        isFilling = false
        return frame
    }

    /// Completes a frame whose payload is written, and does to it what a fault says.
    func seal(_ frame: Frame, _ fault: LinkFault?, releasedByteCount: UInt64) {
        var epoch = terms.epoch
        switch fault {
        // As if a frame had been lost.
        case .skipSequence: sequence &+= 1
        case .staleEpoch: epoch &-= 1
        default: break
        }
        var record = RecordHeader(.message, byteCount: frame.byteCount, sequence: sequence)
        if terms.hasChecksums {
            staging.content.withBytes(at: frame.payload, byteCount: frame.byteCount) {
                record.checksum = RecordChecksum.of($0, header: record.digest)
            }
        }
        // An empty payload has no bit to turn over.
        if case .corruptPayload = fault, frame.byteCount == 0 { record.checksum ^= 1 }
        staging.content.setWords(
            FrameHeader(record, epoch: epoch, releasedByteCount: releasedByteCount).words,
            at: frame.offset)
        switch fault {
        case .corruptPayload(let bit) where frame.byteCount > 0:
            staging.content.flip(bit: bit % (8 * frame.byteCount), from: frame.payload)
        case .corruptHeader(let bit): staging.content.flip(bit: bit % 96, from: frame.offset)
        default: break
        }
        sequence &+= 1
        toldByteCount = releasedByteCount
    }

    /// Lets the device write a part of a payload.
    func write(_ frame: Frame, _ range: Range<Int>) throws(Errno) {
        try post(part(range, of: frame), signalled: false)
    }

    /// Lets the device write the rest of a payload, and behind it, by another write, the header, of
    /// whose end the other side is told: then all before it is there, in whatever order.
    func commit(_ frame: Frame, behind rest: Range<Int>) throws(Errno) {
        var header = transfer(at: frame.offset, byteCount: FrameHeader.byteCount)
        header.notice = .frame(byteCount: frame.frameByteCount)
        // The memory of what is not signalled stays taken: never more than a quarter of it.
        let unsignalled = sentByteCount - signalledByteCount
        try post(
            header, behind: rest.isEmpty ? nil : part(rest, of: frame),
            signalled: unsignalled > UInt64(geometry.capacity / 4))
    }

    private func part(_ range: Range<Int>, of frame: Frame) -> Transfer {
        transfer(at: frame.payload + range.lowerBound, byteCount: range.count)
    }

    // MARK: What has no payload

    func announce(_ notice: Notice, signalled: Bool) throws(Errno) {
        var transfer = transfer(at: 0, byteCount: 0)
        transfer.notice = notice
        try post(transfer, signalled: signalled)
        if case .credit(let released) = notice { toldByteCount = released }
    }

    /// Writes nothing, and waits for its confirmation.
    func probe() throws(Errno) {
        try post(transfer(at: 0, byteCount: 0), signalled: true, isProbe: true)
    }

    /// Both rings have the same shape.
    private func transfer(at offset: Int, byteCount: Int) -> Transfer {
        Transfer(
            memory: staging, offset: offset, byteCount: byteCount,
            remoteAddress: remote.address + UInt64(offset), remoteKey: remote.key)
    }

    private func post(
        _ transfer: Transfer, behind former: Transfer? = nil, signalled: Bool,
        isProbe: Bool = false
    ) throws(Errno) {
        var transfer = transfer
        let end = postedCount + (former == nil ? 1 : 2)
        transfer.isSignalled = signalled || end - signalledCount >= Self.signalStride
        if let former {
            try pair.post(former, transfer)
        } else {
            try pair.post(transfer)
        }
        postedCount = end
        guard transfer.isSignalled else { return }
        signalledCount = end
        signalledByteCount = sentByteCount
        signals.append(Signal(postedCount: end, sentByteCount: sentByteCount, isProbe: isProbe))
    }
}
