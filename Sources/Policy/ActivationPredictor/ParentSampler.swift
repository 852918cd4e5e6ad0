package import PackedSets

/// How much a possible parent tells about a child.
package enum ParentMeasure: String, CaseIterable, Sendable {
    /// P(child active | parent active): the paper's. Favours parents that are rarely active.
    case conditional
    /// Tokens with both active over tokens with either.
    case jaccard
}

/// Finds each neuron's two parents from recorded activity, token by token.
///
/// Keeps one bit per neuron and token; ``table(by:minimumSupport:)`` then counts, for every pair
/// of a child and a neuron of the layer below, the tokens in which both were active.
package struct ParentSampler: Sendable {
    package let layout: NeuronLayout
    private var bits: [[TokenBits]]  // [layers][blocks]

    /// - Precondition: blocks have 2 to 65,536 neurons: every child needs two parents.
    package init(layout: NeuronLayout) {
        precondition(
            layout.neuronCounts.allSatisfy {
                $0 >= CorrelationTable.parentCount && $0 <= CorrelationTable.neuronLimit
            })
        self.layout = layout
        bits = layout.map { _, block in TokenBits(neuronCount: layout.neuronCounts[block]) }
    }

    /// Adds one token's active neurons, [layers][blocks].
    package mutating func add(token: [[PackedSet]]) {
        precondition(token.count == layout.layerCount)
        for (layer, blocks) in token.enumerated() {
            precondition(blocks.count == layout.blockCount)
            for (block, active) in blocks.enumerated() { bits[layer][block].add(active) }
        }
    }

    /// Tokens added so far.
    package var tokenCount: Int { bits.first?.first?.tokenCount ?? 0 }

    /// The two neurons below that score highest for each child, ties to the lowest index.
    ///
    /// - Parameter minimumSupport: a neuron that was active in fewer tokens scores 0, lest one
    ///   common token make it a perfect parent. 1 excludes nobody.
    /// - Complexity: neurons² × (layers - 1) × tokens / 64 word operations.
    package func table(
        by measure: ParentMeasure, minimumSupport: Int = 1
    ) -> CorrelationTable {
        let parents = layout.map { layer, block -> [UInt16] in
            guard layer > 0 else { return [] }
            return ParentSearch(
                children: bits[layer][block], below: bits[layer - 1][block], measure: measure,
                minimumSupport: minimumSupport
            ).run()
        }
        do {
            return try CorrelationTable(layout: layout, parents: parents)
        } catch {
            preconditionFailure("sampled parents do not fit their own layout: \(error)")
        }
    }
}

/// The search for the parents of one block's neurons.
private struct ParentSearch {
    /// Eight neurons of the layer below side by side, each lane one neuron's tokens.
    typealias Lanes = SIMD8<UInt64>

    let measure: ParentMeasure
    let minimumSupport: Int
    let neuronCount: Int
    let chunkCount: Int
    let childBits: [[UInt64]]  // [chunks][neurons]
    let belowLanes: [Lanes]  // [groups of 8 neurons][chunks]
    let childCounts: [Int]  // tokens in which each was active
    let belowCounts: [Int]

    init(
        children: TokenBits, below: TokenBits, measure: ParentMeasure, minimumSupport: Int
    ) {
        precondition(children.tokenCount == below.tokenCount)
        self.measure = measure
        self.minimumSupport = minimumSupport
        neuronCount = children.neuronCount
        childBits = children.allChunks()
        chunkCount = childBits.count
        let belowBits = below.allChunks()
        var lanes: [Lanes] = []
        let groupCount = (below.neuronCount + Lanes.scalarCount - 1) / Lanes.scalarCount
        lanes.reserveCapacity(groupCount * chunkCount)
        for group in 0..<groupCount {
            let first = group * Lanes.scalarCount
            for chunk in belowBits {
                lanes.append(Lanes(chunk[first..<first + Lanes.scalarCount]))
            }
        }
        belowLanes = lanes
        childCounts = Self.counts(childBits, neuronCount: neuronCount)
        belowCounts = Self.counts(belowBits, neuronCount: below.neuronCount)
    }

