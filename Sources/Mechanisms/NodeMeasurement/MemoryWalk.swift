// The module's only unsafe code: loads from mapped memory without a check for each.
internal import MappedMemory
package import NUMABinding
internal import SeededRandom

/// Memory of one placement, read in a stream or line after line: what a node's reads cost.
///
/// Every 64-byte line begins with the number of the next line of one random cycle through all of
/// them, so that a chase visits each line once, in an order that no prefetcher guesses.
package struct MemoryWalk: ~Copyable, Sendable {
    package static let lineByteCount = 64
    private var memory: AnonymousMapping
    package let lineCount: Int

    /// Maps and fills memory under a policy; its pages are then where the policy says.
    ///
    /// - Parameters:
    ///   - byteCount: a multiple of 64, at least 128; far above the last cache's size to measure
    ///     memory and not caches.
    ///   - policy: `nil` leaves pages to the thread's own policy.
    ///   - seed: of the cycle's order.
    package static func create(
        byteCount: Int, policy: MemoryPolicy?, seed: UInt64
    ) throws -> MemoryWalk {
        precondition(byteCount >= 2 * lineByteCount && byteCount.isMultiple(of: lineByteCount))
        let memory = try AnonymousMapping.create(
            byteCount: byteCount, purpose: "memory to measure")
        if let policy { try NUMABinding.setMemoryPolicy(policy, of: memory.bytes) }
        var walk = MemoryWalk(memory: memory, lineCount: byteCount / lineByteCount)
        walk.fill(seed: seed)
        return walk
    }

    private init(memory: consuming AnonymousMapping, lineCount: Int) {
        self.memory = memory
        self.lineCount = lineCount
    }

    /// One cycle through all lines (Sattolo's algorithm), and the line's number in its last word.
    private mutating func fill(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var next = (0..<UInt32(lineCount)).map { $0 }
        for index in stride(from: lineCount - 1, to: 0, by: -1) {
            next.swapAt(index, Int.random(in: 0..<index, using: &random))
        }
        var words = memory.mutableElements(
            of: UInt64.self, atByteOffset: 0, count: 8 * lineCount)
        for line in 0..<lineCount {
            words[8 * line] = UInt64(next[line])
            words[8 * line + 7] = UInt64(line)
        }
    }

    /// Where its pages are.
    package func placement() throws(NUMABindingError) -> PagePlacement {
        try NUMABinding.pagePlacement(of: memory.bytes)
    }

    /// Reads all of it once, ascending.
    ///
    /// - Returns: the sum of all words, which is ``expectedSum``.
    package func readAll() -> UInt64 {
        let bytes = memory.bytes
        // Two chains of sums, so that an addition never waits for the one before it.
        var first = SIMD8<UInt64>()
        var second = SIMD8<UInt64>()
        var offset = 0
        let pairedEnd = lineCount / 2 * 128
        while offset < pairedEnd {
            first &+= unsafe bytes.unsafeLoad(fromByteOffset: offset, as: SIMD8<UInt64>.self)
            second &+= unsafe bytes.unsafeLoad(fromByteOffset: offset + 64, as: SIMD8<UInt64>.self)
            offset += 128
        }
        if offset < bytes.byteCount {
            first &+= unsafe bytes.unsafeLoad(fromByteOffset: offset, as: SIMD8<UInt64>.self)
        }
        return (first &+ second).wrappedSum()
    }

    /// What ``readAll()`` must find: each line's number once as successor and once as itself.
    package var expectedSum: UInt64 { UInt64(lineCount) * UInt64(lineCount - 1) }

    /// Follows the cycle for `stepCount` lines, each load waiting for the one before it.
    ///
    /// - Returns: the line reached; after ``lineCount`` steps from 0 it is 0 again.
    package func chase(stepCount: Int, from line: Int = 0) -> Int {
        let bytes = memory.bytes
        var line = UInt64(line)
        for _ in 0..<stepCount {
            line = unsafe bytes.unsafeLoad(
                fromByteOffset: Int(line) * Self.lineByteCount, as: UInt64.self)
        }
        return Int(line)
    }
}
