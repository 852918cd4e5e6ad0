import Quantities
package import Topology

/// One row of a table of DRAM measurements: a workload and the ways in which its DIMM differs
/// from a given one.
package struct DRAMQuery: Hashable, Sendable {
    package let workload: DRAMWorkload
    package let rankCount: Int
    package let mapping: Topology.AddressMapping
    package let refreshes: Bool

    /// Reads the columns `mode,ranks,pattern,block_bytes,mapping,refresh,write_fraction`.
    ///
    /// `block_bytes` must be a number, but is ignored when the pattern is `seq`.
    package init(
        mode: String, ranks: String, pattern: String, blockBytes: String, mapping: String,
        refresh: String, writeFraction: String
    ) throws(HardwareModelError) {
        guard let mode = DRAMAccessMode(rawValue: mode) else { throw .unknownMode(mode) }
        guard let known = Topology.AddressMapping(rawValue: mapping) else {
            throw .unknownMapping(mapping)
        }
        guard let byteCount = Int(blockBytes), byteCount >= 0 else {
            throw .invalidField(name: "block_bytes", text: blockBytes, wanted: "a byte count")
        }
        guard let rankCount = Int(ranks), rankCount > 0 else {
            throw .invalidField(name: "ranks", text: ranks, wanted: "a count of ranks")
        }
        let share: Proportion
        do {
            share = try Proportion(parsing: writeFraction)
        } catch {
            throw .invalidField(name: "write_fraction", text: writeFraction, wanted: "0 to 1")
        }
        switch refresh {
        case "on": refreshes = true
        case "off": refreshes = false
        default: throw .invalidField(name: "refresh", text: refresh, wanted: "on or off")
        }
        let order: DRAMAccessPattern
        switch pattern {
        case "seq": order = .sequential
        case "rand_block": order = .randomBlocks(byteCount: byteCount)
        default: throw .unknownPattern(pattern)
        }
        workload = DRAMWorkload(mode: mode, pattern: order, writeShare: share)
        self.rankCount = rankCount
        self.mapping = known
    }

    /// The model of a DIMM that is `configuration` but for what the row says.
    package func model(
        basedOn configuration: DRAMConfiguration
    ) throws(HardwareModelError) -> DRAMModel {
        var configuration = configuration
        configuration.rankCount = rankCount
        configuration.mapping = mapping
        configuration.refreshes = refreshes
        return try DRAMModel(configuration)
    }
}
