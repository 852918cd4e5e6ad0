import HardwareModel
import Quantities
import Testing
import Topology

struct TopologyConversionTests {
    private func dimm(_ settings: [String] = []) throws -> Topology.DIMM {
        let text = """
            format: 1
            name: one
            channels:
              - { rate: 25.6 GB/s, dimms: [0] }
            """
        let topology = try Topology.parse(
            text, fileName: "one.yaml", overrides: settings.compactMap(TopologyOverride.init))
        return try #require(topology.dimms.first)
    }

    @Test func `The paper's DIMM is what the reference rows were measured on`() throws {
        let dimm = try dimm()
        #expect(DRAMConfiguration(dimm) == DDR4.configuration(refreshes: true))
        #expect(GEMVUnit(dimm.ndpCore) == paperUnit(cycles: 27))
        #expect(ActivationUnit(dimm.activationUnit) == paperActivationUnit)
        let model = try DIMMModel(dimm)
        #expect(model.dram == (try DRAMModel(DDR4.configuration(refreshes: true))))
    }

    @Test func `Rows of a bank are rounded down to a power of two`() throws {
        let configuration = DRAMConfiguration(try dimm(["dimm.memory=24 GiB"]))
        #expect(configuration.rowsPerBank == 1 << 16)
        #expect(configuration.lineByteCount == 64)
    }

    @Test func `The striped layout reaches the DRAM model`() throws {
        let configuration = DRAMConfiguration(try dimm(["dimm.neuron_layout=striped"]))
        #expect(configuration == DDR4.configuration(refreshes: true, layout: .striped))
    }

    @Test func `A GPU's efficiencies scale its peaks`() throws {
        let text = """
            format: 1
            name: one
            channels:
              - { rate: 25.6 GB/s, dimms: [0] }
            """
        let gpu = GPUModel(try Topology.parse(text, fileName: "one.yaml").gpu)
        #expect(gpu.effectiveBandwidth == Bandwidth(bytesPerSecond: 795_600_000_000))
        #expect(
            gpu.effectiveComputeRate == ComputeRate(operationsPerSecond: 165_000_000_000_000))
        #expect(gpu.synchronisationCost == .ns(4_400))
        #expect(gpu.launchCost == .zero)
    }
}
