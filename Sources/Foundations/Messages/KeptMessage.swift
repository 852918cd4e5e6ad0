/// A message that can be sent again: its size, and those of its bytes that mean anything.
package struct KeptMessage: Sendable {
    package private(set) var byteCount = 0
    /// The message's first bytes; what is behind them is nobody's business.
    package private(set) var written: [UInt8] = []

    /// No message yet.
    package init() {}

    /// - Parameters:
    ///   - byteCount: of the whole message.
    ///   - writtenByteCount: how many of them, from the first, `fill` writes; all of them at most.
    package init(
        byteCount: Int, writtenByteCount: Int, _ fill: (inout MutableRawSpan) -> Void
    ) {
        replace(byteCount: byteCount, writtenByteCount: writtenByteCount, fill)
    }

    /// Another message in this one's memory.
    ///
    /// - Parameters: as of ``init(byteCount:writtenByteCount:_:)``; bytes that `fill` leaves alone
    ///   have no certain value.
    package mutating func replace(
        byteCount: Int, writtenByteCount: Int, _ fill: (inout MutableRawSpan) -> Void
    ) {
        precondition(writtenByteCount >= 0 && writtenByteCount <= byteCount)
        self.byteCount = byteCount
        let missing = writtenByteCount - written.count
        if missing > 0 {
            written.append(contentsOf: repeatElement(0, count: missing))
        } else {
            written.removeLast(-missing)
        }
        var elements = written.mutableSpan
        var bytes = unsafe elements.mutableBytes
        fill(&bytes)
    }

    package func send(over link: any MessageLink) throws(LinkError) {
        try link.send(byteCount: byteCount, writtenByteCount: written.count) {
            $0.store(written.span, at: 0)
        }
    }
}
