import ActivationPredictor
package import PackedSets

/// Decides which cold neurons change their DIMM, from activity alone.
///
/// One value serves one sequence of tokens. For every token ``remaps(before:homes:)``, then
/// ``observe(layer:block:activeCold:)`` for each block of each layer, then ``endToken(homes:)``.
/// Whoever asks moves the neurons; a remap that fails simply stays undone, for the home table is
/// asked anew each time. Equal calls give equal answers.
package protocol Rebalancer: Sendable {
    /// What reports call it.
    var name: String { get }

    /// Whether it must be told the next token's activity in advance. Only bounds do.
    var needsTruth: Bool { get }

    /// Remaps for a token whose active cold neurons, [layers][blocks], are known in advance; asked
    /// only of those that ``needsTruth``.
    mutating func remaps(before activeCold: [[PackedSet]], homes: HomeTable) -> [Remap]

    /// These neurons were computed on DIMMs at this token.
    mutating func observe(layer: Int, block: Int, activeCold: PackedSet)

    /// The token is over: the remaps to make before the next, no neuron twice.
    mutating func endToken(homes: HomeTable) -> [Remap]
}

extension Rebalancer {
    package var needsTruth: Bool { false }

    package mutating func remaps(before activeCold: [[PackedSet]], homes: HomeTable) -> [Remap] {
        []
    }
}

/// Leaves every neuron where it is.
package struct NoRebalancer: Rebalancer {
    package let name: String

    package init(name: String = "none") { self.name = name }
    package mutating func observe(layer: Int, block: Int, activeCold: PackedSet) {}
    package mutating func endToken(homes: HomeTable) -> [Remap] { [] }
}

/// How often each neuron was computed on a DIMM within the current window of tokens.
struct WindowCounts: Sendable {
    let windowTokenCount: Int
    private(set) var counts: [[[UInt32]]]  // [layers][blocks][neurons]
    /// The neurons whose count is above 0, [layers][blocks].
    private(set) var counted: [[PackedSet]]
    private var tokenCount = 0

    init(layout: NeuronLayout, windowTokenCount: Int) {
        precondition(windowTokenCount >= 1 && windowTokenCount <= Int(UInt16.max))
        self.windowTokenCount = windowTokenCount
        counts = layout.map { _, block in
            Array(repeating: 0, count: layout.neuronCounts[block])
        }
        counted = layout.map { _, block in PackedSet(elementCount: layout.neuronCounts[block]) }
    }

    mutating func add(_ active: PackedSet, layer: Int, block: Int) {
        counted[layer][block].formUnion(active)
        active.addMembers(to: &counts[layer][block])
    }

    /// - Returns: whether the window is full; the caller then reads it and calls ``clear()``.
    mutating func endToken() -> Bool {
        tokenCount += 1
        return tokenCount == windowTokenCount
    }

    mutating func clear() {
        tokenCount = 0
        for layer in counts.indices {
            for block in counts[layer].indices {
                counts[layer][block] = Array(repeating: 0, count: counts[layer][block].count)
                counted[layer][block].removeAll()
            }
        }
    }
}
