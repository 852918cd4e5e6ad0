import DIMMWorker
import HardwareModel
import Messages
import Quantities
import Simulation
import Testing
import Topology

/// What a worker that knows a shape alone answers: times that follow from the lists by hand, and
/// messages of true sizes.
@Suite struct ShapeWorkerTests {
    /// Reading so many blocks of a size on the rank that has most.
    private func read(_ blockCount: Int, of byteCount: Int) throws -> UInt64 {
        let dimm = try SmallShape.topology().dimms[1]
        let efficiency = try DIMMModel(dimm).dram.efficiency(
            mode: .ndpCenterBuffer, pattern: .randomBlocks(byteCount: byteCount))
        let lineCount = UInt64(blockCount * byteCount / 64)
        return efficiency.duration(ofLinesOnOnePath: lineCount).picoseconds
    }

    private func replies(
        _ requests: [[UInt8]], split: ShapeConfiguration.AttentionSplit = .heads,
        host: ShapeConfiguration.Host? = nil
    ) throws -> [ShapeReply] {
        let conversation = try ShapeConversation(
            SmallShape.configuration(
                topology: SmallShape.topology(), split: split, host: host), requests)
        #expect(conversation.end == nil)
        #expect(conversation.farewell != nil)
        #expect(conversation.replies.count == requests.count)
        return conversation.replies
    }

    /// The slots of each sequence; on the busiest rank, products and union that follow.
    @Test(arguments: [
        ([[0], []], 1, 1, 1), ([[0, 1], []], 1, 2, 2), ([[0, 4], []], 2, 2, 2),
        ([[0], [0]], 1, 2, 1), ([[0, 1], [1, 2]], 1, 4, 3), ([[], []], 0, 0, 0),
        ([[0, 4, 8, 59], [3, 7, 4]], 3, 7, 6),
    ])
    func `Neurons of the union are read once and multiplied for each sequence`(
        sets: [[Int]], busiest: Int, products: UInt64, union: Int
    ) throws {
        let reply = try replies([SmallShape.request(block: 0, sets, layer: 1, time: 900)])[0]
        let read = try busiest == 0 ? 0 : read(busiest, of: 8_192)
        // 4096 MACs a product are two groups of 2048, 25 ns each.
        let multiply = products * 50_000
        #expect(reply.report.readPicoseconds == read)
        #expect(reply.report.multiplyPicoseconds == multiply)
        #expect(reply.report.busyPicoseconds == read + multiply)
        #expect(reply.report.readByteCount == UInt64(union) * 8_192)
        #expect(reply.report.multiplyAccumulateCount == products * 4_096)
        #expect(reply.header.time == 900 + read + multiply)
        #expect(reply.header.kind == .partialSum)
        #expect(reply.header.layer == 1)
        #expect(reply.header.auxiliary == union)
        // Two sequences' sums of 96 bytes and sets of two words.
        #expect(reply.header.count == 96)
        #expect(reply.payloadByteCount == 2 * (96 + 16))
    }

    @Test func `The feed-forward step applies ReLU to each product`() throws {
        let none = try replies([SmallShape.request(block: 1, [[], []])])[0]
        #expect(none.report.busyPicoseconds == 0)
        let reply = try replies([SmallShape.request(block: 1, [[0, 1, 2], [2, 3]])])[0]
        let read = try read(1, of: 16_384)
        // Five products of four groups; five elements take one cycle of the 256 adders.
        #expect(reply.report.busyPicoseconds == read + 500_000 + 1_000)
        #expect(reply.header.count == 64)
        #expect(reply.payloadByteCount == 2 * (64 + 24))
        // 300 products give 300 elements: two cycles.
        let all = Array(0..<100)
        let three = try ShapeConversation(
            SmallShape.configuration(topology: SmallShape.topology(), batch: 3),
            [SmallShape.request(block: 1, [all, all, all])])
        let expected: UInt64 = try self.read(25, of: 16_384) + 30_002_000
        #expect(three.replies.map(\.report.busyPicoseconds) == [expected])
    }

    @Test func `Work begins when the DIMM is free`() throws {
        let request = SmallShape.request(block: 0, [[0], []], time: 100)
        var next = request
        set(2, at: 16, byteCount: 8, in: &next)
        let both = try replies([request, next])
        let busy = both[0].report.busyPicoseconds
        #expect(both[0].header.time == 100 + busy)
        #expect(both[1].header.time == 100 + 2 * busy)
    }

    // MARK: Attention

