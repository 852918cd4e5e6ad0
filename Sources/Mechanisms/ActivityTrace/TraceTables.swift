/// A part of a trace that activations are counted over.
package enum TracePart: CaseIterable, Sendable {
    /// The tokens after the prefill.
    case decode
    /// All tokens.
    case whole

    /// The table's name in messages.
    var tableName: String {
        switch self {
        case .decode: "activations of the decode part"
        case .whole: "activations of the whole"
        }
    }
}

/// Two parents of each neuron, as one method found them: neurons of the same block in the layer
/// below whose activity tells of the neuron's.
package struct ParentTable: Equatable, Sendable {
    /// Stands where a neuron lacks a parent, as all of layer 0 do.
    package static let none = UInt32.max

    /// The method, such as "conditional" or "jaccard"; 1 to 64 bytes of UTF-8.
    package let name: String
    /// Indices in the block, or ``none``: [neurons of the model, 2], in ``TraceShape``'s order.
    package let parents: [UInt32]

    package init(name: String, parents: [UInt32]) {
        self.name = name
        self.parents = parents
    }

    /// The first rule that the table breaks for a trace of this shape, if any.
    func brokenRule(shape: TraceShape) -> ActivityTraceError.Rule? {
        for layer in 0..<shape.layerCount {
            for (block, neurons) in shape.blocks.map(\.neuronCount).enumerated() {
                let range = shape.range(layer: layer, block: block)
                for parent in parents[2 * range.lowerBound..<2 * range.upperBound] {
                    if parent == Self.none { continue }
                    if layer == 0 { return .contains("a parent in layer 0") }
                    if parent >= neurons {
                        return .outOfRange(
                            "parent", value: Int(parent), allowed: 0...neurons - 1)
                    }
                }
            }
        }
        return nil
    }
}

/// Where a table stands in the file, and what it is.
struct TableEntry: Equatable {
    enum Kind: UInt32 {
        case decodeActivations = 1
        case wholeActivations = 2
        case parents = 3
    }

    let kind: Kind
    let name: String
    let form: StoredForm
    let checksum: UInt32
    /// From the file's beginning; not stored, for tables follow each other without gaps.
    var offset = 0

    var place: ActivityTraceError.Place {
        switch kind {
        case .decodeActivations: .table(TracePart.decode.tableName)
        case .wholeActivations: .table(TracePart.whole.tableName)
        case .parents: .table(name)
        }
    }

    /// Bytes of the table's values.
    func valueByteCount(shape: TraceShape) -> Int {
        4 * shape.neuronCount * (kind == .parents ? 2 : 1)
    }
}

/// What stands behind the frames and the tables: how many tokens there are, and each table's place.
struct TraceDirectory: Equatable {
    let tokenCount: Int
    let lastFrameChecksum: UInt32
    let tables: [TableEntry]

    /// The directory's and the footer's bytes, for a directory at this offset.
    func encoded(framesEnd: Int, directoryOffset: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt32(tokenCount))
        bytes.append(littleEndian: lastFrameChecksum)
        bytes.append(littleEndian: UInt32(tables.count))
        for table in tables {
            bytes.append(littleEndian: table.kind.rawValue)
            bytes.append(littleEndian: table.form.encoded)
            bytes.append(littleEndian: table.checksum)
            bytes.append(text: table.name)
        }
        bytes.append(littleEndian: UInt64(framesEnd))
        bytes.append(littleEndian: UInt64(directoryOffset))
        bytes.append(littleEndian: checksum(0, bytes))
        return bytes + TraceFormat.endMagic
    }

    /// Reads the directory of bytes whose checksum matched.
    init(
        _ bytes: [UInt8], file: String, frames: Range<Int>, directoryOffset: Int,
        shape: TraceShape
    ) throws(ActivityTraceError) {
        var fields = FieldReader(bytes, file: file, place: .directory)
        let mostTokens = min(
            frames.count / TraceFormat.smallestFrameByteCount, TraceFormat.tokenCounts.upperBound)
        tokenCount = try fields.count("token count", in: 0...mostTokens)
        lastFrameChecksum = try fields.integer(UInt32.self)
        let parentTables = TraceFormat.parentTableCounts
        let tableCount = try fields.count(
            "table count", in: 2 + parentTables.lowerBound...2 + parentTables.upperBound)
        var tables: [TableEntry] = []
        var offset = frames.upperBound
        for index in 0..<tableCount {
            var table = try Self.entry(number: index, &fields)
            table.offset = offset
            try fields.check(
                "stored length of a table in bytes", table.form.byteCount,
                in: table.form.lengths(standingFor: table.valueByteCount(shape: shape)))
            offset += table.form.byteCount
            tables.append(table)
        }
        try fields.end()
        guard offset == directoryOffset else {
            throw fields.refusal(.contains("tables that do not end where it begins"))
        }
        let names = tables.dropFirst(2).map(\.name)
        guard Set(names).count == names.count else {
            throw fields.refusal(.contains("two tables of one name"))
        }
        self.tables = tables
    }

    init(tokenCount: Int, lastFrameChecksum: UInt32, tables: [TableEntry]) {
        self.tokenCount = tokenCount
        self.lastFrameChecksum = lastFrameChecksum
        self.tables = tables
    }

    /// The counts of the decode part come first, then those of the whole, then parents.
    private static func entry(
        number: Int, _ fields: inout FieldReader
    ) throws(ActivityTraceError) -> TableEntry {
        let expected: TableEntry.Kind =
            switch number {
            case 0: .decodeActivations
            case 1: .wholeActivations
            default: .parents
            }
        let kind = Int(try fields.integer(UInt32.self))
        let only = Int(expected.rawValue)
        try fields.check("kind of table \(number)", kind, in: only...only)
        let form = StoredForm(encoded: try fields.integer(UInt32.self))
        guard !form.isDifference else {
            throw fields.refusal(.contains("a table that is stored as a difference"))
        }
        let checksum = try fields.integer(UInt32.self)
        let lengths = expected == .parents ? TraceFormat.nameByteCounts : 0...0
        let name = try fields.text("table name", in: lengths)
        return TableEntry(kind: expected, name: name, form: form, checksum: checksum)
    }
}

/// Numbers as byte planes (all lowest bytes, then all second bytes, …): equal bytes come together,
/// and a table of small numbers deflates to little more than its lowest bytes.
enum BytePlanes {
    static func encode(_ values: [UInt32]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4 * values.count)
        for (index, value) in values.enumerated() {
            for plane in 0..<4 {
                bytes[plane * values.count + index] = UInt8(
                    truncatingIfNeeded: value >> UInt32(8 * plane))
            }
        }
        return bytes
    }

    static func decode(_ bytes: [UInt8]) -> [UInt32] {
        let count = bytes.count / 4
        return (0..<count).map { index in
            (0..<4).reduce(UInt32(0)) { value, plane in
                value | UInt32(bytes[plane * count + index]) << UInt32(8 * plane)
            }
        }
    }
}
