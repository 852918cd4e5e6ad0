package import PackedSets

/// What speaks for each neuron of one block, summed over the sequences of a batch: states, and
/// active parents.
///
/// Bit `n` of plane `p` is bit `p` of neuron `n`'s score, as in ``NeuronStateTable``, with as many
/// planes as the largest possible score takes: 64 neurons are added to and compared at once. Planes
/// below those can hold what decides between equal scores.
package struct NeuronScores: Sendable {
    package let neuronCount: Int
    private let planeCount: Int
    /// The lowest planes, which no score counts.
    private let tiePlaneCount: Int
    private var words: [UInt64]  // [words of a set][planes]

    /// All scores 0.
    ///
    /// - Parameter largest: what will be added to one neuron for one sequence, at most.
    package init(neuronCount: Int, sequenceCount: Int = 1, largest: Int) {
        self.init(
            neuronCount: neuronCount, sequenceCount: sequenceCount, largest: largest,
            tiePlaneCount: 0)
    }

    private init(neuronCount: Int, sequenceCount: Int, largest: Int, tiePlaneCount: Int) {
        precondition(neuronCount >= 0 && sequenceCount >= 1 && largest >= 0)
        self.neuronCount = neuronCount
        self.tiePlaneCount = tiePlaneCount
        planeCount =
            tiePlaneCount + Int.bitWidth - (sequenceCount * largest).leadingZeroBitCount
        words = Array(
            repeating: 0, count: planeCount * PackedSet.wordCount(elementCount: neuronCount))
    }

    /// All scores 0, and between equal ones the higher states decide, one table for each sequence.
    package init(preferring states: [NeuronStateTable], largest: Int) {
        precondition(!states.isEmpty)
        let highest = states.count * NeuronStateTable.maximumState
        self.init(
            neuronCount: states[0].neuronCount, sequenceCount: states.count, largest: largest,
            tiePlaneCount: Int.bitWidth - highest.leadingZeroBitCount)
        for table in states { add(table, atPlane: 0) }
    }

    /// The states alone, one table for each sequence.
    package init(_ states: [NeuronStateTable]) {
        precondition(!states.isEmpty)
        self.init(
            neuronCount: states[0].neuronCount, sequenceCount: states.count,
            largest: NeuronStateTable.maximumState)
        for table in states { add(table) }
    }

    // MARK: Adding

    /// Adds one sequence's states.
    package mutating func add(_ states: NeuronStateTable) { add(states, atPlane: tiePlaneCount) }

    private mutating func add(_ states: NeuronStateTable, atPlane first: Int) {
        precondition(states.neuronCount == neuronCount)
        let planeCount = planeCount
        let wordCount = PackedSet.wordCount(elementCount: neuronCount)
        var words = words.mutableSpan
        for index in 0..<wordCount {
            let planes = states.planes(at: index)
            Self.add(
                [planes.plane0, planes.plane1, planes.plane2, planes.plane3, 0, 0, 0, 0],
                shiftedBy: first, to: &words, at: planeCount &* index, planeCount)
        }
    }

    /// Adds `weight` for each of a neuron's two parents and each sequence in which it is active.
    ///
    /// - Parameters:
    ///   - parents: two per neuron, as in ``CorrelationTable``.
    ///   - below: the active neurons of the layer below, one set for each sequence; name every
    ///     parent.
    package mutating func add(
        _ weight: Int, forActiveParents parents: [UInt16], below: [PackedSet]
    ) {
        precondition(weight >= 0 && parents.count == 2 * neuronCount)
        // Parents are neurons of the same block, a layer below.
        precondition(below.allSatisfy { $0.elementCount == neuronCount })
        // Two parents' counts fit a byte.
        let groupSize = 127
        for first in stride(from: 0, to: below.count, by: groupSize) {
            let group = below[first..<min(first + groupSize, below.count)]
            var counts = FlagBytes(elementCount: below[first].elementCount)
            for set in group { counts.add(set.words) }
            let bitCount = Int.bitWidth - (2 * group.count).leadingZeroBitCount
            let (planeCount, tiePlaneCount) = (planeCount, tiePlaneCount)
            let wordCount = PackedSet.wordCount(elementCount: neuronCount)
            var words = words.mutableSpan
            for index in 0..<wordCount {
                let planes = ParentLookup.planes(
                    firstChild: 64 * index, parents: parents.span, counts: counts.bytes.span,
                    bitCount: bitCount)
                var rest = weight
                while rest != 0 {
                    Self.add(
                        planes, shiftedBy: tiePlaneCount + rest.trailingZeroBitCount, to: &words,
                        at: planeCount &* index, planeCount)
                    rest &= rest - 1
                }
            }
        }
    }

    /// Adds numbers of up to eight bits, times a power of two, to the scores of the neurons whose
    /// planes begin at `first`.
    @inline(__always)
    private static func add(
        _ addends: [8 of UInt64], shiftedBy shift: Int, to words: inout MutableSpan<UInt64>,
        at first: Int, _ planeCount: Int
    ) {
        var carry: UInt64 = 0
        var bit = 0
        while shift &+ bit < planeCount {
            let addend = bit < 8 ? addends[bit] : 0
            if bit >= 8 && carry == 0 { break }
            let place = first &+ shift &+ bit
            let old = words[place]
            let half = old ^ addend
            words[place] = half ^ carry
            carry = (old & addend) | (carry & half)
            bit &+= 1
        }
        while bit < 8 {
            carry |= addends[bit]
            bit &+= 1
        }
        precondition(carry == 0, "a score is beyond the largest that was announced")
    }

    // MARK: Asking

    package func score(of neuron: Int) -> Int { rank(of: neuron) >> tiePlaneCount }

    /// The score, and behind it what decides between equal ones.
    private func rank(of neuron: Int) -> Int {
        precondition(neuron >= 0 && neuron < neuronCount)
        let first = planeCount * (neuron / 64)
        return (0..<planeCount).reduce(0) {
            $0 | Int(words[first + $1] >> UInt64(neuron % 64) & 1) << $1
        }
    }

    /// The neurons whose score is above `threshold`, which is not negative.
    package func neurons(above threshold: Int) -> PackedSet {
        precondition(threshold >= 0)
        var set = PackedSet(elementCount: neuronCount)
        let highest = (threshold + 1) << tiePlaneCount - 1
        guard highest >> planeCount == 0 else { return set }
        var above = set.words
        for index in above.indices {
            // From the lowest plane up: the higher bit decides where it differs.
            var word: UInt64 = 0
            for bit in 0..<planeCount {
                let plane = words[planeCount &* index &+ bit]
                word = highest >> bit & 1 == 1 ? word & plane : word | plane
            }
            above[index] = word
        }
        set.setWords(above)
        return set
    }

    /// The `count` members of `set` with the highest scores, or all; the highest first, ties to the
    /// lowest index.
    package func highest(_ count: Int, of set: PackedSet) -> [Int] {
        chosen(count, of: set, invertedBy: 0)
            .map { (rank: rank(of: $0), neuron: $0) }
            .sorted { ($1.rank, $0.neuron) < ($0.rank, $1.neuron) }
            .map(\.neuron)
    }

    /// The `count` members of `set` with the lowest scores, or all; the lowest first, ties to the
    /// lowest index.
    package func lowest(_ count: Int, of set: PackedSet) -> [Int] {
        chosen(count, of: set, invertedBy: .max)
            .map { (rank: rank(of: $0), neuron: $0) }
            .sorted { ($0.rank, $0.neuron) < ($1.rank, $1.neuron) }
            .map(\.neuron)
    }

    /// From the highest bit down: who has it goes before who does not, or the other way round.
    private func chosen(_ count: Int, of set: PackedSet, invertedBy mask: UInt64) -> [Int] {
        precondition(set.elementCount == neuronCount && count >= 0)
        guard count > 0 else { return [] }
        guard set.memberCount > count else { return set.members }
        var chosen = PackedSet(elementCount: neuronCount)
        var undecided = set
        var missing = count
        for bit in (0..<planeCount).reversed() {
            var having = undecided.words
            for index in having.indices {
                having[index] &= words[planeCount &* index &+ bit] ^ mask
            }
            var preferred = undecided
            preferred.setWords(having)
            let preferredCount = preferred.memberCount
            if preferredCount > missing {
                undecided = preferred
            } else {
                chosen.formUnion(preferred)
                undecided.subtract(preferred)
                missing -= preferredCount
                if missing == 0 { break }
            }
        }
        // Those that are left are equal.
        return (chosen.members + undecided.members.prefix(missing)).sorted()
    }
}
