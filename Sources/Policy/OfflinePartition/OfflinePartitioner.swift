package import Quantities

/// Decides before a run where every neuron lives.
///
/// Pure: equal problems give equal outcomes.
package protocol OfflinePartitioner: Sendable {
    /// - Throws: only when no outcome can be given at all, as when the solver breaks down.
    func partition(_ problem: PartitionProblem) throws(PartitionError) -> PartitionOutcome
}

/// What a partitioner found; nobody can use it without looking which.
package enum PartitionOutcome: Equatable, Sendable {
    /// Proven to be the best there is, up to 10⁻⁶ of its cost, which is the solver's tolerance.
    case optimal(Partition)
    /// The best found. No partition is better by more than `gap`, as a share of the proven
    /// lower bound; nil where nothing was proven.
    case best(Partition, gap: Double?)
    case infeasible(InfeasibilityReason)

    package var partition: Partition? {
        switch self {
        case .optimal(let partition), .best(let partition, _): partition
        case .infeasible: nil
        }
    }

    /// The proven gap: zero when optimal, nil when nothing was proven.
    package var gap: Double? {
        switch self {
        case .optimal: 0
        case .best(_, let gap): gap
        case .infeasible: nil
        }
    }
}

/// Why no partition exists, or none of a partitioner's kind.
package enum InfeasibilityReason: Equatable, Sendable, CustomStringConvertible {
    /// The DIMMs together are too small for the neurons, all of which they must hold.
    case dimmsTooSmall(needed: ByteCount, available: ByteCount)
    /// They are large enough together, but whole neurons do not pack into them.
    case neuronsDoNotPack
    /// A partitioner that deals neurons out in turn overfills this DIMM.
    case roundRobinOverfills(dimm: Int)

    package var description: String {
        switch self {
        case .dimmsTooSmall(let needed, let available):
            "the DIMMs must hold all neurons, \(needed), but have \(available)"
        case .neuronsDoNotPack:
            "the neurons' total fits the DIMMs, but whole neurons do not pack into them"
        case .roundRobinOverfills(let dimm):
            "dealing neurons out in turn overfills DIMM \(dimm)"
        }
    }
}
