import OfflinePartition
import SeededRandom
import Testing

/// The byte form of a partition: what was written is read, anything else is refused.
@Suite struct PartitionEncodingTests {
    private func randomPartition(
        neuronCounts: [Int], dimmCount: Int, seed: UInt64
    ) throws -> Partition {
        var random = SplitMix64(seed: seed)
        let blocks = neuronCounts.map { neuronCount in
            Partition.Block(
                hotNeurons: (0..<UInt32(neuronCount)).filter { _ in
                    Bool.random(using: &random)
                },
                homes: (0..<neuronCount).map { _ in
                    UInt16.random(in: 0...UInt16(dimmCount - 1), using: &random)
                })
        }
        return try Partition(blocks: blocks, blocksPerLayer: 2, dimmCount: dimmCount)
    }

    @Test(arguments: [1, 2, 3, 8, 9, 16, 255, 256, 257, 65536])
    func `Whatever is written is read again`(dimmCount: Int) throws {
        let partition = try randomPartition(
            neuronCounts: [0, 1, 7, 8, 9, 1000], dimmCount: dimmCount, seed: 4)
        let bytes = partition.encoded()
        #expect(try Partition(decoding: bytes) == partition)
        #expect(partition.encoded() == bytes)
        // Bits a home: 0, 1, 2, 3, 4, 4, 8, 8, 9, 16.
        var bits = 0
        while 1 << bits < dimmCount { bits += 1 }
        let blockBytes = [0, 1, 7, 8, 9, 1000].reduce(0) { $0 + 4 + ($1 * (1 + bits) + 7) / 8 }
        #expect(bytes.count == 56 + blockBytes + 8)
    }

    @Test func `The bytes are those of the layout`() throws {
        let partition = try Partition(
            blocks: [.init(hotNeurons: [0, 2], homes: [2, 0, 1])], blocksPerLayer: 1,
            dimmCount: 3)
        let bytes = partition.encoded()
        let header: [UInt8] = [
            0x48, 0x45, 0x52, 0x4D, 0x45, 0x53, 0x50, 0x41, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
            3, 0, 0, 0,
        ]
        #expect(Array(bytes.prefix(24)) == header)
        #expect(Array(bytes[24..<56]) == [UInt8](repeating: 0, count: 32))
        // Three neurons. From the low end: hot bits 1, 0, 1, then homes 2, 0, 1 of two bits each.
        #expect(Array(bytes[56..<62]) == [3, 0, 0, 0, 0b1001_0101, 0])
    }

    @Test func `The model's hash is kept, and a file without one is read as such`() throws {
        let hash = (1...32).map { UInt8($0) }
        let plain = try Partition(
            blocks: [.init(hotNeurons: [0, 2], homes: [2, 0, 1])], blocksPerLayer: 1,
            dimmCount: 3)
        let named = plain.of(modelHash: hash)
        #expect(named != plain && named.blocks == plain.blocks)
        let bytes = named.encoded()
        #expect(Array(bytes[24..<56]) == hash)
        #expect(try Partition(decoding: bytes) == named)
        #expect(try Partition(decoding: plain.encoded()).modelHash.isEmpty)
        // Version 1 lacks the field.
        var old = plain.encoded()
        old.removeSubrange(24..<56)
        old[8] = 1
        #expect(try Partition(decoding: forged(old, at: 8, [1])) == plain)
    }

    @Test func `Every single flipped bit is noticed`() throws {
        let bytes = try randomPartition(neuronCounts: [5, 11], dimmCount: 3, seed: 9).encoded()
        for bit in 0..<(8 * bytes.count) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            if let read = try? Partition(decoding: damaged) {
                Issue.record("bit \(bit): read as \(read)")
            }
        }
    }

    @Test func `Every truncation and any addition is noticed`() throws {
        let bytes = try randomPartition(neuronCounts: [5, 11], dimmCount: 3, seed: 9).encoded()
        for byteCount in 0..<bytes.count {
            if let read = try? Partition(decoding: Array(bytes.prefix(byteCount))) {
                Issue.record("\(byteCount) bytes: read as \(read)")
            }
        }
        #expect(throws: PartitionError.truncated(byteCount: 0)) { try Partition(decoding: []) }
        #expect(throws: PartitionError.truncated(byteCount: 31)) {
            try Partition(decoding: Array(bytes.prefix(31)))
        }
        #expect(throws: PartitionError.checksumMismatch) {
            try Partition(decoding: bytes + [0])
        }
    }

    /// Replaces bytes and makes the checksum right again, as no accident would.
    private func forged(
        _ bytes: [UInt8], at offset: Int, _ replacement: [UInt8], adding extra: [UInt8] = []
    ) -> [UInt8] {
        var content = Array(bytes.dropLast(8)) + extra
        content.replaceSubrange(offset..<offset + replacement.count, with: replacement)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in content { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return content + (0..<8).map { UInt8(truncatingIfNeeded: hash >> (8 * $0)) }
    }

    @Test func `Well-summed nonsense is refused by what is wrong with it`() throws {
        let bytes = try Partition(
            blocks: [.init(hotNeurons: [0], homes: [2, 0, 1])], blocksPerLayer: 1, dimmCount: 3
        ).encoded()
        func refuses(_ bytes: [UInt8], _ error: PartitionError) {
            #expect(throws: error) { try Partition(decoding: bytes) }
        }
        refuses(Array("GGUF".utf8) + bytes, .notAPartition)
        refuses(forged(bytes, at: 8, [3]), .unknownVersion(3))
        refuses(forged(bytes, at: 12, [0]), .incompleteLayer(stepCount: 1, blocksPerLayer: 0))
        refuses(forged(bytes, at: 12, [2]), .incompleteLayer(stepCount: 1, blocksPerLayer: 2))
        refuses(forged(bytes, at: 16, [0]), .trailingBytes(6))
        refuses(forged(bytes, at: 16, [2]), .truncated(byteCount: bytes.count - 8))
        refuses(
            forged(bytes, at: 16, [255, 255, 255, 255]), .truncated(byteCount: bytes.count - 8))
        refuses(forged(bytes, at: 20, [0]), .dimmCountOutOfRange(0))
        refuses(forged(bytes, at: 20, [1, 0, 1]), .dimmCountOutOfRange(65537))
        refuses(
            forged(bytes, at: 56, [255, 255, 255, 255]), .truncated(byteCount: bytes.count - 8))
        // Home 3 of neuron 0: bits 3 and 4.
        refuses(
            forged(bytes, at: 60, [bytes[60] | 0b11000]),
            .noSuchDIMM(step: 0, neuron: 0, dimm: 3, dimmCount: 3))
        refuses(forged(bytes, at: 61, [bytes[61] | 0b10]), .strayBits(step: 0))
        refuses(forged(bytes, at: 0, [], adding: [0, 0]), .trailingBytes(2))
    }
}
