import ArgumentParser
import Coordinator
import Scheduling
import SyntheticActivity
import Telemetry
import Topology

/// Who moves neurons in a cell of the matrix.
enum StressPolicy: String, CaseIterable, ExpressibleByArgument {
    case none
    case fixed = "static"
    case window
    case windowAboveMean = "window-1.15"
    case longestFirst = "lpt"
    /// Window scheduling that is told the next window in advance in place of the last one.
    case oracle

    var rebalancing: RebalanceChoice {
        switch self {
        case .none: .none
        case .fixed: .fixed
        case .window, .oracle: .window
        case .windowAboveMean: .windowAboveMean
        case .longestFirst: .longestFirst
        }
    }

    /// Whether the length of the window makes a difference.
    var hasWindow: Bool { self != .none && self != .fixed }
}

/// Where cold neurons start.
enum StressPlacement: String, CaseIterable, ExpressibleByArgument {
    /// Neighbouring neurons together.
    case contiguous
    case roundRobin = "round-robin"
    case random
    /// By the frequencies of the first token, as profiling before the run would have them.
    case frequency
    case ilp

    /// `nil` where the partition says so.
    var homes: InitialPlacement? {
        switch self {
        case .contiguous: .contiguous
        case .roundRobin: .roundRobin
        case .random, .frequency, .ilp: nil
        }
    }

    var method: PartitionCommand.Method {
        switch self {
        case .contiguous, .roundRobin, .frequency: .frequency
        case .random: .random
        case .ilp: .ilp
        }
    }
}

/// One cell of the matrix: a policy under a workload on a machine.
struct StressCell: Hashable {
    let policy: StressPolicy
    let workload: Workload
    let topology: String
    /// `nil` where the policy has no window.
    let windowTokenCount: Int?

    /// The policy with its window, if several are compared.
    func policyName(withWindow: Bool) -> String {
        guard withWindow, let windowTokenCount else { return policy.rawValue }
        return "\(policy.rawValue) \(windowTokenCount)"
    }

    var description: String {
        "\(policyName(withWindow: true)), \(workload), \(topology)"
    }
}

/// What a cell came to.
enum StressAnswer: Codable {
    case measured(StressFigures)
    /// The machine cannot hold the model; says why.
    case unsupported(reason: String)
}

/// Figures of one session or, added up, of all sessions of a cell.
struct StressFigures: Codable {
    var meter: BalanceMeter
    /// Whether layer times are emulated (picoseconds), else wall (nanoseconds).
    var isTimed: Bool
    /// Whether round trips are wall times (nanoseconds), else emulated (picoseconds).
    var hasWallRoundTrips: Bool
    /// Decoded tokens.
    var tokenCount: Int
    var emulatedSeconds: Double
    var remapCount: Int
    var remapByteCount: Int
    var refusedRemapCount: Int
    var abortedRemapCount: Int
    /// Time that links between DIMMs were in use.
    var remapLinkSeconds: Double
    /// Imbalance by counts of neurons, per block of each layer: as they moved, and unmoved.
    var countImbalance: Double
    var countImbalanceUnmoved: Double
    var restartCount: Int
    var sessionCount = 1
    /// Of the cell's slowest session.
    var wallSeconds: Double
    /// Dilation and share of missed deadlines of a paced run.
    var dilation: String?
    var missedShare: Double?

    static func += (sum: inout Self, other: Self) {
        let weight = Double(sum.sessionCount)
        sum.meter += other.meter
        sum.tokenCount += other.tokenCount
        // Sessions have machines of their own: their emulated times do not add up.
        sum.emulatedSeconds = max(sum.emulatedSeconds, other.emulatedSeconds)
        sum.remapCount += other.remapCount
        sum.remapByteCount += other.remapByteCount
        sum.refusedRemapCount += other.refusedRemapCount
        sum.abortedRemapCount += other.abortedRemapCount
        sum.remapLinkSeconds += other.remapLinkSeconds
        sum.countImbalance = (sum.countImbalance * weight + other.countImbalance) / (weight + 1)
        sum.countImbalanceUnmoved =
            (sum.countImbalanceUnmoved * weight + other.countImbalanceUnmoved) / (weight + 1)
        sum.restartCount += other.restartCount
        sum.sessionCount += other.sessionCount
        sum.wallSeconds = max(sum.wallSeconds, other.wallSeconds)
        sum.missedShare = [sum.missedShare, other.missedShare].compactMap { $0 }.max()
    }
}
