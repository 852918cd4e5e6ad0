import Quantities

/// What counts as absurd. Wide enough for any machine one may imagine, narrow enough that no sum,
/// product or duration derived from a topology leaves 64 bits.
enum TopologyLimits {
    static let dimmCount = 1_024
    /// RFC 1035: a name has at most 253 characters.
    static let hostNameLength = 253
    static let nameLength = 100
    static let summaryLength = 2_000
    static let faultCount = 1_000

    static let memory = ByteCount(1 << 20)...ByteCount(1 << 50)
    static let usableMemory = ByteCount.zero...ByteCount(1 << 50)
    static let buffer = ByteCount(1 << 10)...ByteCount(1 << 40)
    static let row = ByteCount(64)...ByteCount(1 << 20)
    static let bus = ByteCount(1)...ByteCount(64)
    static let bandwidth =
        Bandwidth(bytesPerSecond: 1_000_000)...Bandwidth(bytesPerSecond: 1_000_000_000_000_000)
    static let computeRate =
        ComputeRate(
            operationsPerSecond: 1_000_000)...ComputeRate(
            operationsPerSecond: 1_000_000_000_000_000_000)
    static let frequency = Frequency(hertz: 1_000)...Frequency(hertz: 100_000_000_000)
    static let duration =
        EmulatedDuration
        .zero...EmulatedDuration(
            picoseconds: EmulatedDuration.picosecondsPerSecond)
    static let share = Proportion.zero...Proportion.one
    static let efficiency = Proportion(millionths: 1)...Proportion.one

    static let ranks = 1...64
    static let bankGroups = 1...16
    static let banksPerGroup = 1...64
    static let requestQueue = 1...4_096
    static let cycles = 1...1_000_000
    static let units = 1...1_000_000
    static let lanes = 1...100
    /// ACPI's SLIT: 10 is a node's own memory, 255 means unreachable.
    static let distance = 10...254
    static let distanceNodes = 64
    /// Of indices whose real bound is checked afterwards, with a better message.
    static let highestNumber = 1_000_000
}
