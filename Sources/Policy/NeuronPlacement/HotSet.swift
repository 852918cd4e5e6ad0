package import Quantities

/// The neurons of one block (QKV or MLP) of every layer, with what deciding on them takes.
package struct BlockActivity: Sendable {
    /// How often each neuron was active, [layers, neurons].
    package let counts: [[UInt32]]
    /// Memory of one neuron's copy on the GPU, bytes.
    package let bytesPerNeuron: Int

    package init(counts: [[UInt32]], bytesPerNeuron: Int) {
        precondition(bytesPerNeuron >= 0)
        self.counts = counts
        self.bytesPerNeuron = bytesPerNeuron
    }
}

/// Chooses the hot neurons: those that get a second copy in the GPU's memory.
package struct HotSetSelection: Sendable {
    /// At most this share of each layer's neurons per block.
    package let hotShare: Proportion
    /// Bytes of GPU memory left for copies.
    package let memoryByteCount: Int

    package init(hotShare: Proportion, memoryByteCount: Int) {
        precondition(hotShare <= .one)
        precondition(memoryByteCount >= 0)
        self.hotShare = hotShare
        self.memoryByteCount = memoryByteCount
    }

    /// The most frequent neurons, ties by lowest index, first within the share of each layer,
    /// then, while memory lasts, by count over all layers and blocks (ties by layer, block,
    /// index). Deterministic.
    ///
    /// - Returns: ascending neuron indices, [blocks][layers][hot].
    package func choose(from blocks: [BlockActivity]) -> [[[UInt32]]] {
        var candidates: [Candidate] = []
        for (block, activity) in blocks.enumerated() {
            for (layer, counts) in activity.counts.enumerated() {
                let ranked = counts.indices.sorted {
                    (counts[$1], $0) < (counts[$0], $1)
                }
                let limit = Int(hotShare.roundingDown(UInt64(counts.count)))
                for neuron in ranked.prefix(limit) {
                    candidates.append(
                        Candidate(
                            count: counts[neuron], layer: layer, block: block, neuron: neuron))
                }
            }
        }
        candidates.sort()
        var chosen = blocks.map { $0.counts.map { _ in [UInt32]() } }
        var remaining = memoryByteCount
        for candidate in candidates {
            let byteCount = blocks[candidate.block].bytesPerNeuron
            guard byteCount <= remaining else { continue }
            remaining -= byteCount
            chosen[candidate.block][candidate.layer].append(UInt32(candidate.neuron))
        }
        return chosen.map { $0.map { $0.sorted() } }
    }
}

/// Ordered by descending count, then layer, block and index.
private struct Candidate: Comparable {
    let count: UInt32
    let layer: Int
    let block: Int
    let neuron: Int

    static func < (lhs: Self, rhs: Self) -> Bool {
        (rhs.count, lhs.layer, lhs.block, lhs.neuron)
            < (lhs.count, rhs.layer, rhs.block, rhs.neuron)
    }
}
