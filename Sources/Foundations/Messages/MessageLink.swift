/// One end of a duplex, ordered, reliable connection between the coordinator and one worker.
///
/// Roles see only this protocol, so a whole system runs inside one test, and rings, sockets and
/// RDMA are interchangeable. A link has one owner thread; it is not shared.
package protocol MessageLink: AnyObject {
    /// The largest message that ``send(byteCount:_:)`` accepts, in bytes.
    var maximumMessageByteCount: Int { get }

    /// Writes one message in place and publishes it; waits while there is no room.
    ///
    /// - Parameter fill: writes the message; sees exactly `byteCount` bytes of unspecified content.
    func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError)

    /// As ``send(byteCount:_:)``, of a message of which only the first `writtenByteCount` bytes
    /// mean anything: what the others are when they arrive is unspecified, and damage to them may
    /// go unnoticed.
    ///
    /// - Parameter fill: writes the message; sees exactly `writtenByteCount` bytes.
    func send(
        byteCount: Int, writtenByteCount: Int, _ fill: (inout MutableRawSpan) -> Void
    ) throws(LinkError)

    /// Waits for the oldest message and reads it in place; its room is given back on return.
    ///
    /// The peer can still write while `read` runs: copy what decides control flow, then check it.
    ///
    /// - Throws: ``LinkError/damaged(_:)`` instead of calling `read` when the message was damaged
    ///   on its way; the link goes on with the message behind it.
    func receive(_ read: (RawSpan) -> Void) throws(LinkError)

    /// As ``receive(_:)``, but returns `false` at once when no message is there.
    func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool
}

extension MessageLink {
    /// For links that carry every byte anyway.
    package func send(
        byteCount: Int, writtenByteCount: Int, _ fill: (inout MutableRawSpan) -> Void
    ) throws(LinkError) {
        precondition(writtenByteCount >= 0 && writtenByteCount <= byteCount)
        try send(byteCount: byteCount) { message in
            var written = message._mutatingExtracting(0..<writtenByteCount)
            fill(&written)
        }
    }

    /// Waits for a message and returns what `read` makes of it.
    package func receiveValue<Value>(
        _ read: (RawSpan) throws(LinkError) -> Value
    ) throws(LinkError) -> Value {
        var outcome: Result<Value, LinkError>?
        try receive { message in
            outcome = Result { () throws(LinkError) in try read(message) }
        }
        guard let outcome else { preconditionFailure("a link received without reading") }
        return try outcome.get()
    }
}

/// What ends a link from outside, and damage that it outlives. Our own misuse (a message above the
/// maximum) traps instead.
package enum LinkError: Error, Equatable, CustomStringConvertible {
    /// The peer process is gone; the text says how it ended.
    case peerGone(String)
    /// The peer lives, owes a message and does nothing; the text says for how long.
    case peerStalled(String)
    /// The peer's memory or message breaks the protocol; the text names the field and the rule.
    case peerCorrupt(String)
    /// One message arrived damaged and is gone; its room was given back and the link stays usable,
    /// so the transfer can be repeated. The text names the message.
    case damaged(String)
    /// A signal asked this process to stop while it waited.
    case interrupted(signal: Int32)
    /// The operating system refused; the text names call and cause.
    case system(String)

    package var description: String {
        switch self {
        case .peerGone(let how): "peer is gone: \(how)"
        case .peerStalled(let what): "peer stalled: \(what)"
        case .peerCorrupt(let what): "peer broke the protocol: \(what)"
        case .damaged(let what): "damaged on its way: \(what)"
        case .interrupted(let signal): "interrupted by signal \(signal)"
        case .system(let what): what
        }
    }
}
