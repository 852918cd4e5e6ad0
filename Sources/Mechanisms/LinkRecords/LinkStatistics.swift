/// What one end of a link did so far.
package struct LinkStatistics: Equatable, Sendable {
    package var messagesSent = 0
    package var messagesReceived = 0
    /// Messages that arrived damaged; no other count knows of them.
    package var messagesDamaged = 0
    package var bytesSent = 0
    package var bytesReceived = 0
    /// Looks at an empty or full ring while spinning.
    package var spins = 0
    /// Times the core was offered to others.
    package var yields = 0
    /// Times the kernel was asked to sleep.
    package var sleeps = 0
    /// Times the peer slept and was woken: system calls.
    package var wakes = 0

    package init() {}

    /// A message was taken, or came damaged.
    package mutating func noteReceived(_ byteCount: Int, isIntact: Bool) {
        guard isIntact else {
            messagesDamaged += 1
            return
        }
        messagesReceived += 1
        bytesReceived += byteCount
    }
}
