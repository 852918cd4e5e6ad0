/// What a GGUF file holds and where, built by one pass over everything before the tensor data.
///
/// A pure function of the bytes. Large values (vocabulary, merges) are stepped over, not copied.
/// Every length, count, offset and product is checked before use, so a ``TensorEntry`` or
/// ``MetadataEntry`` always lies inside the bytes that were parsed.
struct ModelFileIndex: Sendable {
    /// 2 or 3; they differ only in that 3 permits big-endian files.
    let version: Int
    /// Keys in the order of the file.
    let keys: [String]
    let entries: [String: MetadataEntry]
    /// In the order of the file.
    let tensors: [TensorEntry]
    /// Positions in ``tensors``.
    let tensorPositions: [String: Int]
}

/// A tensor as the file describes it: checked, but possibly of a type that is not supported.
struct TensorEntry: Sendable {
    let name: String
    let type: TensorType
    /// Fastest dimension first; 1 to 4 of them, each at least 1.
    let dimensions: [Int]
    /// From the start of the file; empty where the type's size is unknown.
    let range: Range<Int>
}

extension ModelFileIndex {
    private static let magic: [UInt8] = Array("GGUF".utf8)
    private static let arrayDepthLimit = 4
    private static let keyByteCounts = 1...65_535
    private static let tensorNameByteCounts = 1...64
    private static let defaultAlignment = 32

    /// Indexes a whole file.
    ///
    /// - Parameters:
    ///   - bytes: the file, from its first byte to its last.
    ///   - file: its name, for errors.
    /// - Complexity: linear in the bytes before the tensor data; O(n log n) in the tensors.
    static func parse(_ bytes: RawSpan, file: String) throws(ModelFileError) -> ModelFileIndex {
        var cursor = ByteCursor(file: file, range: 0..<bytes.byteCount)
        let version = try readVersion(&cursor, bytes)
        let tensorCount = try cursor.read(UInt64.self, from: bytes)
        let keyCount = try cursor.read(UInt64.self, from: bytes)
        // Least bytes of a key with its value: length, one byte, type, one-byte value.
        try cursor.requireRoom(for: keyCount, elementByteCount: 14, of: "metadata keys")
        // Least bytes of a tensor's description: length, one byte, count, dimension, type, offset.
        try cursor.requireRoom(for: tensorCount, elementByteCount: 33, of: "tensors")

        var keys: [String] = []
        var entries: [String: MetadataEntry] = [:]
        for _ in 0..<keyCount {
            let key = try readName("a key", allowed: keyByteCounts, &cursor, bytes)
            let entry = try readEntry(&cursor, bytes)
            guard entries.updateValue(entry, forKey: key) == nil else {
                throw ModelFileError(file: file, place: .key(key), rule: .duplicate)
            }
            keys.append(key)
        }
        let alignment = try alignment(entries, file: file, bytes)
        let tensors = try readTensors(
            count: tensorCount, alignment: alignment, &cursor, bytes)
        var positions: [String: Int] = [:]
        for (position, tensor) in tensors.enumerated() {
            guard positions.updateValue(position, forKey: tensor.name) == nil else {
                throw ModelFileError(file: file, place: .tensor(tensor.name), rule: .duplicate)
            }
        }
        try requireDisjoint(tensors, file: file)
        return ModelFileIndex(
            version: version, keys: keys, entries: entries, tensors: tensors,
            tensorPositions: positions)
    }

    private static func readVersion(
        _ cursor: inout ByteCursor, _ bytes: RawSpan
    ) throws(ModelFileError) -> Int {
        let found = bytes.copy(0..<min(magic.count, bytes.byteCount))
        if found == magic.reversed() { throw cursor.failure(.bigEndian) }
        // A file cut inside its first four bytes is truncated rather than of another kind.
        guard found.elementsEqual(magic.prefix(found.count)), !found.isEmpty else {
            throw cursor.failure(.notGGUF(firstBytes: found))
        }
        _ = try cursor.skip(UInt64(magic.count))
        let place = cursor
        let version = try cursor.read(UInt32.self, from: bytes)
        // Writers keep the magic as it is and swap everything after it.
        if (1...0xFFFF).contains(version.byteSwapped) && version > 0xFFFF {
            throw place.failure(.bigEndian)
        }
        guard version == 2 || version == 3 else {
            throw place.failure(.unsupportedVersion(version))
        }
        return Int(version)
    }

