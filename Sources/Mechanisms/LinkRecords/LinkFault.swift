/// What can go wrong with one message, made to happen: ``CarriedLink/fault`` holds it for the next.
package enum LinkFault {
    /// Half of the payload is on its way, nothing is published, and the closure runs. If it
    /// returns, the message is completed and sent as if nothing had been.
    case halfWritten(then: () -> Void)
    /// This bit of the payload, counted modulo its length, is turned over behind the checksum's
    /// back (of what is written, where the rest means nothing); an empty payload's checksum
    /// instead.
    case corruptPayload(bit: Int)
    /// This bit of the header, modulo 96 (its checksum excluded), is turned over.
    case corruptHeader(bit: Int)
    /// The message carries the sequence number after the one that is due, and so do all after it.
    case skipSequence
    /// The message is published, and whoever sleeps for it is not woken. A socket has no doorbell:
    /// there it is sent like any other.
    case loseDoorbell
    /// The message says that it is of the worker before. A ring's memory belongs to one start of
    /// a worker, and its records have no epoch: there it is sent like any other.
    case staleEpoch
}
