import Quantities

/// Turns the relaxation's hot activities into whole hot neurons, within memory and hot share.
///
/// The most frequent neurons up to the activity, then one by one the neuron with the most time
/// saved per byte, until none fits or saves any.
struct HotChoice {
    private let problem: PartitionProblem
    private let curves: [FrequencyCurve]
    private let timings: [StepTiming]
    private var isHot: [[Bool]]
    private var hotCount: [Int]
    private var hotActivity: [Double]
    /// First rank that may still be cold, [steps].
    private var start: [Int]
    private var memoryLeft: UInt64

    init(problem: PartitionProblem, curves: [FrequencyCurve], timings: [StepTiming]) {
        self.problem = problem
        self.curves = curves
        self.timings = timings
        isHot = curves.map { Array(repeating: false, count: $0.neuronCount) }
        hotCount = curves.map { _ in 0 }
        hotActivity = curves.map { _ in 0 }
        start = hotCount
        memoryLeft = problem.gpuMemory.bytes
    }

    /// - Parameter target: hot activity of each step, activations.
    /// - Returns: whether a neuron is hot, by rank, [steps][neurons].
    mutating func choose(target: [Double]) -> [[Bool]] {
        for step in curves.indices { takePrefix(step, target: target[step]) }
        var candidates = curves.indices.map { candidate(ofStep: $0) }
        while true {
            var best: (step: Int, Candidate)?
            for (step, candidate) in candidates.enumerated() {
                guard let candidate else { continue }
                if best.map({ candidate.value > $0.1.value }) ?? true {
                    best = (step, candidate)
                }
            }
            guard let (step, chosen) = best else { return isHot }
            // Memory only shrinks, so what does not fit now never will.
            guard problem.steps[step].neuronByteCount.bytes <= memoryLeft else {
                candidates[step] = nil
                continue
            }
            take(chosen.rank, ofStep: step)
            candidates[step] = candidate(ofStep: step)
        }
    }

    private struct Candidate {
        let rank: Int
        /// Time saved per byte.
        let value: Double
    }

    private mutating func takePrefix(_ step: Int, target: Double) {
        let bytes = problem.steps[step].neuronByteCount.bytes
        // The solver's tolerance may fall short of a whole neuron by a little.
        let tolerance = 1e-7 * timings[step].activity
        var count = curves[step].rankCount(
            withinActivity: min(target + tolerance, timings[step].balancedHotActivity))
        // Neurons that are never active gain nothing.
        count = min(count, curves[step].firstRank(withCountAtMost: 0, from: 0))
        count = min(count, problem.hotLimit(ofStep: step))
        if bytes > 0 { count = Int(min(UInt64(count), memoryLeft / bytes)) }
        for rank in 0..<count { take(rank, ofStep: step) }
    }

    private mutating func take(_ rank: Int, ofStep step: Int) {
        isHot[step][rank] = true
        hotCount[step] += 1
        hotActivity[step] += Double(curves[step].counts[rank])
        memoryLeft -= problem.steps[step].neuronByteCount.bytes
        while start[step] < isHot[step].count, isHot[step][start[step]] { start[step] += 1 }
    }

    /// The most frequent cold neuron that does not make the GPU last, or the least frequent that
    /// does, whichever saves more.
    private func candidate(ofStep step: Int) -> Candidate? {
        let curve = curves[step]
        guard hotCount[step] < problem.hotLimit(ofStep: step) else { return nil }
        let timing = timings[step]
        let missing = timing.balancedHotActivity - hotActivity[step]
        guard missing > 0 else { return nil }
        let below = curve.firstRank(withCountAtMost: UInt64(missing), from: start[step])
        let nextBelow = (below..<curve.neuronCount).first { !isHot[step][$0] }
        let nextAbove = (start[step]..<below).last { !isHot[step][$0] }
        let now = timing.time(hotActivity: hotActivity[step])
        let bytes = Double(max(problem.steps[step].neuronByteCount.bytes, 1))
        let candidates = [nextBelow, nextAbove].compactMap { $0 }.map { rank in
            let then = timing.time(
                hotActivity: hotActivity[step] + Double(curve.counts[rank]))
            return Candidate(rank: rank, value: (now - then) / bytes)
        }
        return candidates.filter { $0.value > 0 }.max { $0.value < $1.value }
    }
}
