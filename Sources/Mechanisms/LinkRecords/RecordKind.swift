/// What a record is. Public for the reason of ``RecordHeader``.
@frozen public enum RecordKind: UInt32 {
    /// A message.
    case message = 0x4D53_4721
    /// Unused bytes up to the end of the ring; the next record lies at its start.
    case skip = 0x534B_4950
    /// A message of which only the first bytes mean anything: how many, in units of 16 bytes
    /// rounded up, stands in the lower 16 bits.
    case messageHead = 0x4D48_0000
}
