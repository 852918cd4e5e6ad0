import OfflinePartition
import Quantities
import SeededRandom

/// Problems of known shapes with seeded activity.
enum TestProblems {
    /// Power-law activity: the r-th neuron fires with probability about scale · r^(-exponent), in
    /// shuffled order and with ±20 % of noise.
    static func activity(
        neuronCount: Int, sampleCount: UInt32, density: Double = 0.19, exponent: Double = 0.7,
        random: inout SplitMix64
    ) -> [UInt32] {
        let weights = (0..<neuronCount).map { powerLaw(Double($0 + 1), exponent) }
        let mean = weights.reduce(0, +) / Double(max(neuronCount, 1))
        var counts = weights.map { weight in
            let probability = density * weight / mean * (0.8 + 0.4 * random.nextUnitInterval())
            return UInt32((min(probability, 1) * Double(sampleCount)).rounded())
        }
        counts.shuffle(using: &random)
        return counts
    }

    /// base^(-exponent) for base ≥ 1 without a mathematics library, to 12 digits.
    private static func powerLaw(_ base: Double, _ exponent: Double) -> Double {
        var (root, result, rest) = (base, 1.0, exponent)
        for _ in 0..<40 {
            root = root.squareRoot()
            rest *= 2
            if rest >= 1 {
                result *= root
                rest -= 1
            }
        }
        return 1 / result
    }

    struct Shape {
        var layerCount: Int
        var hidden: Int
        var projected: Int
        var feedForward: Int
        var gpuMemory: ByteCount
        var dimmCount: Int
        var dimmMemory = ByteCount(32_000_000_000)
        var hotShare = Proportion.one
        var sampleCount: UInt32 = 16384

        /// LLaMA2-70B in FP16; of 20 GB, projection and head leave 8.8 GB for hot neurons.
        static let llama70B = Shape(
            layerCount: 80, hidden: 8192, projected: 10240, feedForward: 28672,
            gpuMemory: ByteCount(8_800_000_000), dimmCount: 8)

        static func smolLM(dimmCount: Int) -> Shape {
            Shape(
                layerCount: 30, hidden: 576, projected: 960, feedForward: 1536,
                gpuMemory: ByteCount(40_000_000), dimmCount: dimmCount)
        }
    }

    /// RTX 4090 at 85 % of 936 GB/s, DIMMs of four ranks at 54 % of 25.6 GB/s each, T_sync 4.4 us.
    static func model(
        _ shape: Shape, seed: UInt64, synchronisation: UInt64 = 4_400_000
    ) throws -> PartitionProblem {
        var random = SplitMix64(seed: seed)
        var steps: [PartitionProblem.Step] = []
        for _ in 0..<shape.layerCount {
            let blocks = [
                (shape.hidden, 2 * shape.projected), (shape.feedForward, 6 * shape.hidden),
            ]
            for (neuronCount, byteCount) in blocks {
                steps.append(
                    PartitionProblem.Step(
                        activationCounts: activity(
                            neuronCount: neuronCount, sampleCount: shape.sampleCount,
                            random: &random),
                        neuronByteCount: ByteCount(UInt64(byteCount)),
                        gpuTime: EmulatedDuration(picoseconds: UInt64(byteCount) * 1000 / 796),
                        dimmTime: EmulatedDuration(picoseconds: UInt64(byteCount) * 10000 / 553)))
            }
        }
        return try PartitionProblem(
            steps: steps, blocksPerLayer: 2, sampleCount: shape.sampleCount,
            gpuMemory: shape.gpuMemory,
            dimms: Array(
                repeating: .init(memory: shape.dimmMemory), count: shape.dimmCount),
            synchronisationCost: EmulatedDuration(picoseconds: synchronisation),
            hotShare: shape.hotShare)
    }
}
