package import Quantities

/// What can be wrong with a partition problem, a partition, or the bytes of one.
package enum PartitionError: Error, Equatable, CustomStringConvertible {
    // Problems
    case noSteps
    case incompleteLayer(stepCount: Int, blocksPerLayer: Int)
    case noSamples
    case tooManyActivations(step: Int, neuron: Int, count: UInt32, sampleCount: UInt32)
    case dimmCountOutOfRange(Int)
    case stoppedDIMM(Int)
    case tooLarge(quantity: String)
    // Partitions
    case shapeDiffers(step: Int, found: Int, expected: Int)
    case stepCountDiffers(found: Int, expected: Int)
    case dimmCountDiffers(found: Int, expected: Int)
    case hotNeuronsNotAscending(step: Int)
    case noSuchNeuron(step: Int, neuron: UInt32, neuronCount: Int)
    case noSuchDIMM(step: Int, neuron: Int, dimm: UInt16, dimmCount: Int)
    case hotShareExceeded(step: Int, hotCount: Int, limit: Int)
    case gpuMemoryExceeded(needed: ByteCount, available: ByteCount)
    case dimmMemoryExceeded(dimm: Int, needed: ByteCount, available: ByteCount)
    // Bytes
    case notAPartition
    case unknownVersion(UInt32)
    case truncated(byteCount: Int)
    case trailingBytes(Int)
    case checksumMismatch
    case strayBits(step: Int)
    // Solver
    case solverFailed(stage: String)

    package var description: String {
        switch self {
        case .noSteps, .incompleteLayer, .noSamples, .tooManyActivations, .dimmCountOutOfRange,
            .stoppedDIMM, .tooLarge:
            problemDescription
        case .notAPartition, .unknownVersion, .truncated, .trailingBytes, .checksumMismatch,
            .strayBits:
            byteDescription
        case .solverFailed(let stage):
            "CBC stopped without an answer while \(stage)"
        default:
            partitionDescription
        }
    }

    private var problemDescription: String {
        switch self {
        case .noSteps:
            "partition problem: at least one step is needed"
        case .incompleteLayer(let stepCount, let blocksPerLayer):
            "partition problem: \(stepCount) steps are no whole layers of \(blocksPerLayer) blocks"
        case .noSamples:
            "partition problem: the activation counts come from no samples"
        case .tooManyActivations(let step, let neuron, let count, let sampleCount):
            "partition problem, step \(step), neuron \(neuron): active \(count) times in "
                + "\(sampleCount) samples"
        case .dimmCountOutOfRange(let count):
            "partition problem: \(count) DIMMs, but 1 to 65536 are possible"
        case .stoppedDIMM(let dimm):
            "partition problem, DIMM \(dimm): a speed of zero computes nothing"
        case .tooLarge(let quantity):
            "partition problem: \(quantity) exceeds what 64-bit arithmetic holds"
        default: ""
        }
    }

    private var partitionDescription: String {
        switch self {
        case .shapeDiffers(let step, let found, let expected):
            "partition, step \(step): \(found) neurons, but the model has \(expected)"
        case .stepCountDiffers(let found, let expected):
            "partition: \(found) steps, but the model has \(expected)"
        case .dimmCountDiffers(let found, let expected):
            "partition: made for \(found) DIMMs, but there are \(expected)"
        case .hotNeuronsNotAscending(let step):
            "partition, step \(step): hot neurons must ascend without repetition"
        case .noSuchNeuron(let step, let neuron, let neuronCount):
            "partition, step \(step): hot neuron \(neuron) of \(neuronCount)"
        case .noSuchDIMM(let step, let neuron, let dimm, let dimmCount):
            "partition, step \(step), neuron \(neuron): home DIMM \(dimm) of \(dimmCount)"
        case .hotShareExceeded(let step, let hotCount, let limit):
            "partition, step \(step): \(hotCount) hot neurons, at most \(limit) may be"
        case .gpuMemoryExceeded(let needed, let available):
            "partition: hot neurons take \(needed) of \(available) GPU memory"
        case .dimmMemoryExceeded(let dimm, let needed, let available):
            "partition, DIMM \(dimm): its neurons take \(needed) of \(available)"
        default: ""
        }
    }

    private var byteDescription: String {
        switch self {
        case .notAPartition: "partition file: does not begin like one"
        case .unknownVersion(let version):
            "partition file: version \(version), but only 1 and \(PartitionLayout.version) are "
                + "known"
        case .truncated(let byteCount): "partition file: ends early, after \(byteCount) bytes"
        case .trailingBytes(let count): "partition file: \(count) bytes follow its end"
        case .checksumMismatch: "partition file: damaged, its checksum differs"
        case .strayBits(let step): "partition file, step \(step): padding bits are set"
        default: ""
        }
    }
}