    /// Scores and context of so many MACs and bytes of keys, and softmax over so many rows.
    private func attention(
        keyByteCount: UInt64, macCount: UInt64, rowCount: UInt64
    ) throws -> UInt64 {
        let dimm = try SmallShape.topology().dimms[1]
        let efficiency = try DIMMModel(dimm).dram.efficiency(
            mode: .ndpCenterBuffer, pattern: .randomBlocks(byteCount: 8_192))
        let read = efficiency.duration(ofReading: ByteCount(keyByteCount)).picoseconds
        #expect(macCount <= 2_048)
        // Up to 256 positions take six steps of 1 ns a row.
        return 2 * (read + 25_000) + rowCount * 6_000
    }

    /// DIMM 1 of 2 has head 1 of layer 0, heads 0 and 2 of layer 1.
    @Test func `Attention is split by heads`() throws {
        let replies = try replies([
            SmallShape.attend(layer: 0, position: 9, heads: 1, byteCount: 2 * 4 * 4 * 2),
            SmallShape.attend(layer: 1, position: 9, heads: 2, byteCount: 2 * 8 * 4 * 2),
        ])
        let expected: [UInt64] = try [
            attention(keyByteCount: 2 * 10 * 8, macCount: 2 * 10 * 2 * 4, rowCount: 4),
            attention(keyByteCount: 2 * 10 * 16, macCount: 2 * 10 * 4 * 4, rowCount: 8),
        ]
        #expect(replies.map(\.report.busyPicoseconds) == expected)
        #expect(replies.map(\.report.readByteCount) == [320, 640])
        #expect(replies.map(\.report.multiplyAccumulateCount) == [320, 640])
        #expect(replies.map(\.header.count) == [1, 2])
        #expect(replies.map(\.header.kind) == [.attentionContext, .attentionContext])
        #expect(replies.map(\.payloadByteCount) == [2 * 2 * 8, 2 * 4 * 8])
    }

    /// DIMM 1 of 2 holds the odd positions: none of 0...0, four of 0...8, five of 0...9.
    @Test func `Attention is split by positions`() throws {
        let replies = try replies(
            [
                SmallShape.attend(layer: 0, position: 0, heads: 3, byteCount: 2 * 6 * 8),
                SmallShape.attend(layer: 0, position: 8, heads: 3, byteCount: 2 * 6 * 8),
                SmallShape.attend(layer: 2, position: 9, heads: 3, byteCount: 2 * 12 * 8),
            ], split: .sequence)
        let expected: [UInt64] = try [
            0, attention(keyByteCount: 2 * 4 * 24, macCount: 2 * 4 * 24, rowCount: 12),
            attention(keyByteCount: 2 * 5 * 24, macCount: 2 * 5 * 24, rowCount: 12),
        ]
        #expect(replies.map(\.report.busyPicoseconds) == expected)
        #expect(replies[0].report == WorkReport())
        #expect(replies.map(\.header.count) == [3, 3, 3])
        // Six queries' contexts of four elements, and two more each to merge them by.
        #expect(replies.map(\.payloadByteCount) == [144, 144, 144])
    }

    @Test func `Keys and values make the DIMM's time no longer`() throws {
        let conversation = try ShapeConversation(
            SmallShape.configuration(topology: SmallShape.topology()),
            [
                // Two rows of one and of two heads of both sequences.
                SmallShape.rows(layer: 0, first: 0, count: 2, byteCount: 2 * 32),
                SmallShape.rows(layer: 1, first: 18, count: 2, byteCount: 2 * 64),
            ])
        #expect(conversation.end == nil)
        #expect(conversation.replies.isEmpty)
        #expect(conversation.farewell?.busyPicoseconds == 0)
    }

    // MARK: Host

    @Test func `A host takes its step and reads at its rates`() throws {
        let host = ShapeConfiguration.Host(
            weightBytesPerSecond: 1_000_000_000, keyValueBytesPerSecond: 2_000_000_000,
            stepPicoseconds: 7_000)
        var empty = SmallShape.request(block: 1, [[], []])
        set(2, at: 16, byteCount: 8, in: &empty)
        let replies = try replies(
            [
                SmallShape.request(block: 0, [[0, 1], [1]]),
                SmallShape.request(block: 1, [[0], [0]]), empty,
                SmallShape.attend(layer: 1, position: 9, heads: 2, byteCount: 2 * 8 * 4 * 2),
                SmallShape.slots(.sendNeurons, [0, 1], block: 1),
            ], host: host)
        // Two neurons and the step, one and the step, the step; 640 bytes and it; two neurons to
        // copy, in one sweep, as keys and values are read.
        let busy: [UInt64] = [16_391_000, 16_391_000, 7_000, 327_000, 16_384_000]
        #expect(replies.map(\.report.busyPicoseconds) == busy)
        #expect(replies[0].report.multiplyAccumulateCount == 3 * 4_096)
        #expect(replies.allSatisfy { $0.report.multiplyPicoseconds == 0 })
    }

