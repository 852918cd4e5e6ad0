package import ActivationPredictor
package import PackedSets
package import Quantities

/// A neuron that gets a copy in the GPU's memory, in free room or over another's.
package struct HotSwap: Hashable, Sendable {
    package let layer: Int
    package let block: Int
    package let copiedIn: Int
    /// The resident whose room it takes; its home DIMM still has it, so nothing is written back.
    package let evicted: Int?

    package init(layer: Int, block: Int, copiedIn: Int, evicted: Int?) {
        self.layer = layer
        self.block = block
        self.copiedIn = copiedIn
        self.evicted = evicted
    }
}

/// What bounds the copies on the GPU.
package struct HotBudget: Equatable, Sendable {
    /// At most this share of each layer's neurons per block, rounded down.
    package let hotShare: Proportion
    /// All copies together.
    package let memoryByteCount: Int
    /// One neuron's copy, [blocks].
    package let bytesPerNeuron: [Int]

    package init(hotShare: Proportion, memoryByteCount: Int, bytesPerNeuron: [Int]) {
        precondition(memoryByteCount >= 0)
        precondition(bytesPerNeuron.allSatisfy { $0 >= 1 })
        self.hotShare = hotShare
        self.memoryByteCount = memoryByteCount
        self.bytesPerNeuron = bytesPerNeuron
    }

    /// Copies of one block in one layer, at most.
    package func limit(neuronCount: Int) -> Int {
        Int(hotShare.roundingDown(UInt64(neuronCount)))
    }
}

/// Keeps the GPU's copies to the neurons that are hot now: a neuron whose state is above T_h and
/// that has no copy gets one, over the resident with the lowest state once room is used up.
///
/// Highest states first, and only over a resident whose state is lower: otherwise nothing is
/// gained. In a batch the sum over the sequences counts, since a copy saves what the units do for
/// all of them; parents may speak for a neuron, too (``NeuronScores``). The copies travel while the
/// GPU is busy with the projection, so each plan is bounded by the bytes that fit that time; who
/// does not fit waits for the next.
///
/// A plan reserves its room at once and takes effect with ``commit(layer:block:)``, when the
/// copies have arrived; ``abort(layer:block:)`` leaves everything as it was. A block plans again
/// only after either, so the budget holds however many blocks have copies on the way.
///
/// Source: Liu et al., HPCA 2025, arXiv 2502.16963.
package struct HotColdAdjustment: Equatable, Sendable {
    package let layout: NeuronLayout
    package let budget: HotBudget
    /// T_h.
    package let hotThreshold: Int
    private var residents: [[PackedSet]]  // [layers][blocks]
    private var residentCounts: [[Int]]  // [layers][blocks]
    private var inFlight: [[[HotSwap]]]  // [layers][blocks]
    /// Memory of the copies and of what is reserved for those on the way; never above the budget.
    package private(set) var usedByteCount = 0

    /// - Parameter residents: who has a copy at the start, [layers][blocks], within the budget.
    package init(
        layout: NeuronLayout, budget: HotBudget, hotThreshold: Int = 10, residents: [[PackedSet]]
    ) {
        precondition(budget.bytesPerNeuron.count == layout.blockCount)
        precondition(hotThreshold >= 0 && hotThreshold <= NeuronStateTable.maximumState)
        precondition(residents.count == layout.layerCount)
        precondition(residents.allSatisfy { $0.map(\.elementCount) == layout.neuronCounts })
        self.layout = layout
        self.budget = budget
        self.hotThreshold = hotThreshold
        self.residents = residents
        residentCounts = residents.map { $0.map(\.memberCount) }
        inFlight = layout.map { _, _ in [] }
        for counts in residentCounts {
            for (block, count) in counts.enumerated() {
                precondition(count <= budget.limit(neuronCount: layout.neuronCounts[block]))
                usedByteCount += count * budget.bytesPerNeuron[block]
            }
        }
        precondition(usedByteCount <= budget.memoryByteCount)
    }

    /// The neurons with a copy on the GPU.
    package func residents(layer: Int, block: Int) -> PackedSet { residents[layer][block] }

    /// Copies that are planned and neither committed nor aborted.
    package func inFlight(layer: Int, block: Int) -> [HotSwap] { inFlight[layer][block] }

    /// The swaps that one block's scores ask for, highest first; reserves their room.
    ///
    /// - Parameters:
    ///   - scores: the states, or what else speaks for a copy; hot is who is above T_h.
    ///   - keeping: what speaks for a resident, where that is something else; on the same scale.
    ///   - byteLimit: of the copies.
    /// - Returns: nothing while the block's last plan is on the way.
    package mutating func plan(
        layer: Int, block: Int, scores: NeuronScores, keeping: NeuronScores? = nil, byteLimit: Int
    ) -> [HotSwap] {
        guard inFlight[layer][block].isEmpty else { return [] }
        let swaps = wantedSwaps(
            layer: layer, block: block, scores: scores, keeping: keeping ?? scores,
            byteLimit: byteLimit)
        usedByteCount += budget.bytesPerNeuron[block] * swaps.count { $0.evicted == nil }
        precondition(usedByteCount <= budget.memoryByteCount)
        inFlight[layer][block] = swaps
        return swaps
    }

    private func wantedSwaps(
        layer: Int, block: Int, scores: NeuronScores, keeping: NeuronScores, byteLimit: Int
    ) -> [HotSwap] {
        precondition(keeping.neuronCount == scores.neuronCount)
        precondition(scores.neuronCount == layout.neuronCounts[block])
        precondition(byteLimit >= 0)
        let bytesPerNeuron = budget.bytesPerNeuron[block]
        let swapLimit = byteLimit / bytesPerNeuron
        guard swapLimit > 0 else { return [] }
        let resident = residents[layer][block]
        var wanted = scores.neurons(above: hotThreshold)
        wanted.subtract(resident)
        let candidates = scores.highest(swapLimit, of: wanted)
        let roomInShare =
            budget.limit(neuronCount: scores.neuronCount) - residentCounts[layer][block]
        let roomInMemory = (budget.memoryByteCount - usedByteCount) / bytesPerNeuron
        let room = max(0, min(roomInShare, roomInMemory))
        let coldest = keeping.lowest(max(0, candidates.count - room), of: resident)
        var swaps: [HotSwap] = []
        for (index, neuron) in candidates.enumerated() {
            var evicted: Int?
            if index >= room {
                // Later ones are wanted no more than this one, and find no colder resident.
                guard index - room < coldest.count,
                    keeping.score(of: coldest[index - room]) < scores.score(of: neuron)
                else { break }
                evicted = coldest[index - room]
            }
            swaps.append(HotSwap(layer: layer, block: block, copiedIn: neuron, evicted: evicted))
        }
        return swaps
    }

    /// The block's copies have arrived: they are residents from now on.
    package mutating func commit(layer: Int, block: Int) {
        for swap in inFlight[layer][block] {
            residents[layer][block].insert(swap.copiedIn)
            if let evicted = swap.evicted {
                residents[layer][block].remove(evicted)
            } else {
                residentCounts[layer][block] += 1
            }
        }
        inFlight[layer][block] = []
    }

    /// The block's copies did not arrive: as if they had not been planned.
    package mutating func abort(layer: Int, block: Int) {
        let swaps = inFlight[layer][block]
        usedByteCount -= budget.bytesPerNeuron[block] * swaps.count { $0.evicted == nil }
        inFlight[layer][block] = []
    }
}
