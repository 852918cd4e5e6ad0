import Messages

/// What is done about a link that fails: a damaged message is sent again; a worker that is gone,
/// stalls or breaks the protocol is replaced by another, which is told what the lost one knew and
/// asked what that one owed.
extension WorkerExchange {
    /// Sends a message that is noted first, so that it is sent again should the worker fail.
    func sendMended(
        _ header: MessageHeader, _ message: KeptMessage, to dimm: Int
    ) throws(CoordinatorError) {
        state.journals[dimm].note(header, message)
        do {
            try transmit(message, to: dimm)
        } catch {
            try recover(dimm, after: error)
        }
    }

    private func transmit(_ message: KeptMessage, to dimm: Int) throws(LinkError) {
        try message.send(over: state.links[dimm])
    }

    // MARK: Damaged messages

    /// A worker dropped a message and all behind it: sends them again.
    ///
    /// - Parameter latest: the number of the message that made it say so.
    func repeatMessages(
        to dimm: Int, from index: Int, toldAt latest: Int
    ) throws(CoordinatorError) {
        let damage = LinkError.damaged("message \(index) to the worker")
        guard state.mending != nil else {
            throw .link(dimm: dimm, .peerCorrupt("\(damage), and none is kept"))
        }
        guard !state.journals[dimm].isSettled(latest) else { return }
        state.journals[dimm].noteResume()
        guard let messages = state.journals[dimm].messages(from: index) else {
            return try recover(dimm, after: damage)
        }
        note(
            damage, of: dimm,
            repeating: messages.reduce(0) { $0 + $1.byteCount - MessageHeader.byteCount })
        let resume = MessageHeader(.resume, count: index, step: 0)
        do {
            try transmit(encoded(resume, payloadByteCount: 0) { _ in }, to: dimm)
            for message in messages { try transmit(message, to: dimm) }
        } catch {
            try recover(dimm, after: error)
        }
    }

    /// An answer came damaged: asks for all that are owed once more.
    func repeatAnswers(of dimm: Int, after what: String) throws(CoordinatorError) {
        guard state.mending != nil, state.journals[dimm].isReady else {
            return try recover(dimm, after: .damaged(what))
        }
        note(.damaged(what), of: dimm, repeating: nil)
        do {
            for message in state.journals[dimm].requestsAgain() {
                try transmit(message, to: dimm)
            }
        } catch {
            try recover(dimm, after: error)
        }
    }

    /// - Parameter byteCount: of requests that are sent again; `nil` for an answer.
    private func note(_ cause: LinkError, of dimm: Int, repeating byteCount: Int?) {
        state.noteRepetition(
            of: dimm,
            RecoveryRecord(
                dimm: dimm, remedy: .repetition, cause: cause,
                request: state.journals[dimm].owed),
            requestByteCount: byteCount)
    }

    // MARK: Lost workers

    /// A worker said that it cannot go on. What it says while it first loads is final: another
    /// would fare no better.
    func recover(
        _ dimm: Int, afterFault fault: WorkerFault
    ) throws(CoordinatorError) {
        guard state.mending != nil, state.journals[dimm].isReady else {
            throw fault.error(ofDIMM: dimm)
        }
        try recover(dimm, after: .peerGone("gave up: \(fault.text)"))
    }

    /// Replaces a worker, and again if the other one fails, too, until that is refused.
    func recover(_ dimm: Int, after failure: LinkError) throws(CoordinatorError) {
        guard let mending = state.mending, failure.isMendable else {
            try throwFault(of: dimm)
            throw .link(dimm: dimm, failure)
        }
        var failure = failure
        if let fault = leftFault(of: dimm) {
            guard state.journals[dimm].isReady else { throw fault.error(ofDIMM: dimm) }
            failure = .peerGone("gave up: \(fault.text)")
        }
        while true {
            let owed = state.journals[dimm].owed
            let replacement: WorkerReplacement
            do {
                replacement = try mending.recovery.replaceWorker(
                    ofDIMM: dimm, after: failure, owed: owed)
            } catch {
                throw .notReplaced(dimm: dimm, failure, reason: error.description)
            }
            state.links[dimm] = replacement.link
            var record = RecoveryRecord(
                dimm: dimm, remedy: .restart, cause: failure, request: owed)
            var refusal: RecoveryRefusal?
            do {
                refusal = try rebuild(dimm, mending, &record)
            } catch {
                guard error.isMendable else { throw .link(dimm: dimm, error) }
                failure = error
                continue
            }
            if let refusal {
                throw .notReplaced(dimm: dimm, failure, reason: refusal.description)
            }
            state.noteRestart(of: dimm, record)
            for notice in replacement.notices {
                state.notices[notice.dimm].append((dimm, notice.text))
            }
            for dimm in indices { try deliverNotices(to: dimm) }
            return
        }
    }

