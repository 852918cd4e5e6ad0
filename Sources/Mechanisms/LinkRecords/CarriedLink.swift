package import Messages

/// One end of a link that one of our transports carries: what the program that made it may do with
/// it beside sending and receiving.
package protocol CarriedLink: MessageLink {
    /// Applied to the next message that is sent, and then forgotten.
    var fault: LinkFault? { get set }

    /// What carries the messages, as results name it.
    var transportName: String { get }

    /// Messages, bytes and waits of this end so far.
    var statistics: LinkStatistics { get }

    /// Whether this end was closed: then nothing can be sent.
    var isClosed: Bool { get }

    /// Tells the peer that nothing more will come; it reads what was sent, and then sending and
    /// receiving fail on both ends.
    func close()
}

/// One end of a link whose other end may be on another host.
package protocol RemoteLink: CarriedLink {
    /// The name of the worker's host, as it told it; on the worker's side, nil.
    var peerHostName: String? { get }

    /// After ``CarriedLink/close()``: waits until what was sent last is safe from the end of this
    /// process, at most `limit`.
    func linger(upTo limit: Duration)
}

/// Runs after each slice of sleep that brought nothing; throws when waiting is pointless, for
/// instance because the peer died or a signal asked this process to stop.
package typealias LinkWatch = () throws(LinkError) -> Void
