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

    /// 256 KiB hold eight pairs of 16 KiB vectors.
    @Test func `A batch beyond the buffer reads the weights again`() throws {
        let unit = paperUnit()
        let vectors = ByteCount(32 << 10)
        #expect(try unit.passCount(batchSize: 8, byteCountPerSequence: vectors) == 1)
        #expect(try unit.passCount(batchSize: 9, byteCountPerSequence: vectors) == 2)
        #expect(try unit.passCount(batchSize: 1, byteCountPerSequence: ByteCount(256 << 10)) == 1)
        let needed = ByteCount(256 << 10) + ByteCount(1)
        let error = HardwareModelError.bufferTooSmall(
            needed: needed, capacity: ByteCount(256 << 10))
        #expect(throws: error) {
            try unit.passCount(batchSize: 1, byteCountPerSequence: needed)
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

    private func work(_ counts: [Int], batch: Int = 1) -> NeuronWork {
        NeuronWork(
            neuronCountPerRank: counts, neuronByteCount: 10_240, weightsPerNeuron: 5_120,
            batchSize: batch, vectorByteCountPerSequence: ByteCount(20_480))
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

    @Test func `A batch multiplies more, and reads again only beyond the buffer`() throws {
        var table = DRAMEfficiencyTable()
        let model = try dimm()
        let one = try model.timing(of: work([8, 8, 8, 8]), using: &table)
        let twelve = try model.timing(of: work([8, 8, 8, 8], batch: 12), using: &table)
        let thirteen = try model.timing(of: work([8, 8, 8, 8], batch: 13), using: &table)
        #expect(twelve.read == one.read)
        #expect(twelve.multiply == one.multiply * 12)
        #expect(thirteen.read > one.read)
        #expect(thirteen.read <= one.read * 2)
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
