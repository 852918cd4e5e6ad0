import HardwareModel
import Quantities
import Testing
import Topology

struct GEMVUnitTests {
    /// 256 x 8 lanes finish a MAC each in 25 cycles of 1 ns: 81.92 x 10⁹ MACs a second.
    @Test func `A group of MACs takes its cycles, one more MAC another group`() {
        let unit = paperUnit()
        #expect(unit.macsPerGroup == 2048)
        #expect(unit.multiplyDuration(macCount: 0) == .zero)
        #expect(unit.multiplyDuration(macCount: 1) == .ns(25))
        #expect(unit.multiplyDuration(macCount: 2_048) == .ns(25))
        #expect(unit.multiplyDuration(macCount: 2_049) == .ns(50))
        #expect(unit.multiplyDuration(macCount: 81_920_000_000) == .ns(1_000_000_000))
    }

    /// 256 KiB hold eight pairs of 16 KiB vectors; a tile of a neuron of 160 lines may be one.
    @Test(
        arguments: [
            (1, 1, 1), (8, 1, 1), (9, 2, 1), (16, 2, 1), (17, 3, 1), (1_280, 160, 1),
            (1_281, 160, 2), (2_560, 160, 2), (2_561, 160, 3),
        ] as [(Int, Int, UInt64)])
    func `A batch beyond the buffer is cut into tiles, one beyond its lines into passes`(
        batch: Int, tiles: Int, passes: UInt64
    ) throws {
        let tiling = try paperUnit().tiling(
            batchSize: batch, byteCountPerSequence: ByteCount(32 << 10), lineCountPerNeuron: 160)
        #expect(tiling == BatchTiling(tileCount: tiles, passCount: passes))
    }

    @Test func `One sequence must fit at a line of each neuron`() throws {
        let unit = paperUnit()
        let two = ByteCount(512 << 10)
        #expect(
            try unit.tiling(batchSize: 1, byteCountPerSequence: two, lineCountPerNeuron: 2)
                == BatchTiling(tileCount: 2, passCount: 1))
        let error = HardwareModelError.bufferTooSmall(
            needed: ByteCount(256 << 10) + ByteCount(1), capacity: ByteCount(256 << 10))
        #expect(throws: error) {
            try unit.tiling(
                batchSize: 1, byteCountPerSequence: two + ByteCount(1), lineCountPerNeuron: 2)
        }
    }

    @Test func `Reading and multiplying overlap or follow each other`() {
        let overlapped = paperUnit(overlap: .maximum).timing(read: .ns(3), multiply: .ns(5))
        #expect(overlapped.total == .ns(5))
        #expect(overlapped.bound == .multiply)
        let serial = paperUnit(overlap: .sum).timing(read: .ns(5), multiply: .ns(3))
        #expect(serial.total == .ns(8))
        #expect(serial.bound == .read)
        #expect(paperUnit().timing(read: .ns(1), multiply: .ns(1)).bound == .read)
    }
}

struct ActivationUnitTests {
    /// One row of 256: max, subtract, exponential, sum, scale take 1 cycle each, the divider 1.
    @Test func `Softmax takes six steps a row of up to 256`() {
        let unit = paperActivationUnit
        #expect(unit.softmaxDuration(rowCount: 0, length: 1) == .zero)
        #expect(unit.softmaxDuration(rowCount: 1, length: 1) == .ns(6))
        #expect(unit.softmaxDuration(rowCount: 1, length: 256) == .ns(6))
        #expect(unit.softmaxDuration(rowCount: 1, length: 257) == .ns(11))
        #expect(unit.softmaxDuration(rowCount: 40, length: 256) == .ns(240))
    }

    @Test func `ReLU and merging run at the width of the adders`() {
        let unit = paperActivationUnit
        #expect(unit.reluDuration(elementCount: 0) == .zero)
        #expect(unit.reluDuration(elementCount: 256) == .ns(1))
        #expect(unit.reluDuration(elementCount: 257) == .ns(2))
        #expect(unit.mergeDuration(vectorCount: 1, length: 5_120) == .zero)
        #expect(unit.mergeDuration(vectorCount: 9, length: 5_120) == .ns(8 * 20))
        #expect(unit.mergeDuration(vectorCount: 9, length: 5_121) == .ns(8 * 21))
    }
}

