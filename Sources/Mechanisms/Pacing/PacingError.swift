package import Quantities

/// What can go wrong with time that comes from outside: a peer's message, shared memory, a wait
/// that has lost its sense. What our own code does wrong traps instead.
package enum PacingError: Error, Equatable, CustomStringConvertible {
    /// A booking would end, or a total grow, beyond 64 bits of picoseconds or bytes.
    case emulatedTimeOverflow(byteCount: ByteCount, readyAt: EmulatedTime)
    /// An emulated instant whose wall time does not fit 64 bits of nanoseconds.
    case deadlineOverflow(EmulatedTime, dilation: Dilation)
    /// The watch ended a wait: a signal arrived or a peer died; `reason` is the watch's own.
    case waitEnded(reason: String)
    /// Sharers of a link do not agree on its bandwidth, dilation or origin.
    case linkMismatch(link: Int, field: String, expected: UInt64, found: UInt64)
    /// A shared schedule that no well-behaved sharer can have left, or a transfer that is ready
    /// only so late: further ahead than allowed.
    case scheduleTooFarAhead(link: Int, byteCount: ByteCount, limit: ByteCount)
    /// A transfer would not end within 64 bits of bytes or wall nanoseconds.
    case scheduleOverflow(link: Int, byteCount: ByteCount)
    /// The memory for shared schedules is smaller than its links need.
    case boardTooSmall(byteCount: Int, neededByteCount: Int)
    /// A text is not a dilation factor; the rule says what one is.
    case notADilation(String, rule: String)

    package var description: String {
        switch self {
        case .emulatedTimeOverflow(let byteCount, let readyAt):
            "a transfer of \(byteCount), ready at \(readyAt), ends after 213 days of emulated time"
        case .deadlineOverflow(let time, let dilation):
            "emulated instant \(time) at dilation \(dilation) exceeds 64 bits of wall nanoseconds"
        case .waitEnded(let reason):
            "the wait was ended: \(reason)"
        case .linkMismatch(let link, let field, let expected, let found):
            "shared link \(link): \(field) is \(found) there and \(expected) here"
        case .scheduleTooFarAhead(let link, let byteCount, let limit):
            "shared link \(link): a transfer would begin \(byteCount) of link time from now, beyond"
                + " the limit of \(limit): its memory is corrupt, or the ready time is"
        case .scheduleOverflow(let link, let byteCount):
            "shared link \(link): a transfer of \(byteCount) does not end within 64 bits"
        case .boardTooSmall(let byteCount, let needed):
            "the memory for shared links has \(byteCount) bytes, fewer than the \(needed) needed"
        case .notADilation(let text, let rule):
            "'\(text)' is not a dilation factor: \(rule)"
        }
    }
}
