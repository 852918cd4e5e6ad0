import DIMMWorker
import Messages
import SeededRandom
import Testing

/// Coordinators that ask a worker for what its shape does not have: it says so and never traps.
@Suite struct ShapeRequestTests {
    private static let native = SmallShape.configuration(topology: nil)

    private func expectCorrupt(
        _ requests: [[UInt8]], _ part: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try expectCorrupt(Self.native, requests, part, sourceLocation: sourceLocation)
    }

    private func expectCorrupt(
        _ shape: ShapeConfiguration, _ requests: [[UInt8]], _ part: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let end = try ShapeConversation(shape, requests).end
        guard case .peerCorrupt(let text)? = end else {
            Issue.record("\(String(describing: end))", sourceLocation: sourceLocation)
            return
        }
        #expect(text.contains(part), sourceLocation: sourceLocation)
    }

    @Test func `Empty slots, foreign slots and wrong sizes are refused`() throws {
        try expectCorrupt(
            [SmallShape.request(block: 0, [[60], []])], "slot 60 holds no neuron")
        try expectCorrupt(
            [SmallShape.request(block: 1, [[], [0, 129]])], "slot 129 holds no neuron")
        try expectCorrupt([SmallShape.request(block: 0, [[0]])], "70 slots for 2 sequences")
        try expectCorrupt([SmallShape.request(block: 0, [[], [], []])], "for 2 sequences")
        var bytes = SmallShape.request(block: 0, [[0], [0]])
        bytes[MessageHeader.byteCount + 15] = 0x80
        try expectCorrupt([bytes], "past 69")
        try expectCorrupt([SmallShape.request(block: 0, [[0], []], layer: 3)], "layer 3 of 3")
    }

    @Test func `Heads and positions that are not here are refused`() throws {
        // DIMM 0 of 2 has two heads in layer 0.
        let shape = SmallShape.configuration(topology: nil, dimm: 0)
        try expectCorrupt(
            shape, [SmallShape.attend(layer: 0, position: 0, heads: 1, byteCount: 64)], "1 heads")
        try expectCorrupt(
            shape, [SmallShape.attend(layer: 0, position: 0, heads: 2, byteCount: 127)], "2 heads")
        try expectCorrupt(
            shape, [SmallShape.attend(layer: 0, position: 20, heads: 2, byteCount: 128)],
            "position 20 of 20")
        try expectCorrupt(
            [SmallShape.rows(layer: 0, first: 19, count: 2, byteCount: 64)],
            "rows 19..<21 of 20")
        try expectCorrupt([SmallShape.rows(layer: 0, first: 0, count: 2, byteCount: 63)], "2 rows")
        var few = Self.native
        few.queryHeadCount = 1
        few.keyValueHeadCount = 1
        try expectCorrupt(
            few, [SmallShape.attend(layer: 0, position: 0, heads: 0, byteCount: 0)], "no head")
        try expectCorrupt(
            few, [SmallShape.rows(layer: 0, first: 0, count: 1, byteCount: 0)], "no head")
    }

    @Test func `A share of the positions has its own sizes`() throws {
        let shape = SmallShape.configuration(topology: nil, split: .sequence)
        // Ten of 20 positions, three heads, two sequences.
        let right = SmallShape.rows(layer: 0, first: 8, count: 2, byteCount: 2 * 96)
        #expect(try ShapeConversation(shape, [right]).end == nil)
        try expectCorrupt(
            shape, [SmallShape.rows(layer: 0, first: 1, count: 2, byteCount: 96)], "2 rows")
        try expectCorrupt(
            shape, [SmallShape.rows(layer: 0, first: 8, count: 3, byteCount: 3 * 96)],
            "rows 8..<11 of 10")
        // Position 8 is not held, so its key and value do not come.
        try expectCorrupt(
            shape, [SmallShape.attend(layer: 0, position: 8, heads: 3, byteCount: 192)], "3 heads")
    }

    @Test func `Moves of nothing, to nowhere, onto others are refused`() throws {
        for kind in [MessageKind.giveNeurons, .sendNeurons] {
            try expectCorrupt([SmallShape.slots(kind, [60], block: 0)], "holds no neuron")
            try expectCorrupt([SmallShape.slots(kind, [70], block: 0)], "holds no neuron")
            try expectCorrupt([SmallShape.slots(kind, [0], block: 2)], "block 2 of 2")
            try expectCorrupt([SmallShape.slots(kind, [0], block: 0, count: 2)], "a list of 2")
        }
        try expectCorrupt([SmallShape.slots(.giveNeurons, [0], block: 0)], "no link to DIMM 0")
        let many = (0..<8).map { UInt32($0) }
        try expectCorrupt(
            [SmallShape.slots(.sendNeurons, many, block: 0)], "more than the link carries")
        try expectCorrupt([SmallShape.slots(.releaseNeurons, [130], block: 1)], "slot 130 of 130")
        for slots in [[59], [70], [60, 60]] as [[UInt32]] {
            try expectCorrupt([SmallShape.take(slots, block: 0, peer: 0)], "cannot take")
        }
        try expectCorrupt([SmallShape.take([60], block: 0, peer: 0)], "no link to DIMM 0")
    }

    @Test func `Shapes that no machine works on are refused`() throws {
        var shape = Self.native
        shape.blocks[0].slotCount = 1 << 30
        try expectCorrupt(shape, [], "absurd")
        shape = Self.native
        shape.blocks[1].neuronByteCount = Int(Int32.max)
        shape.blocks[1].slotCount = 1 << 20
        try expectCorrupt(shape, [], "absurd")
        shape = Self.native
        shape.contextCapacity = Int(Int32.max)
        shape.headSize = Int(Int32.max)
        try expectCorrupt(shape, [], "absurd")
        shape = Self.native
        shape.blocks[0].sumByteCount = 1 << 15
        try expectCorrupt(shape, [], "more than the link carries")
        shape = Self.native
        shape.headSize = 1 << 12
        try expectCorrupt(shape, [], "contexts of")
        shape = Self.native
        shape.isTimed = true
        try expectCorrupt(shape, [], "topology")
        let slow = ShapeConfiguration.Host(
            weightBytesPerSecond: 1, keyValueBytesPerSecond: 1, stepPicoseconds: .max)
        try expectCorrupt(
            SmallShape.configuration(topology: SmallShape.topology(), host: slow), [], "absurd")
    }

    @Test func `A serving worker refuses what is no request`() throws {
        try expectCorrupt([message(MessageHeader(.configureShape, step: 1))], "serving worker")
        try expectCorrupt([message(MessageHeader(.setActivityRule, step: 1))], "serving worker")
    }

    @Test func `Whatever comes, the worker serves it or says what is wrong`() throws {
        var random = SplitMix64(seed: 23)
        let right = [
            SmallShape.request(block: 0, [[0], [3]]), SmallShape.request(block: 1, [[9], []]),
            SmallShape.attend(layer: 1, position: 4, heads: 2, byteCount: 128),
            SmallShape.rows(layer: 0, first: 0, count: 2, byteCount: 64),
            SmallShape.slots(.sendNeurons, [3], block: 0),
            SmallShape.slots(.releaseNeurons, [7, 8], block: 1),
            SmallShape.take([60, 61], block: 0, peer: 0),
        ]
        for _ in 0..<600 {
            var request = right[Int.random(in: 0..<right.count, using: &random)]
            spoil(&request, with: &random)
            switch try ShapeConversation(Self.native, [request]).end {
            case .peerCorrupt?, nil: break
            case let other?:
                Issue.record("\(other)")
                return
            }
        }
    }
}
