import Messages

/// A serving worker's requests as they come, and its latest answers, so that what came damaged can
/// be had again.
///
/// A damaged request is dropped with all behind it until the coordinator has sent them again. A
/// request that was answered already, because the answer came damaged, gets the same bytes once
/// more and is not worked on again. A class, since the worker is busy with a request while the
/// next one is still to be counted.
final class RequestIntake {
    private struct KeptAnswer {
        /// What it answers, in full: only the very same request is one that comes again.
        var request: MessageHeader?
        var message = KeptMessage()
    }

    /// At least as many as the coordinator lets a worker owe at once.
    private static let keptCount = 8

    private let link: any MessageLink
    /// Messages since the worker was ready.
    private var count = 0
    /// The number of the first message that was dropped; `nil` while none is.
    private var droppedFrom: Int?
    private var answers = Array(repeating: KeptAnswer(), count: keptCount)
    private var oldest = 0
    /// What is worked on.
    private var current: MessageHeader?

    init(link: any MessageLink) { self.link = link }

    /// Waits for the next request that is to be worked on.
    func next<Value>(
        _ read: (RawSpan) throws(LinkError) -> Value
    ) throws(LinkError) -> Value {
        while true {
            do {
                let value = try link.receiveValue { (message) throws(LinkError) -> Value? in
                    defer { count += 1 }
                    return try isForWork(message) ? try read(message) : nil
                }
                if let value { return value }
            } catch .damaged {
                try reportDamage()
            }
        }
    }

    private func isForWork(_ message: RawSpan) throws(LinkError) -> Bool {
        let header = try MessageHeader(decoding: message)
        if let first = droppedFrom {
            if header.kind == .resume, header.count == first {
                droppedFrom = nil
            } else if header.kind.isAnsweredRequest {
                // Asked again: what was said of the damage may have come damaged itself.
                try tellDamage(from: first)
            }
            return false
        }
        // What was dropped has come already.
        guard header.kind != .resume else { return false }
        guard header.kind.isAnsweredRequest,
            let kept = answers.first(where: { $0.request == header })
        else {
            current = header
            return true
        }
        try kept.message.send(over: link)
        return false
    }

    private func reportDamage() throws(LinkError) {
        defer { count += 1 }
        // While messages are dropped, the one that would end that may be the damaged one.
        let first = droppedFrom ?? count
        droppedFrom = first
        try tellDamage(from: first)
    }

    private func tellDamage(from first: Int) throws(LinkError) {
        let header = MessageHeader(.damagedRequest, count: first, auxiliary: count, step: 0)
        try link.send(byteCount: MessageHeader.byteCount) { header.encode(into: &$0) }
    }

    /// Sends an answer and keeps it for a while.
    ///
    /// - Parameters:
    ///   - byteCount: of the answer.
    ///   - writtenByteCount: how many of them, from the first, `fill` writes; what the others say
    ///     is nobody's business, so they are neither written nor kept.
    func answer(
        byteCount: Int, writtenByteCount: Int, _ fill: (inout MutableRawSpan) -> Void
    ) throws(LinkError) {
        let place = oldest
        oldest = (oldest + 1) % Self.keptCount
        answers[place].request = current
        answers[place].message.replace(
            byteCount: byteCount, writtenByteCount: writtenByteCount, fill)
        try answers[place].message.send(over: link)
    }
}
