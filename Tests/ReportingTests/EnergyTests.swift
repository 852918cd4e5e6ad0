import CheckedYAML
import Reporting
import Testing

struct EnergyTests {
    private static let text = """
        format: 1
        gpu_watts: 100
        dram_fj_per_bit: 10000
        pcie_fj_per_bit: 5000
        dimm_link_fj_per_bit: 1170
        """

    private func figures(_ traffic: Traffic?) -> EmulationFigures {
        EmulationFigures(
            batchSize: 2, tokenCount: 5, prefillSeconds: 1, decodeSeconds: 3, traffic: traffic)
    }

    @Test func `Joules are power times time and energies times bits`() throws {
        let model = try EnergyModel.parse(Self.text, fileName: "e")
        let run = figures(Traffic(dimmReadBytes: 1e12, pcieBytes: 1e9, dimmLinkBytes: 1e9))
        let joules = try #require(model.joules(of: run))
        #expect(joules["gpu"] == 400)
        #expect(try abs(#require(joules["dram"]) - 80) < 1e-9)
        #expect(try abs(#require(joules["pcie"]) - 0.04) < 1e-12)
        #expect(try abs(#require(joules["dimm-links"]) - 0.00936) < 1e-12)
        // Ten tokens.
        #expect(try abs(#require(model.joulesPerToken(of: run)) - 48.004936) < 1e-9)
        #expect(model.joules(of: figures(nil)) == nil)
    }

    @Test func `A file with a wrong, unknown or missing key is refused with its line`() {
        for (old, new, word) in [
            ("100", "much", "e:2: gpu_watts"), ("pcie_fj", "pci_fj", "pcie_fj_per_bit: is missing"),
            ("format: 1", "format: 2", "e:1: format"),
        ] {
            do throws(YAMLError) {
                _ = try EnergyModel.parse(Self.text.replacing(old, with: new), fileName: "e")
                Issue.record("\(new) was accepted")
            } catch {
                #expect(error.description.contains(word), "\(error)")
            }
        }
        #expect(throws: YAMLError.self) { try EnergyModel.parse("", fileName: "e") }
    }
}