    /// A key or a tensor's name.
    private static func readName(
        _ what: String, allowed: ClosedRange<Int>, _ cursor: inout ByteCursor, _ bytes: RawSpan
    ) throws(ModelFileError) -> String {
        let place = cursor
        let length = try cursor.read(UInt64.self, from: bytes)
        guard let byteCount = Int(exactly: length), allowed.contains(byteCount) else {
            throw place.failure(.lengthOutOfRange(what, length: length, allowed: allowed))
        }
        let range = try cursor.skip(length)
        guard let name = String(validating: bytes.copy(range), as: UTF8.self) else {
            throw place.failure(.notUTF8)
        }
        return name
    }

    private static func readEntry(
        _ cursor: inout ByteCursor, _ bytes: RawSpan
    ) throws(ModelFileError) -> MetadataEntry {
        switch try readValueType(&cursor, bytes) {
        case .string:
            let range = try cursor.skipString(from: bytes)
            return MetadataEntry(kind: .string, range: range)
        case .array:
            return try readArray(&cursor, bytes, depth: 1)
        case let scalar:
            let range = try cursor.skip(UInt64(scalar.minimumByteCount))
            return MetadataEntry(kind: .scalar(scalar), range: range)
        }
    }

    private static func readValueType(
        _ cursor: inout ByteCursor, _ bytes: RawSpan
    ) throws(ModelFileError) -> MetadataValueType {
        let place = cursor
        let code = try cursor.read(UInt32.self, from: bytes)
        guard let type = MetadataValueType(rawValue: code) else {
            throw place.failure(.unknownValueType(code))
        }
        return type
    }

    /// Steps over an array; nothing is allocated, whatever its count.
    private static func readArray(
        _ cursor: inout ByteCursor, _ bytes: RawSpan, depth: Int
    ) throws(ModelFileError) -> MetadataEntry {
        guard depth <= arrayDepthLimit else {
            throw cursor.failure(.arraysNestedTooDeeply(limit: arrayDepthLimit))
        }
        let element = try readValueType(&cursor, bytes)
        let count = try cursor.read(UInt64.self, from: bytes)
        try cursor.requireRoom(
            for: count, elementByteCount: element.minimumByteCount, of: "array elements")
        let start = cursor.offset
        switch element {
        case .string:
            for _ in 0..<count { _ = try cursor.skipString(from: bytes) }
        case .array:
            for _ in 0..<count { _ = try readArray(&cursor, bytes, depth: depth + 1) }
        default:
            _ = try cursor.skip(count * UInt64(element.minimumByteCount))
        }
        return MetadataEntry(
            kind: .array(of: element, count: Int(count)), range: start..<cursor.offset)
    }

    private static func alignment(
        _ entries: [String: MetadataEntry], file: String, _ bytes: RawSpan
    ) throws(ModelFileError) -> Int {
        let key = "general.alignment"
        guard let entry = entries[key] else { return defaultAlignment }
        let place = ModelFileError.Place.key(key)
        guard case .scalar(.uint32) = entry.kind else {
            throw ModelFileError(
                file: file, place: place,
                rule: .wrongValueType(found: entry.typeName, expected: "uint32"))
        }
        var cursor = ByteCursor(file: file, range: entry.range)
        let value = Int(try cursor.read(UInt32.self, from: bytes))
        guard (8...65_536).contains(value), value.nonzeroBitCount == 1 else {
            throw ModelFileError(file: file, place: place, rule: .badAlignment(UInt64(value)))
        }
        return value
    }
}

// MARK: - Tensors

extension ModelFileIndex {
    private static func readTensors(
        count: UInt64, alignment: Int, _ cursor: inout ByteCursor, _ bytes: RawSpan
    ) throws(ModelFileError) -> [TensorEntry] {
        try cursor.requireRoom(for: count, elementByteCount: 33, of: "tensors")
        var descriptions: [TensorDescription] = []
        for _ in 0..<count { descriptions.append(try readDescription(&cursor, bytes)) }
        // Offsets count from the first aligned byte after the descriptions.
        let padding = (alignment - cursor.offset % alignment) % alignment
        let layout = DataLayout(
            start: UInt64(cursor.offset + padding), alignment: alignment,
            fileByteCount: bytes.byteCount)
        var tensors: [TensorEntry] = []
        tensors.reserveCapacity(descriptions.count)
        for description in descriptions {
            do throws(TensorRefusal) {
                tensors.append(try description.placed(in: layout))
            } catch {
                throw ModelFileError(
                    file: cursor.file, place: .tensor(description.name), rule: error.rule)
            }
        }
        return tensors
    }

