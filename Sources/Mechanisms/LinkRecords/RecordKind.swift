/// What a record is. Public for the reason of ``RecordHeader``.
@frozen public enum RecordKind: UInt32 {
    /// A message.
    case message = 0x4D53_4721
    /// Unused bytes up to the end of the ring; the next record lies at its start.
    case skip = 0x534B_4950
}