    // MARK: Memory

    @Test func `Facts say what is modelled`() throws {
        let shape = SmallShape.configuration(topology: nil)
        let facts = try #require(try ShapeConversation(shape, []).ready)
        let neuronByteCount: UInt64 = 60 * 8_192 + 100 * 16_384
        #expect(facts.weightByteCount == 3 * neuronByteCount)
        // Heads 1, then 0 and 2, then 1 of the layers: four of two sequences and 20 positions.
        #expect(facts.keyValueByteCount == 4 * 2 * 20 * 2 * 4 * 2)
        let spread = SmallShape.configuration(topology: nil, split: .sequence)
        let shares = try #require(try ShapeConversation(spread, []).ready)
        #expect(shares.keyValueByteCount == 3 * 3 * 2 * 10 * 2 * 4 * 2)
    }

    /// A kilobyte is read many times round, and the last neurons of the last layer, too.
    @Test(arguments: [0, 8, 1_000, 1 << 20])
    func `A native run reads memory and keeps no time`(arena: Int) throws {
        let shape = SmallShape.configuration(topology: nil, arena: arena)
        let conversation = try ShapeConversation(
            shape,
            [
                SmallShape.request(block: 0, [[0, 59], [59]], layer: 2),
                SmallShape.request(block: 1, [[0, 99], [7]], layer: 2),
                SmallShape.attend(layer: 1, position: 19, heads: 2, byteCount: 128),
            ])
        #expect(conversation.end == nil)
        #expect(conversation.replies.map(\.header.time) == [0, 0, 0])
        #expect(conversation.replies.allSatisfy { $0.report == WorkReport() })
    }

    // MARK: Movement

    @Test(arguments: [0, 1])
    func `Neurons go from ring to ring in their size`(block: Int) throws {
        let byteCount = SmallShape.neuronByteCounts[block]
        let free = UInt32(SmallShape.slotCounts[block] - 1)
        let topology = try SmallShape.topology()
        let (first, second) = InMemoryLink.pair(capacity: 1 << 22)
        let donor = try ShapeConversation(
            SmallShape.configuration(topology: topology),
            [
                SmallShape.slots(.giveNeurons, [0, 5], block: block),
                SmallShape.request(block: block, [[0], [5]], layer: 2),
                SmallShape.slots(.releaseNeurons, [0, 5], block: block),
                SmallShape.slots(.sendNeurons, [5], block: block),
            ], peers: [0: first])
        #expect(donor.replies.map(\.header.kind) == [.neuronsGiven, .partialSum])
        #expect(donor.replies[0].header.count == 2)
        #expect(donor.end == .peerCorrupt("slot 5 of layer 2 holds no neuron"))
        let read = try read(1, of: byteCount)
        #expect(donor.replies[0].report.busyPicoseconds == read)
        let receiver = try ShapeConversation(
            SmallShape.configuration(topology: topology, dimm: 0),
            [
                SmallShape.take([free, free - 4], block: block, peer: 1, arrival: 1_000),
                SmallShape.request(block: block, [[Int(free)], []], layer: 2),
                SmallShape.slots(.sendNeurons, [free], block: block),
            ], peers: [1: second])
        #expect(receiver.end == nil)
        #expect(receiver.replies.map(\.header.count).first == 2)
        // Both slots are on one rank.
        #expect(try receiver.replies[0].report.busyPicoseconds == self.read(2, of: byteCount))
        #expect(try receiver.replies[0].header.time == 1_000 + self.read(2, of: byteCount))
        #expect(receiver.replies[2].header.kind == .neuronWeights)
        #expect(receiver.replies[2].payloadByteCount == byteCount)
        withExtendedLifetime(first) {}
    }

    @Test func `What did not come is not there`() throws {
        let (there, here) = InMemoryLink.pair()
        let conversation = try ShapeConversation(
            SmallShape.configuration(topology: nil),
            [
                SmallShape.take([69], block: 0, peer: 0),
                SmallShape.request(block: 0, [[69], []], layer: 2),
            ], peers: [0: here])
        #expect(conversation.replies.map(\.header.count) == [0])
        #expect(conversation.end == .peerCorrupt("slot 69 holds no neuron"))
        withExtendedLifetime(there) {}
    }
}