    /// Tells a worker, once it serves, of those whose place was taken: its link to a lost one is
    /// of no use any more.
    func deliverNotices(to dimm: Int) throws(CoordinatorError) {
        guard state.mending != nil, state.journals[dimm].isReady,
            !state.journals[dimm].isLeaving
        else { return }
        let notices = state.notices[dimm]
        state.notices[dimm] = []
        for (replaced, text) in notices {
            let bytes = Array(text.utf8)
            try send(
                MessageHeader(.replacePeer, auxiliary: replaced, step: 0), to: dimm,
                payloadByteCount: bytes.count
            ) { $0.store(bytes.span, at: MessageHeader.byteCount) }
        }
    }

    /// Tells a new worker all that the lost one knew, and asks what that one owed.
    ///
    /// - Returns: why it will not do, if so.
    private func rebuild(
        _ dimm: Int, _ mending: ExchangeMending, _ record: inout RecoveryRecord
    ) throws(LinkError) -> RecoveryRefusal? {
        // It inherits its links to the others as they are now.
        state.notices[dimm] = []
        let journal = state.journals[dimm]
        for message in journal.setUpMessages { try transmit(message, to: dimm) }
        guard journal.isReady else { return nil }
        let facts = try receiveReady(from: dimm)
        do {
            try mending.recovery.accept(facts, ofDIMM: dimm)
        } catch {
            return error
        }
        record.weightByteCount = Int(clamping: facts.weightByteCount)
        var sentCount = 0
        if let clock = journal.clockMessage {
            try transmit(clock, to: dimm)
            sentCount += 1
        }
        sentCount += try sendPlacements(journal, mending, to: dimm)
        try journal.rows?.replay(payloadLimit: maximumPayloadByteCount(of: dimm)) {
            (header, floats) throws(LinkError) in
            let message = encoded(header, payloadByteCount: 4 * floats.count) {
                $0.store(floats.span, at: MessageHeader.byteCount)
            }
            try transmit(message, to: dimm)
            record.keyValueByteCount += 4 * floats.count
            sentCount += 1
        }
        for message in state.journals[dimm].owedMessages(after: sentCount) {
            try transmit(message, to: dimm)
        }
        return nil
    }

    private func receiveReady(from dimm: Int) throws(LinkError) -> WorkerFacts {
        try state.links[dimm].receiveValue { (message) throws(LinkError) in
            let header = try MessageHeader(decoding: message)
            if header.kind == .fault {
                throw .peerGone("gave up: \(WorkerFault(header, message).text)")
            }
            guard header.kind == .ready else {
                throw .peerCorrupt("expected ready, got \(header.kind)")
            }
            return try WorkerFacts(decoding: message)
        }
    }

    /// - Returns: how many messages that took.
    private func sendPlacements(
        _ journal: RequestJournal, _ mending: ExchangeMending, to dimm: Int
    ) throws(LinkError) -> Int {
        let limit = max(
            1, maximumPayloadByteCount(of: dimm) / NeuronPlacements.entryByteCount)
        var count = 0
        for (layer, block, all) in journal.placements {
            // A slot that is emptied may be what another neuron's scales wait for.
            let ordered = all.filter { $0.neuron == nil } + all.filter { $0.neuron != nil }
            for first in stride(from: 0, to: ordered.count, by: limit) {
                let placements = NeuronPlacements(
                    entries: ordered[first..<min(first + limit, ordered.count)].map { entry in
                        var entry = entry
                        if let neuron = entry.neuron {
                            (entry.mean, entry.weight) = mending.rule(layer, Int(neuron))
                        }
                        return entry
                    })
                let header = MessageHeader(
                    .placeNeurons, layer: layer, position: block,
                    count: placements.entries.count, step: 0)
                let message = encoded(header, payloadByteCount: placements.byteCount) {
                    placements.encode(into: &$0)
                }
                try transmit(message, to: dimm)
                count += 1
            }
        }
        return count
    }
}

extension LinkError {
    /// Whether another worker, or the same message once more, can help.
    var isMendable: Bool {
        switch self {
        case .peerGone, .peerStalled, .peerCorrupt, .damaged: true
        case .interrupted, .system: false
        }
    }
}