    private static func readDescription(
        _ cursor: inout ByteCursor, _ bytes: RawSpan
    ) throws(ModelFileError) -> TensorDescription {
        let name = try readName("a tensor name", allowed: tensorNameByteCounts, &cursor, bytes)
        let dimensionCount = try cursor.read(UInt32.self, from: bytes)
        guard (1...4).contains(dimensionCount) else {
            throw ModelFileError(
                file: cursor.file, place: .tensor(name),
                rule: .dimensionCountOutOfRange(dimensionCount))
        }
        var dimensions: [Int] = []
        for index in 0..<Int(dimensionCount) {
            let value = try cursor.read(UInt64.self, from: bytes)
            guard let dimension = Int(exactly: value), dimension > 0 else {
                throw ModelFileError(
                    file: cursor.file, place: .tensor(name),
                    rule: .dimensionOutOfRange(index: index, value: value))
            }
            dimensions.append(dimension)
        }
        let type = TensorType(code: try cursor.read(UInt32.self, from: bytes))
        let offset = try cursor.read(UInt64.self, from: bytes)
        return TensorDescription(name: name, type: type, dimensions: dimensions, offset: offset)
    }

    /// Weights that share bytes mean a damaged or hostile file: no writer makes them.
    private static func requireDisjoint(
        _ tensors: [TensorEntry], file: String
    ) throws(ModelFileError) {
        let ordered = tensors.indices.sorted {
            tensors[$0].range.lowerBound < tensors[$1].range.lowerBound
        }
        // The one that reaches furthest so far: empty ranges must not hide an overlap.
        var furthest = ordered.first
        for position in ordered.dropFirst() {
            guard let previous = furthest else { continue }
            if tensors[previous].range.overlaps(tensors[position].range) {
                throw ModelFileError(
                    file: file, place: .tensor(tensors[position].name),
                    rule: .overlaps(with: tensors[previous].name))
            }
            if tensors[position].range.upperBound >= tensors[previous].range.upperBound {
                furthest = position
            }
        }
    }
}

/// Where the tensor data may lie.
private struct DataLayout {
    let start: UInt64
    let alignment: Int
    let fileByteCount: Int
}

/// A rule that a tensor breaks; the caller knows which file and tensor.
private struct TensorRefusal: Error {
    let rule: ModelFileError.Rule
}

/// A tensor as read, before its place in the file is checked.
private struct TensorDescription {
    let name: String
    let type: TensorType
    let dimensions: [Int]
    /// From the start of the tensor data.
    let offset: UInt64

    func placed(in layout: DataLayout) throws(TensorRefusal) -> TensorEntry {
        guard offset.isMultiple(of: UInt64(layout.alignment)) else {
            throw .init(rule: .offsetNotAligned(offset: offset, alignment: layout.alignment))
        }
        let (start, startOverflows) = layout.start.addingReportingOverflow(offset)
        let (end, endOverflows) = start.addingReportingOverflow(UInt64(try byteCount()))
        guard !startOverflows, !endOverflows else { throw .init(rule: .sizeOverflows) }
        guard end <= UInt64(layout.fileByteCount) else {
            throw .init(rule: .pastEnd(end: end, fileByteCount: layout.fileByteCount))
        }
        return TensorEntry(
            name: name, type: type, dimensions: dimensions, range: Int(start)..<Int(end))
    }

    /// The tensor's bytes; 0 where the type's size is unknown.
    private func byteCount() throws(TensorRefusal) -> Int {
        let columnCount = dimensions[0]
        let block = type.block ?? (elements: 1, bytes: 0)
        guard columnCount.isMultiple(of: block.elements) else {
            throw .init(
                rule: .partialBlock(
                    columnCount: columnCount, typeName: type.name ?? "",
                    elementsPerBlock: block.elements))
        }
        var product = columnCount / block.elements
        for factor in dimensions.dropFirst() + [block.bytes] {
            let (next, overflows) = product.multipliedReportingOverflow(by: factor)
            guard !overflows else { throw .init(rule: .sizeOverflows) }
            product = next
        }
        return product
    }
}
