/// Where frames lie in a memory, each in one piece: one that does not fit before the end begins at
/// the start. The window keeps what is not read from being written over.
package struct FramePlaces {
    private let memoryByteCount: Int
    /// Bytes that were ever taken, gaps at the end included.
    private var taken = 0

    package init(memoryByteCount: Int) { self.memoryByteCount = memoryByteCount }

    /// Takes the next place.
    ///
    /// - Returns: its offset.
    package mutating func take(_ byteCount: Int) -> Int {
        let offset = taken % memoryByteCount
        if offset + byteCount > memoryByteCount { taken += memoryByteCount - offset }
        defer { taken += byteCount }
        return taken % memoryByteCount
    }

    /// From the start again: nothing is kept any more.
    package mutating func startAgain() { taken = 0 }
}
