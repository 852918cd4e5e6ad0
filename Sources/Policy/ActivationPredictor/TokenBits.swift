import PackedSets

/// The activity of one block turned on its side: for each neuron one bit per token, 64 tokens to a
/// word, so that how often two neurons were active together is a matter of counting bits.
struct TokenBits: Sendable {
    let neuronCount: Int
    private(set) var tokenCount = 0
    /// Whole chunks of 64 tokens, [chunks][neurons, filled up to a multiple of 64].
    private var chunks: [[UInt64]] = []
    /// Words of the sets of the tokens since, [tokens][words].
    private var pending: [[UInt64]] = []

    init(neuronCount: Int) { self.neuronCount = neuronCount }

    mutating func add(_ active: PackedSet) {
        precondition(active.elementCount == neuronCount)
        tokenCount += 1
        pending.append(active.words)
        if pending.count == 64 { closeChunk() }
    }

    /// All chunks, the last one filled up with tokens in which nobody was active.
    func allChunks() -> [[UInt64]] {
        var copy = self
        if !copy.pending.isEmpty { copy.closeChunk() }
        return copy.chunks
    }

    private mutating func closeChunk() {
        let wordCount = PackedSet.wordCount(elementCount: neuronCount)
        var chunk = Array(repeating: UInt64(0), count: 64 * wordCount)
        var square = Array(repeating: UInt64(0), count: 64)
        for word in 0..<wordCount {
            for token in square.indices {
                square[token] = token < pending.count ? pending[token][word] : 0
            }
            Self.transpose(&square)
            for neuron in square.indices { chunk[64 * word + neuron] = square[neuron] }
        }
        chunks.append(chunk)
        pending.removeAll(keepingCapacity: true)
    }

    /// Bit `c` of word `r` changes places with bit `r` of word `c`, of 64 words: swaps the
    /// off-diagonal quarters, then theirs, down to single bits.
    ///
    /// Source: Warren, "Hacker's Delight", section 7-3.
    static func transpose(_ square: inout [UInt64]) {
        precondition(square.count == 64)
        var width = 32
        var mask: UInt64 = 0x0000_0000_FFFF_FFFF
        while width > 0 {
            var row = 0
            while row < 64 {
                let swapped = (square[row] >> UInt64(width) ^ square[row + width]) & mask
                square[row] ^= swapped << UInt64(width)
                square[row + width] ^= swapped
                row = (row + width + 1) & ~width
            }
            width /= 2
            mask ^= mask << UInt64(width)
        }
    }
}
