import Messages
import Quantities

/// How neurons travel between workers, whatever a neuron is.
///
/// No DIMM ever waits for another. The donor has sent before it says so, and only then does the
/// coordinator tell the receiver, which finds the neurons in its link or says that none came.
extension WorkerPort {
    private func peer(_ index: Int) throws(LinkError) -> any MessageLink {
        guard let peer = peers[index] else {
            throw .peerCorrupt("DIMM \(dimm) has no link to DIMM \(index)")
        }
        return peer
    }

    /// Tells a link to another DIMM from the coordinator's when it fails.
    ///
    /// - Parameter absence: in place of what a worker that is gone can neither send nor take.
    private static func crossing<Value>(
        _ index: Int, orIfGone absence: Value, _ body: () throws(LinkError) -> Value
    ) throws(LinkError) -> Value {
        do {
            return try body()
        } catch .peerGone {
            return absence
        } catch .damaged(let what) {
            throw .damaged(what)
        } catch {
            throw .system("the link to DIMM \(index): \(error)")
        }
    }

    /// Throws unless so many neurons can go to the coordinator in one message.
    func checkRoom(for count: Int, of parcelByteCount: Int) throws(LinkError) {
        guard Self.payloadOffset + count * parcelByteCount <= link.maximumMessageByteCount else {
            throw .peerCorrupt("\(count) neurons at once are more than the link carries")
        }
    }

    /// Throws unless so many neurons can go to another DIMM in one message.
    func checkPeer(
        _ index: Int, takes count: Int, of parcelByteCount: Int
    ) throws(LinkError) {
        let maximum = try peer(index).maximumMessageByteCount
        guard MessageHeader.byteCount + count * parcelByteCount <= maximum else {
            throw .peerCorrupt("\(count) neurons at once are more than the link carries")
        }
    }

    /// Sends neurons that have been read to the DIMM that `request` names.
    ///
    /// - Parameters:
    ///   - isWritten: whether the parcels' bytes mean anything.
    ///   - fill: writes the parcels behind the header.
    /// - Returns: the answer to the request.
    func give(
        _ count: Int, of parcelByteCount: Int, as request: MessageHeader, ready: EmulatedTime?,
        report: WorkReport, isWritten: Bool = true,
        _ fill: (inout MutableRawSpan) -> Void = { _ in }
    ) throws(LinkError) -> MessageHeader {
        let reply = try finished(
            request.answer(.neuronsGiven, count: count, ready: ready), report
        ).header
        var transfer = MessageHeader(
            .neuronTransfer, layer: request.layer, position: request.position, count: count,
            auxiliary: dimm, step: request.step)
        transfer.time = reply.time
        let peer = try peer(request.auxiliary)
        // What a lost worker was to get is lost; the one in its place will say that none came.
        try Self.crossing(request.auxiliary, orIfGone: ()) { () throws(LinkError) in
            let byteCount = MessageHeader.byteCount + count * parcelByteCount
            try peer.send(
                byteCount: byteCount,
                writtenByteCount: isWritten ? byteCount : MessageHeader.byteCount
            ) {
                transfer.encode(into: &$0)
                fill(&$0)
            }
        }
        return reply
    }

    /// Finds the neurons that `request` announces in the link to their donor; false when they
    /// did not come.
    ///
    /// - Parameter place: reads the parcels behind the header.
    func take(
        _ count: Int, of parcelByteCount: Int, as request: MessageHeader,
        _ place: (RawSpan) -> Void = { _ in }
    ) throws(LinkError) -> Bool {
        let peer = try peer(request.auxiliary)
        var outcome: Result<Bool, LinkError> = .success(false)
        // What an earlier exchange left behind has a lower number, and is dropped.
        while try outcome.get() == false {
            let wasThere: Bool
            do {
                wasThere = try Self.crossing(request.auxiliary, orIfGone: false) {
                    () throws(LinkError) in
                    try peer.tryReceive { transfer in
                        outcome = Result { () throws(LinkError) in
                            try Self.isAnnounced(
                                transfer, by: request, count: count,
                                parcelByteCount: parcelByteCount)
                        }
                        if case .success(true) = outcome { place(transfer) }
                    }
                }
            } catch .damaged {
                // What came damaged has not come.
                continue
            }
            if !wasThere { break }
        }
        return try outcome.get()
    }

    /// False when a transfer is an older one; throws when it is a wrong one.
    private static func isAnnounced(
        _ transfer: RawSpan, by request: MessageHeader, count: Int, parcelByteCount: Int
    ) throws(LinkError) -> Bool {
        let header = try MessageHeader(decoding: transfer)
        guard header.kind == .neuronTransfer else {
            throw .peerCorrupt("expected neurons, got \(header.kind)")
        }
        if header.step < request.step { return false }
        guard header.step == request.step, header.layer == request.layer,
            header.position == request.position, header.count == count,
            header.auxiliary == request.auxiliary,
            transfer.byteCount == MessageHeader.byteCount + count * parcelByteCount
        else {
            throw .peerCorrupt(
                "\(header.count) neurons of layer \(header.layer) in \(transfer.byteCount) "
                    + "bytes are not those that DIMM \(request.auxiliary) was to give")
        }
        return true
    }
}
