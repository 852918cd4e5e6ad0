import OfflinePartition
import Quantities
import SeededRandom

/// Tries every hot set and every home of every neuron: the problem by its definition.
struct BruteForce {
    let problem: PartitionProblem

    /// The least cost, ps × samples, or nil when nothing holds the limits.
    func minimum() -> UInt64? {
        let neuronCount = problem.steps.reduce(0) { $0 + $1.neuronCount }
        let choiceCount = 2 * problem.dimms.count
        var combinationCount = 1
        for _ in 0..<neuronCount { combinationCount *= choiceCount }
        var best: UInt64?
        var choices = [Int](repeating: 0, count: neuronCount)
        for combination in 0..<combinationCount {
            var rest = combination
            for neuron in choices.indices {
                choices[neuron] = rest % choiceCount
                rest /= choiceCount
            }
            guard let cost = cost(choices) else { continue }
            best = min(best ?? cost, cost)
        }
        return best
    }

    /// - Parameter choices: of each neuron, 2 × home, plus one when hot.
    private func cost(_ choices: [Int]) -> UInt64? {
        var gpuBytes: UInt64 = 0
        var dimmBytes = problem.dimms.map { _ in UInt64(0) }
        var total: UInt64 = 0
        var first = 0
        for step in problem.steps {
            let bytes = step.neuronByteCount.bytes
            var gpu = 2 * problem.synchronisationCost.picoseconds * UInt64(problem.sampleCount)
            var loads = problem.dimms.map { _ in UInt64(0) }
            var hotCount = 0
            for (offset, count) in step.activationCounts.enumerated() {
                let choice = choices[first + offset]
                dimmBytes[choice / 2] += bytes
                if choice % 2 == 1 {
                    gpuBytes += bytes
                    hotCount += 1
                    gpu += UInt64(count) * step.gpuTime.picoseconds
                } else {
                    loads[choice / 2] += UInt64(count)
                }
            }
            first += step.neuronCount
            let limit = problem.hotShare.roundingDown(UInt64(step.neuronCount))
            guard hotCount <= limit else { return nil }
            for (dimm, load) in loads.enumerated() {
                gpu = max(
                    gpu,
                    load * step.dimmTime.stretched(by: problem.dimms[dimm].speed).picoseconds)
            }
            total += gpu
        }
        guard gpuBytes <= problem.gpuMemory.bytes else { return nil }
        for (dimm, bytes) in dimmBytes.enumerated() {
            guard bytes <= problem.dimms[dimm].memory.bytes else { return nil }
        }
        return total
    }
}

extension TestProblems {
    /// Few neurons, everything else drawn: counts, sizes, times, memories (often tight), share.
    static func small(seed: UInt64) throws -> PartitionProblem {
        var random = SplitMix64(seed: seed)
        let dimmCount = Int.random(in: 1...3, using: &random)
        let neuronCounts = [[2, 3], [5], [1, 2, 2], [0, 4], [3, 3]][Int(seed % 5)]
        let isRoomy = Bool.random(using: &random)
        let isUniform = Bool.random(using: &random)
        var byteTotal: UInt64 = 0
        let steps = neuronCounts.map { neuronCount in
            let bytes = UInt64.random(in: 1...4, using: &random)
            byteTotal += bytes * UInt64(neuronCount)
            return PartitionProblem.Step(
                activationCounts: (0..<neuronCount).map { _ in
                    UInt32.random(in: 0...10, using: &random)
                },
                neuronByteCount: ByteCount(bytes),
                gpuTime: EmulatedDuration(picoseconds: .random(in: 0...20, using: &random)),
                dimmTime: EmulatedDuration(picoseconds: .random(in: 0...60, using: &random)))
        }
        let dimms = (0..<dimmCount).map { _ in
            let share = byteTotal / UInt64(dimmCount)
            let memory = isRoomy ? byteTotal : .random(in: share...(share + 2), using: &random)
            return PartitionProblem.DIMM(
                memory: ByteCount(memory),
                speed: isUniform
                    ? .one
                    : Proportion(millionths: .random(in: 300_000...1_000_000, using: &random)))
        }
        return try PartitionProblem(
            steps: steps, blocksPerLayer: 1, sampleCount: 10,
            gpuMemory: ByteCount(.random(in: 0...byteTotal, using: &random)), dimms: dimms,
            synchronisationCost: EmulatedDuration(picoseconds: .random(in: 0...5, using: &random)),
            hotShare: [.one, .one, Proportion(millionths: 400_000)].randomElement(using: &random)
                ?? .one)
    }

    /// Nine neurons whose counts have few sums alike, so that a search for the best one is long.
    static func knotty(seed: UInt64) throws -> PartitionProblem {
        var random = SplitMix64(seed: seed)
        let counts = (0..<9).map { _ in UInt32.random(in: 1...1_000_000, using: &random) }
        return try PartitionProblem(
            steps: [
                PartitionProblem.Step(
                    activationCounts: counts, neuronByteCount: ByteCount(1),
                    gpuTime: EmulatedDuration(picoseconds: 3),
                    dimmTime: EmulatedDuration(picoseconds: 5))
            ], blocksPerLayer: 1, sampleCount: 1_000_000, gpuMemory: ByteCount(9),
            dimms: [.init(memory: ByteCount(9)), .init(memory: ByteCount(9))],
            synchronisationCost: .zero)
    }
}
