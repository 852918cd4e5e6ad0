import Kernels
import MappedMemory

/// Memory that stands for a DIMM's where time is wall time: requests really read as many bytes of
/// it as they would of the DIMM, round and round.
struct ReadArena: ~Copyable {
    private(set) var storage: AnonymousMapping
    private let wordCount: Int
    /// Where the next reading without a place of its own begins, in words.
    private var cursor = 0

    private static let pageByteCount = 4096

    /// Allocates and touches the memory.
    ///
    /// - Parameter byteCount: 0 where nothing is to be read.
    init(
        byteCount: Int,
        allocate: (Int, String) throws(MappedMemoryError) -> AnonymousMapping
    ) throws(MappedMemoryError) {
        wordCount = byteCount / 8
        storage = try allocate(max(1, byteCount), "the memory that is read")
        var bytes = storage.mutableBytes
        for offset in stride(from: 0, to: bytes.byteCount, by: Self.pageByteCount) {
            bytes.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
        }
    }

    /// Whether nothing is to be read.
    var isEmpty: Bool { wordCount == 0 }

    /// Reads `byteCount` bytes from `place` on, a byte offset in the DIMM.
    mutating func read(at place: Int, byteCount: Int) {
        guard !isEmpty else { return }
        var first = place / 8 % wordCount
        var left = (byteCount + 7) / 8
        var sum: UInt64 = 0
        while left > 0 {
            let count = min(left, wordCount - first)
            sum &+= wrappingSum(
                storage.elements(of: UInt64.self, atByteOffset: 8 * first, count: count))
            left -= count
            first = 0
        }
        // What is kept was not read in vain: no compiler may leave the reading out.
        var total = storage.mutableElements(of: UInt64.self, atByteOffset: 0, count: 1)
        total[0] &+= sum
    }

    /// As ``read(at:byteCount:)``, from where the last one of these ended.
    mutating func readOn(byteCount: Int) {
        guard !isEmpty else { return }
        read(at: 8 * cursor, byteCount: byteCount)
        cursor = (cursor + (byteCount + 7) / 8) % wordCount
    }
}
