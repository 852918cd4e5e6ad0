/// Byte form of a partition, little-endian.
///
///     0    magic           8 bytes, "HERMESPA"
///     8    version         UInt32, 2
///     12   blocks a layer, steps, DIMMs     UInt32 each
///     24   model           32 bytes, SHA-256 of its file; zeros where there is none
///     56   per step:
///              neurons     UInt32
///              hot bits    1 bit a neuron, ascending, set when the GPU holds a copy
///              homes       b bits a neuron, least significant first; b is the least with
///                          DIMMs ≤ 2^b, so zero for one DIMM
///              padding     zero bits to a whole byte, once after the homes
///     end  checksum        UInt64, FNV-1a over all bytes before it
///
/// Version 1 had no model: its steps begin at 24.
///
/// LLaMA2-70B on 8 DIMMs: 80 × (8192 + 28672) neurons × 4 bits = 1.5 MB.
package enum PartitionLayout {
    package static let magic: [UInt8] = Array("HERMESPA".utf8)
    package static let version: UInt32 = 2
    static let versionWithoutModel: UInt32 = 1
    /// Of the shortest header.
    static let headerByteCount = 24
    static let checksumByteCount = 8

    static func bitsPerHome(dimmCount: Int) -> Int {
        Int.bitWidth - (dimmCount - 1).leadingZeroBitCount
    }

    /// FNV-1a (Fowler, Noll, Vo): notices truncation and bit rot, not an attacker.
    static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return hash
    }
}

extension Partition {
    /// The partition's bytes, as ``PartitionLayout`` describes.
    package func encoded() -> [UInt8] {
        var writer = BitWriter()
        writer.bytes = PartitionLayout.magic
        for field in [Int(PartitionLayout.version), blocksPerLayer, blocks.count, dimmCount] {
            writer.append(UInt64(field), bitCount: 32)
        }
        writer.bytes +=
            modelHash.isEmpty
            ? [UInt8](repeating: 0, count: Self.hashByteCount) : modelHash
        let homeBits = PartitionLayout.bitsPerHome(dimmCount: dimmCount)
        for block in blocks {
            writer.append(UInt64(block.neuronCount), bitCount: 32)
            var isHot = [Bool](repeating: false, count: block.neuronCount)
            for neuron in block.hotNeurons { isHot[Int(neuron)] = true }
            for hot in isHot { writer.append(hot ? 1 : 0, bitCount: 1) }
            for home in block.homes { writer.append(UInt64(home), bitCount: homeBits) }
            writer.padToByte()
        }
        writer.append(PartitionLayout.checksum(writer.bytes[...]), bitCount: 64)
        return writer.bytes
    }

    /// Reads what ``encoded()`` wrote.
    ///
    /// - Throws: when the bytes are something else, of another version, cut short, damaged, or
    ///   no valid partition.
    package init(decoding bytes: [UInt8]) throws(PartitionError) {
        let smallest = PartitionLayout.headerByteCount + PartitionLayout.checksumByteCount
        let magic = PartitionLayout.magic
        guard bytes.prefix(magic.count).elementsEqual(magic.prefix(bytes.count)) else {
            throw .notAPartition
        }
        guard bytes.count >= smallest else { throw .truncated(byteCount: bytes.count) }
        var reader = BitReader(bytes: bytes[magic.count...])
        let version = UInt32(try reader.take(bitCount: 32))
        let hasModel = version == PartitionLayout.version
        guard hasModel || version == PartitionLayout.versionWithoutModel else {
            throw .unknownVersion(version)
        }
        let content = bytes.dropLast(PartitionLayout.checksumByteCount)
        var tail = BitReader(bytes: bytes[content.endIndex...])
        guard try tail.take(bitCount: 64) == PartitionLayout.checksum(content) else {
            throw .checksumMismatch
        }
        reader = BitReader(bytes: content.dropFirst(magic.count + 4))
        let blocksPerLayer = Int(try reader.take(bitCount: 32))
        let stepCount = Int(try reader.take(bitCount: 32))
        let dimmCount = Int(try reader.take(bitCount: 32))
        guard (1...65536).contains(dimmCount) else { throw .dimmCountOutOfRange(dimmCount) }
        guard blocksPerLayer >= 1 else {
            throw .incompleteLayer(stepCount: stepCount, blocksPerLayer: blocksPerLayer)
        }
        var modelHash: [UInt8] = []
        for _ in 0..<(hasModel ? Self.hashByteCount : 0) {
            modelHash.append(UInt8(try reader.take(bitCount: 8)))
        }
        if modelHash.allSatisfy({ $0 == 0 }) { modelHash = [] }
        var blocks: [Block] = []
        for step in 0..<stepCount {
            blocks.append(try reader.takeBlock(step: step, dimmCount: dimmCount))
        }
        guard reader.unreadByteCount == 0 else { throw .trailingBytes(reader.unreadByteCount) }
        try self.init(
            blocks: blocks, blocksPerLayer: blocksPerLayer, dimmCount: dimmCount,
            modelHash: modelHash)
    }
}

