import Foundation
package import Messages

/// A message link inside one process: what a role sees of a ring, without shared memory.
///
/// Messages queue in order up to a limit of bytes; an end waits on a condition variable. Each end
/// belongs to one thread, as with every link.
package final class InMemoryLink: MessageLink {
    package let maximumMessageByteCount: Int
    private let outgoing: MessageQueue
    private let incoming: MessageQueue

    /// Two ends of one connection.
    ///
    /// - Parameters:
    ///   - maximumMessageByteCount: of one message.
    ///   - capacity: payload bytes that a direction holds before its sender waits; at least one
    ///     message of the maximum.
    package static func pair(
        maximumMessageByteCount: Int = 1 << 16, capacity: Int = 1 << 18
    ) -> (InMemoryLink, InMemoryLink) {
        precondition(capacity >= maximumMessageByteCount)
        let there = MessageQueue(capacity: capacity)
        let back = MessageQueue(capacity: capacity)
        return (
            InMemoryLink(outgoing: there, incoming: back, maximumMessageByteCount),
            InMemoryLink(outgoing: back, incoming: there, maximumMessageByteCount)
        )
    }

    private init(
        outgoing: MessageQueue, incoming: MessageQueue, _ maximumMessageByteCount: Int
    ) {
        self.outgoing = outgoing
        self.incoming = incoming
        self.maximumMessageByteCount = maximumMessageByteCount
    }

    deinit { close() }

    /// Tells the peer that nothing more will come; it reads what was sent, then fails.
    package func close() {
        outgoing.close()
        incoming.close()
    }

    package func send(byteCount: Int, _ fill: (inout MutableRawSpan) -> Void) throws(LinkError) {
        precondition(byteCount >= 0 && byteCount <= maximumMessageByteCount)
        var message = [UInt8](repeating: 0, count: byteCount)
        var elements = message.mutableSpan
        var bytes = unsafe elements.mutableBytes
        fill(&bytes)
        guard outgoing.append(message) else { throw .peerGone("closed") }
    }

    package func receive(_ read: (RawSpan) -> Void) throws(LinkError) {
        guard case .message(let message) = incoming.removeFirst(isWaiting: true) else {
            throw .peerGone("closed")
        }
        unsafe read(message.span.bytes)
    }

    package func tryReceive(_ read: (RawSpan) -> Void) throws(LinkError) -> Bool {
        switch incoming.removeFirst(isWaiting: false) {
        case .message(let message):
            unsafe read(message.span.bytes)
            return true
        case .empty:
            return false
        case .closed:
            throw .peerGone("closed")
        }
    }
}

/// One direction's messages. Every field is used under the condition's lock, hence Sendable.
private final class MessageQueue: @unchecked Sendable {
    enum Outcome {
        case message([UInt8])
        case empty
        case closed
    }

    private let condition = NSCondition()
    private let capacity: Int
    private var messages: [[UInt8]] = []
    private var byteCount = 0
    private var isClosed = false

    init(capacity: Int) { self.capacity = capacity }

    /// Waits for room; false when the queue was closed.
    func append(_ message: [UInt8]) -> Bool {
        condition.withLock {
            while !isClosed, !messages.isEmpty, byteCount + message.count > capacity {
                condition.wait()
            }
            guard !isClosed else { return false }
            messages.append(message)
            byteCount += message.count
            condition.broadcast()
            return true
        }
    }

    func removeFirst(isWaiting: Bool) -> Outcome {
        condition.withLock {
            while isWaiting, !isClosed, messages.isEmpty { condition.wait() }
            guard !messages.isEmpty else { return isClosed ? .closed : .empty }
            let message = messages.removeFirst()
            byteCount -= message.count
            condition.broadcast()
            return .message(message)
        }
    }

    func close() {
        condition.withLock {
            isClosed = true
            condition.broadcast()
        }
    }
}
