import Messages
import Quantities

/// A host CPU that computes in place of an NDP core: memory rates, and a fixed cost of each step.
struct HostUnit {
    private let weightRate: Bandwidth
    private let sequentialRate: Bandwidth
    let stepCost: EmulatedDuration

    init(_ host: ShapeConfiguration.Host) {
        weightRate = Bandwidth(bytesPerSecond: host.weightBytesPerSecond)
        sequentialRate = Bandwidth(bytesPerSecond: host.keyValueBytesPerSecond)
        stepCost = EmulatedDuration(picoseconds: host.stepPicoseconds)
    }

    func duration(ofWeights byteCount: UInt64) throws(LinkError) -> EmulatedDuration {
        try Self.duration(of: byteCount, at: weightRate)
    }

    /// Of keys and values, and of whole neurons on their way to the GPU.
    func duration(ofSequential byteCount: UInt64) throws(LinkError) -> EmulatedDuration {
        try Self.duration(of: byteCount, at: sequentialRate)
    }

    private static func duration(
        of byteCount: UInt64, at rate: Bandwidth
    ) throws(LinkError) -> EmulatedDuration {
        guard let duration = rate.checkedDuration(of: ByteCount(byteCount)) else {
            throw .peerCorrupt("\(byteCount) bytes at \(rate) never end")
        }
        return duration
    }
}
