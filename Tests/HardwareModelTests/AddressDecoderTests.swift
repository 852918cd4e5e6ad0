import HardwareModel
import Testing
import Topology

struct AddressDecoderTests {
    private func banks(
        _ mapping: Topology.AddressMapping, lines: [Int],
        layout: Topology.NeuronLayout = .wholeRank
    ) -> [Int] {
        let decoder = AddressDecoder(DDR4.configuration(mapping: mapping, layout: layout))
        return lines.map { decoder.location(ofLine: $0).bank }
    }

    /// Banks count rank x 8 + group x 4 + bank; a row has 128 lines.
    @Test func `RoRaBaCoBg alternates groups, then takes banks, then ranks`() {
        let lines = [0, 1, 2, 255, 256, 257, 768, 1024, 3072, 4096]
        #expect(banks(.roRaBaCoBg, lines: lines) == [0, 4, 0, 4, 1, 5, 3, 8, 24, 0])
    }

    @Test func `RoBaRaCoCh keeps a row together, then takes ranks, groups, banks`() {
        let lines = [0, 127, 128, 384, 512, 1023, 1024, 3072, 4096]
        #expect(banks(.roBaRaCoCh, lines: lines) == [0, 0, 8, 24, 4, 28, 1, 3, 0])
    }

    @Test func `ChRaBaRoCo fills a bank before it takes the next`() {
        let bank = 128 << 17
        let lines = [0, bank - 1, bank, 3 * bank, 4 * bank, 8 * bank, 32 * bank - 1]
        #expect(banks(.chRaBaRoCo, lines: lines) == [0, 0, 1, 3, 4, 8, 31])
    }

    @Test(arguments: Topology.AddressMapping.allCases)
    func `Striped lines go to the ranks in turn`(mapping: Topology.AddressMapping) {
        let ranks = banks(mapping, lines: Array(0..<8), layout: .striped).map { $0 / 8 }
        #expect(ranks == [0, 1, 2, 3, 0, 1, 2, 3])
    }

    @Test(arguments: Topology.AddressMapping.allCases, Topology.NeuronLayout.allCases)
    func `Every row of every bank holds exactly its lines`(
        mapping: Topology.AddressMapping, layout: Topology.NeuronLayout
    ) {
        let configuration = DDR4.configuration(
            ranks: 2, rows: 4, rowBytes: 1024, mapping: mapping, layout: layout)
        let decoder = AddressDecoder(configuration)
        var counts: [AddressDecoder.Location: Int] = [:]
        for line in 0..<configuration.lineCount {
            counts[decoder.location(ofLine: line), default: 0] += 1
        }
        #expect(counts.count == 2 * 8 * 4)
        #expect(counts.values.allSatisfy { $0 == 16 })
    }
}
