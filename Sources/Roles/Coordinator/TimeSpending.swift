package import Quantities

/// The critical path by what it was spent on; the parts add up to the run's time.
package struct TimeSpending: Equatable, Sendable {
    /// Units at work, by step: `prefill`, `QKV`, `attention`, `projection`, `MLP`, ...
    package private(set) var work: [String: EmulatedDuration] = [:]
    /// Messages on their way, and synchronisations.
    package private(set) var communication = EmulatedDuration.zero

    mutating func add(_ duration: EmulatedDuration, step: String, isWork: Bool) {
        if isWork { work[step, default: .zero] += duration } else { communication += duration }
    }
}
