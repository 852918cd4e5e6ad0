import Messages
import Quantities

/// A host CPU that computes in place of an NDP core: memory rates, and a fixed cost of each step.
struct HostUnit {
    private let weightRate: Bandwidth
    private let keyValueRate: Bandwidth
    let stepCost: EmulatedDuration

    init(_ host: ShapeConfiguration.Host) {
        weightRate = Bandwidth(bytesPerSecond: host.weightBytesPerSecond)
        keyValueRate = Bandwidth(bytesPerSecond: host.keyValueBytesPerSecond)
        stepCost = EmulatedDuration(picoseconds: host.stepPicoseconds)
    }

    func duration(ofWeights byteCount: UInt64) throws(LinkError) -> EmulatedDuration {
        try Self.duration(of: byteCount, at: weightRate)
    }

    func duration(ofKeysAndValues byteCount: UInt64) throws(LinkError) -> EmulatedDuration {
        try Self.duration(of: byteCount, at: keyValueRate)
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