struct DIMMModelTests {
    private func dimm(
        layout: Topology.NeuronLayout = .wholeRank,
        overlap: Topology.ReadMultiplyOverlap = .maximum
    ) throws -> DIMMModel {
        DIMMModel(
            dram: try DRAMModel(
                DDR4.configuration(mapping: .roRaBaCoBg, refreshes: true, layout: layout)),
            gemvUnit: paperUnit(overlap: overlap), activationUnit: paperActivationUnit)
    }

    private func work(
        _ counts: [Int], batch: Int = 1, products: Int? = nil, byteCount: Int = 10_240
    ) -> NeuronWork {
        NeuronWork(
            neuronCountPerRank: counts, neuronByteCount: byteCount, weightsPerNeuron: 5_120,
            batchSize: batch, productCount: products,
            vectorByteCountPerSequence: ByteCount(20_480))
    }

    /// 100 neurons of 160 lines on the busiest rank; the others wait for it.
    @Test func `The rank with most neurons decides how long reading takes`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let timing = try model.timing(of: work([10, 100, 20, 30]), using: &table)
        let efficiency = try model.dram.efficiency(
            mode: .ndpCenterBuffer, pattern: .randomBlocks(byteCount: 10_240))
        let needed = UInt128(100 * 160 * efficiency.cycleCount) * 625
        let read = UInt128(timing.read.picoseconds)
        #expect(read * UInt128(efficiency.requestCount) >= needed)
        #expect((read - 1) * UInt128(efficiency.requestCount) < needed)
        // 160 x 5120 MACs in groups of 2048: 400 x 25 ns.
        #expect(timing.multiply == .ns(10_000))
        #expect(timing.total == max(timing.read, timing.multiply))
    }

    @Test func `Twice the neurons take twice as long`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm(overlap: .sum)
        let once = try model.timing(of: work([8, 8, 8, 8]), using: &table)
        let twice = try model.timing(of: work([16, 16, 16, 16]), using: &table)
        #expect(twice.multiply == once.multiply * 2)
        #expect(twice.read <= once.read * 2)
        #expect(twice.read + .ps(2) > once.read * 2)
        #expect(twice.total == twice.read + twice.multiply)
        #expect(table.count == 1)
    }

    @Test func `A batch multiplies more and reads no more while its vectors fit`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let one = try model.timing(of: work([8, 8, 8, 8]), using: &table)
        let twelve = try model.timing(of: work([8, 8, 8, 8], batch: 12), using: &table)
        #expect(twelve.read == one.read)
        #expect(twelve.multiply == one.multiply * 12)
        #expect(table.count == 1)
    }

    /// Twelve sequences fit 256 KiB, 25 need two tiles of 80 lines, 38 three of 53.3 lines, which
    /// are 54; the same lines come in shorter blocks.
    @Test(arguments: [(13, 2, 80), (25, 2, 80), (26, 3, 54), (38, 3, 54), (39, 4, 40)])
    func `Beyond the buffer each weight is read once, in shorter blocks`(
        batch: Int, tiles: Int, linesPerTile: UInt64
    ) throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let timing = try model.timing(of: work([8, 8, 7, 8], batch: batch), using: &table)
        let efficiency = try model.dram.efficiency(
            mode: .ndpCenterBuffer,
            pattern: .randomBlocks(byteCount: (10_240 + tiles - 1) / tiles))
        #expect(
            timing.read
                == efficiency.duration(ofLinesOnOnePath: 8 * UInt64(tiles) * linesPerTile))
        // 31 neurons x batch x 5120 MACs in groups of 2048, 25 ns each.
        let groups = (31 * UInt64(batch) * 5_120 + 2_047) / 2_048
        #expect(timing.multiply == .ns(groups * 25))
    }

    /// Neurons of two lines: 25 sequences in two tiles of one line, the 26th in a second pass.
    @Test(arguments: [(25, 1), (26, 2), (50, 2), (51, 3)] as [(Int, UInt64)])
    func `Beyond one line a tile weights are read again`(batch: Int, passes: UInt64) throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let timing = try model.timing(
            of: work([8, 8, 8, 8], batch: batch, byteCount: 128), using: &table)
        let efficiency = try model.dram.efficiency(
            mode: .ndpCenterBuffer, pattern: .randomBlocks(byteCount: 64))
        #expect(timing.read == efficiency.duration(ofLinesOnOnePath: 8 * 2 * passes))
    }

    @Test func `Sequences that need only some neurons multiply only those`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let all = try model.timing(of: work([4, 0, 0, 0], batch: 4), using: &table)
        let some = try model.timing(of: work([4, 0, 0, 0], batch: 4, products: 6), using: &table)
        #expect(work([4, 0, 0, 0], batch: 4).productCount == 16)
        #expect(all.multiply == .ns(16 * 5 * 25 / 2))
        #expect(some.multiply == .ns(6 * 5 * 25 / 2))
        #expect(some.read == all.read)
    }

    @Test func `Neurons that move are read whole, however large the batch`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let moved = try model.movementDuration(
            neuronCountPerRank: [8, 3, 0, 0], neuronByteCount: 10_240, using: &table)
        #expect(try model.timing(of: work([8, 3, 0, 0]), using: &table).read == moved)
        #expect(
            try model.movementDuration(
                neuronCountPerRank: [0, 0, 0, 0], neuronByteCount: 10_240, using: &table) == .zero)
    }

    @Test func `Striped neurons keep all ranks equally busy`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm(layout: .striped)
        let uneven = try model.timing(of: work([32, 0, 0, 0]), using: &table)
        let even = try model.timing(of: work([8, 8, 8, 8]), using: &table)
        #expect(uneven == even)
    }

    @Test func `No neurons take no time and are not simulated`() throws {
        var table = DRAMEfficiencyTable()
        let timing = try dimm().timing(of: work([0, 0, 0, 0]), using: &table)
        #expect(timing.total == .zero)
        #expect(table.count == 0)
    }

    @Test func `Neurons take the ranks in turn`() {
        let places = [0, 1, 4, 5, 8, 9, 13]
        #expect(NeuronWork.neuronCountPerRank(ofPlaces: places, rankCount: 4) == [3, 4, 0, 0])
        #expect(NeuronWork.neuronCountPerRank(ofPlaces: [], rankCount: 2) == [0, 0])
    }

    /// OPT-13B's heads on one of eight DIMMs: 5 of 40, of 128 elements, 256 positions.
    @Test func `Attention reads keys, then softmax, then values`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let work = AttentionWork(
            batchSize: 2, contextLength: 256, queryHeadCount: 5, keyValueHeadCount: 5,
            headSize: 128, bytesPerElement: 2, blockByteCount: 65_536)
        #expect(work.keyByteCount == ByteCount(655_360))
        #expect(work.macCountPerProduct == 327_680)
        let timing = try model.timing(of: work, using: &table)
        #expect(timing.scores.multiply == .ns(160 * 25))
        #expect(timing.softmax == .ns(10 * 6))
        let efficiency = try model.dram.efficiency(
            mode: .ndpCenterBuffer, pattern: .randomBlocks(byteCount: 65_536))
        #expect(timing.scores.read == efficiency.duration(ofReading: ByteCount(655_360)))
        #expect(timing.context == timing.scores)
        #expect(timing.total == timing.scores.total * 2 + .ns(60))
    }

    @Test func `Queries that share keys multiply more and read no more`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        func timing(queryHeads: Int) throws -> AttentionTiming {
            let work = AttentionWork(
                batchSize: 1, contextLength: 128, queryHeadCount: queryHeads,
                keyValueHeadCount: 1, headSize: 128, bytesPerElement: 2, blockByteCount: 32_768)
            return try model.timing(of: work, using: &table)
        }
        let one = try timing(queryHeads: 1)
        let eight = try timing(queryHeads: 8)
        #expect(eight.scores.read == one.scores.read)
        #expect(eight.scores.multiply == one.scores.multiply * 8)
    }

    @Test func `The host waits for the latency and for the bus that all ranks share`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let bytes = ByteCount(1 << 20)
        let time = try model.hostAccessDuration(
            byteCount: bytes, blockByteCount: 10_240, latency: .ns(100), using: &table)
        let efficiency = try model.dram.efficiency(
            mode: .hostChannel, pattern: .randomBlocks(byteCount: 10_240))
        #expect(time == .ns(100) + efficiency.duration(ofReading: bytes))
        // 1 MiB at the peak of 25.6 GB/s takes 40.96 us.
        #expect(time > .ns(41_060))
        let idle = try model.hostAccessDuration(
            byteCount: .zero, blockByteCount: 10_240, latency: .ns(100), using: &table)
        #expect(idle == .ns(100))
    }
}
