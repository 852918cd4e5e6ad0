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
/// Highest states first, ties to the lowest index, and only over a resident whose state is lower:
/// otherwise nothing is gained. The copies travel while the GPU is busy with the projection, so
/// each plan is bounded by the bytes that fit that time; who does not fit waits for the next.
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

    /// The swaps that one block's states ask for, highest state first; reserves their room.
    ///
    /// - Parameter byteLimit: weights that reach the GPU in the projection's shadow.
    /// - Returns: nothing while the block's last plan is on the way.
    package mutating func plan(
        layer: Int, block: Int, states: NeuronStateTable, byteLimit: Int
    ) -> [HotSwap] {
        guard inFlight[layer][block].isEmpty else { return [] }
        let swaps = wantedSwaps(layer: layer, block: block, states: states, byteLimit: byteLimit)
        usedByteCount += budget.bytesPerNeuron[block] * swaps.count { $0.evicted == nil }
        precondition(usedByteCount <= budget.memoryByteCount)
        inFlight[layer][block] = swaps
        return swaps
    }

    private func wantedSwaps(
        layer: Int, block: Int, states: NeuronStateTable, byteLimit: Int
    ) -> [HotSwap] {
        precondition(states.neuronCount == layout.neuronCounts[block])
        precondition(byteLimit >= 0)
        let bytesPerNeuron = budget.bytesPerNeuron[block]
        let swapLimit = byteLimit / bytesPerNeuron
        guard swapLimit > 0, hotThreshold < NeuronStateTable.maximumState else { return [] }
        let resident = residents[layer][block]
        let roomInShare =
            budget.limit(neuronCount: states.neuronCount) - residentCounts[layer][block]
        let roomInMemory = (budget.memoryByteCount - usedByteCount) / bytesPerNeuron
        var room = min(roomInShare, roomInMemory)
        var coldest = Coldest(resident, states: states)
        var swaps: [HotSwap] = []
        var higher = PackedSet(elementCount: states.neuronCount)
        for state in stride(from: NeuronStateTable.maximumState, to: hotThreshold, by: -1) {
            let reached = states.neurons(above: state - 1)
            var wanted = reached
            wanted.subtract(higher)
            wanted.subtract(resident)
            higher = reached
            for neuron in wanted.members {
                guard swaps.count < swapLimit else { return swaps }
                var evicted: Int?
                if room > 0 {
                    room -= 1
                } else {
                    // Later ones are wanted no more than this one, and find the same resident.
                    guard let next = coldest.next(below: state) else { return swaps }
                    evicted = next
                }
                swaps.append(
                    HotSwap(layer: layer, block: block, copiedIn: neuron, evicted: evicted))
            }
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

/// The residents from the lowest state up, ties to the lowest index, found state by state.
private struct Coldest {
    private let states: NeuronStateTable
    private var state = -1
    private var left: PackedSet  // residents whose state is above `state`
    private var found: [Int] = []  // of `state`, not yet taken, descending

    init(_ resident: PackedSet, states: NeuronStateTable) {
        left = resident
        self.states = states
    }

    mutating func next(below limit: Int) -> Int? {
        while found.isEmpty {
            guard state + 1 < limit else { return nil }
            state += 1
            var above = states.neurons(above: state)
            above.formIntersection(left)
            var set = left
            set.subtract(above)
            left = above
            found = set.members.reversed()
        }
        return state < limit ? found.removeLast() : nil
    }
}