/// Appends numbers of any width, least significant bit first.
private struct BitWriter {
    var bytes: [UInt8] = []
    private var pending: UInt64 = 0
    private var pendingBitCount = 0

    /// - Precondition: `value` fits `bitCount`; wide values begin at a whole byte.
    mutating func append(_ value: UInt64, bitCount: Int) {
        if bitCount >= 32 {
            precondition(pendingBitCount == 0)
            for index in 0..<(bitCount / 8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
            }
            return
        }
        pending |= value << UInt64(pendingBitCount)
        pendingBitCount += bitCount
        while pendingBitCount >= 8 {
            bytes.append(UInt8(truncatingIfNeeded: pending))
            pending >>= 8
            pendingBitCount -= 8
        }
    }

    mutating func padToByte() {
        if pendingBitCount > 0 { append(0, bitCount: 8 - pendingBitCount) }
    }
}

/// Takes numbers of any width, least significant bit first.
private struct BitReader {
    private let bytes: ArraySlice<UInt8>
    private var next: Int
    private var pending: UInt64 = 0
    private var pendingBitCount = 0

    init(bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        next = bytes.startIndex
    }

    var unreadByteCount: Int { bytes.endIndex - next }

    /// - Precondition: wide values begin at a whole byte.
    mutating func take(bitCount: Int) throws(PartitionError) -> UInt64 {
        if bitCount >= 32 {
            precondition(pendingBitCount == 0)
            guard unreadByteCount >= bitCount / 8 else {
                throw .truncated(byteCount: bytes.endIndex)
            }
            var value: UInt64 = 0
            for index in 0..<(bitCount / 8) {
                value |= UInt64(bytes[next + index]) << UInt64(8 * index)
            }
            next += bitCount / 8
            return value
        }
        while pendingBitCount < bitCount {
            guard next < bytes.endIndex else { throw .truncated(byteCount: bytes.endIndex) }
            pending |= UInt64(bytes[next]) << UInt64(pendingBitCount)
            next += 1
            pendingBitCount += 8
        }
        let value = pending & (1 << UInt64(bitCount) - 1)
        pending >>= UInt64(bitCount)
        pendingBitCount -= bitCount
        return value
    }

    mutating func takeBlock(
        step: Int, dimmCount: Int
    ) throws(PartitionError) -> Partition.Block {
        let neuronCount = Int(try take(bitCount: 32))
        let homeBits = PartitionLayout.bitsPerHome(dimmCount: dimmCount)
        // Before anything is allocated for them.
        guard (neuronCount * (1 + homeBits) + 7) / 8 <= unreadByteCount else {
            throw .truncated(byteCount: bytes.endIndex)
        }
        var hotNeurons: [UInt32] = []
        for neuron in 0..<neuronCount where try take(bitCount: 1) == 1 {
            hotNeurons.append(UInt32(neuron))
        }
        var homes: [UInt16] = []
        homes.reserveCapacity(neuronCount)
        for neuron in 0..<neuronCount {
            let home = try take(bitCount: homeBits)
            guard home < UInt64(dimmCount) else {
                throw .noSuchDIMM(
                    step: step, neuron: neuron, dimm: UInt16(home), dimmCount: dimmCount)
            }
            homes.append(UInt16(home))
        }
        guard pending == 0 else { throw .strayBits(step: step) }
        pendingBitCount = 0
        return Partition.Block(hotNeurons: hotNeurons, homes: homes)
    }
}
