package import CheckedYAML

/// What the parts of a machine spend, from a file; see ``joules(of:)`` for what is counted.
package struct EnergyModel: Equatable, Sendable {
    package static let formatVersion = 1

    /// Of the GPU, all of the time.
    package let gpuWatts: Int
    /// Femtojoules a bit: read by a near-data core from its DIMM, sent over PCIe, over a DIMM-link.
    package let dramFemtojoulesPerBit: Int
    package let pcieFemtojoulesPerBit: Int
    package let dimmLinkFemtojoulesPerBit: Int

    package init(
        gpuWatts: Int, dramFemtojoulesPerBit: Int, pcieFemtojoulesPerBit: Int,
        dimmLinkFemtojoulesPerBit: Int
    ) {
        self.gpuWatts = gpuWatts
        self.dramFemtojoulesPerBit = dramFemtojoulesPerBit
        self.pcieFemtojoulesPerBit = pcieFemtojoulesPerBit
        self.dimmLinkFemtojoulesPerBit = dimmLinkFemtojoulesPerBit
    }

    /// Reads and validates a file of energies. The caller reads the file.
    ///
    /// - Throws: every problem that was found, by line.
    package static func parse(_ text: String, fileName: String) throws(YAMLError) -> EnergyModel {
        let tree = try YAMLText(text: text) { line in
            line.map { .line($0, file: fileName) } ?? .file(fileName)
        }.tree()
        let problems = ProblemList()
        guard let tree else {
            problems.add(.file(fileName), "", "is empty: it states no energies")
            throw YAMLError(problems: problems.sorted)
        }
        var section = Section(tree, problems: problems)
        _ = section.integer("format", in: formatVersion...formatVersion)
        let model = EnergyModel(
            gpuWatts: section.integer("gpu_watts", in: 0...100_000),
            dramFemtojoulesPerBit: section.integer("dram_fj_per_bit", in: 0...10_000_000),
            pcieFemtojoulesPerBit: section.integer("pcie_fj_per_bit", in: 0...10_000_000),
            dimmLinkFemtojoulesPerBit: section.integer(
                "dimm_link_fj_per_bit", in: 0...10_000_000))
        section.finish()
        guard problems.isEmpty else { throw YAMLError(problems: problems.sorted) }
        return model
    }

    /// Joules of a run by part: the GPU at its power from start to end, and what moves through
    /// memory and links. Near-data arithmetic and the host are not counted.
    ///
    /// - Returns: `nil` where the run says nothing of its traffic.
    package func joules(of figures: EmulationFigures) -> [String: Double]? {
        guard let traffic = figures.traffic else { return nil }
        func joules(_ bytes: Double, _ femtojoulesPerBit: Int) -> Double {
            8 * bytes * Double(femtojoulesPerBit) * 1e-15
        }
        return [
            "gpu": Double(gpuWatts) * figures.totalSeconds,
            "dram": joules(traffic.dimmReadBytes, dramFemtojoulesPerBit),
            "pcie": joules(traffic.pcieBytes, pcieFemtojoulesPerBit),
            "dimm-links": joules(traffic.dimmLinkBytes, dimmLinkFemtojoulesPerBit),
        ]
    }

    /// Of each generated token.
    package func joulesPerToken(of figures: EmulationFigures) -> Double? {
        joules(of: figures).map { parts in
            parts.keys.sorted().reduce(0) { $0 + (parts[$1] ?? 0) }
                / Double(figures.batchSize * figures.tokenCount)
        }
    }
}
