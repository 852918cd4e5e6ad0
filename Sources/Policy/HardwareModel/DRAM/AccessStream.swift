import Quantities
import SeededRandom

/// The endless line addresses of a workload, with the direction of each access.
///
/// Addresses and directions come from generators of their own, so that the same seed visits the
/// same blocks at every write share.
struct AccessStream {
    struct Access {
        let line: Int
        let isWrite: Bool
    }

    private let lineCount: Int
    private let blockLineCount: Int
    private let writeMillionths: Int
    /// `nil` when the stream is sequential.
    private var blockOrder: BlockOrder?
    private var directions: SplitMix64
    private var nextLine = 0
    private var linesLeftInBlock: Int

    /// - Parameters:
    ///   - configuration: valid; its lines are addressed from 0.
    ///   - blockLineCount: lines of a random block, or `nil` for a sequential stream.
    ///   - sampleCount: accesses that will be asked for, roughly.
    init(
        over configuration: DRAMConfiguration, blockLineCount: Int?, writeShare: Proportion,
        sampleCount: Int, seed: UInt64
    ) {
        lineCount = configuration.lineCount
        self.blockLineCount = blockLineCount ?? lineCount
        precondition((1...lineCount).contains(self.blockLineCount))
        writeMillionths = Int(writeShare.millionths)
        directions = SplitMix64(seed: ~seed)
        linesLeftInBlock = blockLineCount == nil ? lineCount : 0
        guard let blockLineCount else { return }
        blockOrder = BlockOrder(
            blockCount: lineCount / blockLineCount, blockLineCount: blockLineCount,
            bankCount: configuration.rankCount * configuration.banksPerRank,
            decoder: AddressDecoder(configuration),
            sampleCount: sampleCount / blockLineCount, seed: seed)
    }

    mutating func next() -> Access {
        if linesLeftInBlock == 0 {
            nextLine = blockOrder?.next() ?? 0
            linesLeftInBlock = blockLineCount
        }
        let line = nextLine
        nextLine += 1
        linesLeftInBlock -= 1
        return Access(line: line, isWrite: nextIsWrite())
    }

    private mutating func nextIsWrite() -> Bool {
        guard writeMillionths > 0 else { return false }
        return directions.uniform(below: Int(Proportion.scale)) < writeMillionths
    }
}