    private static func counts(_ chunks: [[UInt64]], neuronCount: Int) -> [Int] {
        (0..<neuronCount).map { neuron in
            chunks.reduce(0) { $0 + $1[neuron].nonzeroBitCount }
        }
    }

    /// Parents of all children, two each.
    func run() -> [UInt16] {
        var parents: [UInt16] = []
        parents.reserveCapacity(CorrelationTable.parentCount * neuronCount)
        for child in 0..<neuronCount {
            let best = bestParents(of: child)
            parents.append(UInt16(best.first.neuron))
            parents.append(UInt16(best.second.neuron))
        }
        return parents
    }

    private func bestParents(of child: Int) -> (first: Candidate, second: Candidate) {
        let tokens = childBits.map { $0[child] }
        let childCount = childCounts[child]
        var first = Candidate.none
        var second = Candidate.none
        var group = 0
        var neuron = 0
        while neuron < neuronCount {
            let both = countsTogether(tokens, group: group)
            let end = min(Lanes.scalarCount, neuronCount - neuron)
            for lane in 0..<end {
                let candidate = candidate(
                    neuron, together: Int(truncatingIfNeeded: both[lane]), childCount: childCount)
                if candidate.isBetter(than: second) {
                    if candidate.isBetter(than: first) {
                        second = first
                        first = candidate
                    } else {
                        second = candidate
                    }
                }
                neuron += 1
            }
            group += 1
        }
        return (first, second)
    }

    @inline(__always)
    private func candidate(_ neuron: Int, together: Int, childCount: Int) -> Candidate {
        let belowCount = belowCounts[neuron]
        guard belowCount >= minimumSupport, together > 0 else {
            return Candidate(neuron: neuron, numerator: 0, denominator: 1)
        }
        let denominator =
            measure == .conditional ? belowCount : childCount &+ belowCount &- together
        return Candidate(neuron: neuron, numerator: together, denominator: denominator)
    }

    /// In how many tokens the child was active together with each neuron of a group.
    @inline(__always)
    private func countsTogether(_ tokens: [UInt64], group: Int) -> Lanes {
        var total = Lanes(repeating: 0)
        var chunk = 0
        while chunk < chunkCount {
            // Bytes of `sums` count at most 8 tokens per chunk: 31 chunks stay below 256.
            let end = min(chunk + 31, chunkCount)
            var sums = Lanes(repeating: 0)
            while chunk < end {
                let common =
                    belowLanes[group &* chunkCount &+ chunk] & Lanes(repeating: tokens[chunk])
                sums &+= Self.bitsPerByte(common)
                chunk += 1
            }
            total &+= Self.sumOfBytes(sums)
        }
        return total
    }

    /// In each byte the number of its bits. Source: Warren, "Hacker's Delight", section 5-1.
    @inline(__always)
    private static func bitsPerByte(_ words: Lanes) -> Lanes {
        let pairs = words &- ((words &>> 1) & Lanes(repeating: 0x5555_5555_5555_5555))
        let quarters = Lanes(repeating: 0x3333_3333_3333_3333)
        let fours = (pairs & quarters) &+ ((pairs &>> 2) & quarters)
        return (fours &+ (fours &>> 4)) & Lanes(repeating: 0x0F0F_0F0F_0F0F_0F0F)
    }

    @inline(__always)
    private static func sumOfBytes(_ words: Lanes) -> Lanes {
        let wide = Lanes(repeating: 0x00FF_00FF_00FF_00FF)
        let twos = (words & wide) &+ ((words &>> 8) & wide)
        let fours = twos &+ (twos &>> 16)
        return (fours &+ (fours &>> 32)) & Lanes(repeating: 0xFFFF)
    }
}

/// A possible parent and its score as a fraction, compared without rounding.
private struct Candidate {
    /// Below every score.
    static let none = Candidate(neuron: 0, numerator: -1, denominator: 1)

    let neuron: Int
    let numerator: Int
    let denominator: Int

    /// Strictly: of equals the one met first, with the lower index, stays.
    @inline(__always)
    func isBetter(than other: Candidate) -> Bool {
        numerator &* other.denominator > other.numerator &* denominator
    }
}
