import Messages
import SeededRandom
import Testing

/// What a worker is told of a model that it knows by its shape alone.
@Suite struct ShapeConfigurationTests {
    private static let base = MessageHeader.byteCount

    private static func shape(
        host: ShapeConfiguration.Host? = nil, split: ShapeConfiguration.AttentionSplit = .heads,
        topologyText: String = "format: 1\nname: \u{FC}bung\n"
    ) -> ShapeConfiguration {
        ShapeConfiguration(
            dimmIndex: 2, dimmCount: 3, layerCount: 2, batchSize: 4, contextCapacity: 160,
            isTimed: true, queryHeadCount: 8, keyValueHeadCount: 2, headSize: 16,
            bytesPerActivation: 2, attentionSplit: split, arenaByteCount: 4096, host: host,
            blocks: [
                .init(
                    slotCount: 10, neuronByteCount: 64, weightsPerNeuron: 32, inputByteCount: 20,
                    sumByteCount: 60),
                .init(
                    slotCount: 70, neuronByteCount: 128, weightsPerNeuron: 64, inputByteCount: 20,
                    sumByteCount: 40),
            ], filledSlotCounts: [[10, 64], [0, 70]], topologyText: topologyText)
    }

    private func bytes(of shape: ShapeConfiguration) -> [UInt8] {
        Message(byteCount: Self.base + shape.byteCount) { shape.encode(into: &$0) }.bytes
    }

    private func decode(_ bytes: [UInt8]) throws(LinkError) -> ShapeConfiguration {
        try Message(bytes).read { (span) throws(LinkError) in
            try ShapeConfiguration(decoding: span)
        }
    }

    @Test func `A shape is read as it was written`() throws {
        let host = ShapeConfiguration.Host(
            weightBytesPerSecond: .max, keyValueBytesPerSecond: 1, stepPicoseconds: 7)
        for shape in [
            Self.shape(), Self.shape(host: host, split: .sequence, topologyText: ""),
            Self.shape(topologyText: String(repeating: "x", count: 100_000)),
        ] {
            #expect(try decode(bytes(of: shape)) == shape)
        }
    }

    @Test func `A shape's fields follow the header in order`() {
        let bytes = bytes(of: Self.shape(topologyText: "AB"))
        #expect(bytes[..<Self.base] == [UInt8](repeating: 0xA5, count: Self.base)[...])
        let fields: [UInt8] = [
            2, 3, 2, 4, 160, 1, 8, 2, 16, 2, 0, 0, 10, 64, 32, 20, 60, 70, 128, 64, 20, 40, 0, 0, 0,
        ]
        for (index, field) in fields.enumerated() where index != 11 {
            let start = Self.base + 8 * index
            #expect(Array(bytes[start..<start + 8]) == [field] + [UInt8](repeating: 0, count: 7))
        }
        let counts: [UInt8] = [10, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 70, 0, 0, 0]
        #expect(Array(bytes[(Self.base + 8 * fields.count)...]) == counts + Array("AB".utf8))
    }

    @Test func `A shape that is too short is refused`() {
        let whole = bytes(of: Self.shape(topologyText: ""))
        for byteCount in [0, Self.base, Self.base + 199, whole.count - 17, whole.count - 1] {
            expectCorrupt("a shape of") { () throws(LinkError) in
                try decode(Array(whole.prefix(byteCount)))
            }
        }
    }

    /// Number of a field, what stands there, and what is said of it.
    @Test(
        arguments: [
            (0, 3, "no model has"), (1, 0, "no model has"), (2, 0, "no model has"),
            (2, 65_536, "no model has"), (3, 0, "no model has"), (3, 4097, "no model has"),
            (4, 0, "no model has"), (6, 0, "no model has"), (6, 7, "no model has"),
            (7, 0, "no model has"), (7, 3, "no model has"), (8, 0, "no model has"),
            (9, 0, "no model has"), (10, 2, "attention split 2"), (12, 9, "10 neurons in 9 slots"),
            (13, 0, "without weights"), (14, 0, "without weights"), (19, 0, "without weights"),
            (17, 69, "70 neurons in 69 slots"), (22, 1, "reads nothing"), (4, 1 << 31, "2 Gi"),
            (21, .max, "2 Gi"),
        ] as [(Int, UInt64, String)])
    func `A shape that cannot be is refused`(field: Int, value: UInt64, part: String) {
        var bytes = bytes(of: Self.shape())
        for byte in 0..<8 {
            bytes[Self.base + 8 * field + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte))
        }
        expectCorrupt(part) { () throws(LinkError) in try decode(bytes) }
    }

    @Test func `Whatever comes is a shape or is refused`() {
        var random = SplitMix64(seed: 11)
        let right = bytes(of: Self.shape())
        for _ in 0..<3000 {
            var bytes = right
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let field = Int.random(in: 0..<29, using: &random)
                let shift = Int.random(in: 0..<64, using: &random)
                let value = random.next() >> UInt64(shift)
                for byte in 0..<8 where Self.base + 8 * field + byte < bytes.count {
                    bytes[Self.base + 8 * field + byte] = UInt8(
                        truncatingIfNeeded: value >> UInt64(8 * byte))
                }
            }
            do throws(LinkError) {
                let shape = try decode(bytes)
                #expect(shape.dimmIndex < shape.dimmCount)
                #expect(shape.filledSlotCounts.count == shape.layerCount)
            } catch {
                guard case .peerCorrupt = error else {
                    Issue.record("\(error)")
                    return
                }
            }
        }
    }
}
