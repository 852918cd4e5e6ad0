import Topology

/// Splits the number of a line into the bank and the row that hold it.
///
/// Neither the column of a line nor its channel is kept: they decide no timing once the line has
/// reached its bus.
package struct AddressDecoder {
    package struct Location: Hashable, Sendable {
        /// Over all ranks: (rank x bank groups + group) x banks per group + bank.
        package let bank: Int
        package let row: Int
    }

    private enum Part: Int { case rank, group, bank, row, column }

    private struct Field {
        var shift = 0
        var mask = 0

        func value(in line: Int) -> Int { (line >> shift) & mask }
    }

    private let rank: Field
    private let group: Field
    private let bank: Field
    private let row: Field
    private let bankGroupCount: Int
    private let banksPerGroup: Int

    /// - Precondition: the configuration is valid.
    package init(_ configuration: DRAMConfiguration) {
        bankGroupCount = configuration.bankGroupCount
        banksPerGroup = configuration.banksPerGroup
        let counts: [Part: Int] = [
            .rank: configuration.rankCount, .group: bankGroupCount, .bank: banksPerGroup,
            .row: configuration.rowsPerBank, .column: configuration.linesPerRow,
        ]
        var parts = Self.parts(of: configuration.mapping)
        if configuration.layout == .striped {
            parts.removeAll { $0 == .rank }
            parts.insert(.rank, at: 0)
        }
        var fields: [Part: Field] = [:]
        var shift = 0
        for part in parts {
            let count = counts[part, default: 1]
            fields[part] = Field(shift: shift, mask: count - 1)
            shift += count.trailingZeroBitCount
        }
        rank = fields[.rank, default: Field()]
        group = fields[.group, default: Field()]
        bank = fields[.bank, default: Field()]
        row = fields[.row, default: Field()]
    }

    package func location(ofLine line: Int) -> Location {
        let rankAndGroup = rank.value(in: line) * bankGroupCount + group.value(in: line)
        return Location(
            bank: rankAndGroup * banksPerGroup + bank.value(in: line), row: row.value(in: line))
    }

    /// The parts of an address, least significant first: the name of a mapping read backwards.
    ///
    /// In the two mappings whose names leave the bank group out it goes with the bank, as in
    /// Ramulator 2: below it in RoBaRaCoCh, above it in ChRaBaRoCo.
    private static func parts(of mapping: Topology.AddressMapping) -> [Part] {
        switch mapping {
        case .roRaBaCoBg: [.group, .column, .bank, .rank, .row]
        case .roBaRaCoCh: [.column, .rank, .group, .bank, .row]
        case .chRaBaRoCo: [.column, .row, .bank, .group, .rank]
        }
    }
}
