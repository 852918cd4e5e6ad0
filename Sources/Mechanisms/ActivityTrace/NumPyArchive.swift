package import SystemPackage

/// A NumPy archive (.npz): a zip file of .npy arrays, stored or deflated.
///
/// What NumPy never writes is refused by name: encryption, several disks, other methods, and the
/// 64-bit extension, which takes over at 4 GiB. The extension's fields in local headers are read,
/// because NumPy reserves room for them in every entry.
/// Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5; NumPy's format specification.
package struct NumPyArchive: ~Copyable, Sendable {
    /// Names of the arrays, without ".npy", in the archive's order.
    package let arrayNames: [String]

    private let file: InputFile
    private let entries: [ZipEntry]
    private var inflater = Inflater()

    /// The largest array that is read, in bytes.
    static let maximumArrayByteCount = 1 << 30

    /// Opens an archive and reads its list of arrays.
    package static func open(_ path: FilePath) throws(ActivityTraceError) -> NumPyArchive {
        let file = try InputFile.open(path)
        let entries = try ZipDirectory.read(file)
        return NumPyArchive(adopting: file, entries: entries)
    }

    private init(adopting file: consuming InputFile, entries: [ZipEntry]) {
        self.file = file
        self.entries = entries
        arrayNames = entries.map(\.arrayName)
    }

    /// Reads one array.
    ///
    /// - Throws: if there is none of that name, and for all damage to it.
    package mutating func array(named name: String) throws(ActivityTraceError) -> NumPyArray {
        guard let entry = entries.first(where: { $0.arrayName == name }) else {
            let names = arrayNames.joined(separator: ", ")
            throw .refused(
                file: file.name, place: .file,
                rule: .lacks("array '\(name)' (there are: \(names))"))
        }
        return try NumPyArray(
            try content(of: entry), file: file.name, entry: entry.name)
    }

    private mutating func content(of entry: ZipEntry) throws(ActivityTraceError) -> [UInt8] {
        let rules = FieldReader([], file: file.name, place: .entry(entry.name))
        let stored = try file.bytes(in: try entry.contentRange(in: file, rules))
        var content = stored
        if entry.isDeflated {
            content = Array(repeating: 0, count: entry.byteCount)
            guard inflater.inflate(stored, in: 0..<stored.count, to: &content) else {
                throw rules.refusal(.contains("deflated data that do not give its content"))
            }
        }
        guard checksum(0, content) == entry.checksum else { throw rules.refusal(.checksum) }
        return content
    }
}

/// One file of a zip archive, as the central directory tells of it.
private struct ZipEntry {
    static let localSignature: UInt32 = 0x0403_4B50
    static let localHeaderByteCount = 30
    /// General purpose bits: encryption, and sizes that follow the data.
    static let encryptedFlag: UInt16 = 1 << 0
    static let sizesFollowFlag: UInt16 = 1 << 3

    let name: String
    let flags: UInt16
    let isDeflated: Bool
    let checksum: UInt32
    let storedByteCount: Int
    let byteCount: Int
    let headerOffset: Int
    /// Where the central directory begins: content ends before it.
    let contentLimit: Int

    var arrayName: String { name.hasSuffix(".npy") ? String(name.dropLast(4)) : name }

    /// Where the content stands, once the local header agreed with the central directory.
    func contentRange(
        in file: borrowing InputFile, _ rules: FieldReader
    ) throws(ActivityTraceError) -> Range<Int> {
        let available = contentLimit - headerOffset
        guard available >= Self.localHeaderByteCount else {
            throw rules.refusal(
                .truncated(
                    neededByteCount: Self.localHeaderByteCount, availableByteCount: available))
        }
        let fixed = try file.bytes(
            in: headerOffset..<headerOffset + Self.localHeaderByteCount)
        var fields = FieldReader(fixed, file: file.name, place: .entry(name))
        guard try fields.integer(UInt32.self) == Self.localSignature else {
            throw rules.refusal(.lacks("local header"))
        }
        _ = try fields.integer(UInt16.self)  // version needed
        let localFlags = try fields.integer(UInt16.self)
        let method = try fields.integer(UInt16.self)
        _ = try fields.integer(UInt32.self)  // time and date
        let sums = [
            try fields.integer(UInt32.self), try fields.integer(UInt32.self),
            try fields.integer(UInt32.self),
        ]
        let nameByteCount = Int(try fields.integer(UInt16.self))
        let extraByteCount = Int(try fields.integer(UInt16.self))
        let start = headerOffset + Self.localHeaderByteCount + nameByteCount + extraByteCount
        guard start <= contentLimit, storedByteCount <= contentLimit - start else {
            throw rules.refusal(
                .truncated(
                    neededByteCount: start - headerOffset + storedByteCount,
                    availableByteCount: available))
        }
        let variable = try file.bytes(
            in: headerOffset + Self.localHeaderByteCount..<start)
        let agrees =
            localFlags == flags && method == (isDeflated ? 8 : 0)
            && variable.prefix(nameByteCount).elementsEqual(name.utf8)
            && sizesAgree(sums, extra: Array(variable.dropFirst(nameByteCount)))
        guard agrees else {
            throw rules.refusal(.contains("a local header unlike the central directory's"))
        }
        return start..<start + storedByteCount
    }

    /// Checks CRC, stored size and size, which may stand in the extra field, or follow the data.
    private func sizesAgree(_ sums: [UInt32], extra: [UInt8]) -> Bool {
        if flags & Self.sizesFollowFlag != 0 { return true }
        guard sums[0] == checksum else { return false }
        let sizes = sums[1...].map { Int($0) }
        if sizes == [storedByteCount, byteCount] { return true }
        // The 64-bit extension: identifier 1, length 16, size, stored size.
        var expected: [UInt8] = [1, 0, 16, 0]
        expected.append(littleEndian: UInt64(byteCount))
        expected.append(littleEndian: UInt64(storedByteCount))
        return sizes == [Int(UInt32.max), Int(UInt32.max)] && extra == expected
    }
}

/// The central directory of a zip file.
private enum ZipDirectory {
    static let endSignature: [UInt8] = [0x50, 0x4B, 0x05, 0x06]
    static let endByteCount = 22
    static let entrySignature: UInt32 = 0x0201_4B50
    static let maximumByteCount = 16 << 20

    static func read(
        _ file: borrowing InputFile
    ) throws(ActivityTraceError) -> [ZipEntry] {
        let (range, entryCount) = try locate(file)
        let bytes = try file.bytes(in: range)
        var fields = FieldReader(bytes, file: file.name, place: .directory)
        var entries: [ZipEntry] = []
        for _ in 0..<entryCount {
            entries.append(try entry(&fields, file: file.name, limit: range.lowerBound))
        }
        try fields.end()
        guard Set(entries.map(\.arrayName)).count == entries.count else {
            throw fields.refusal(.contains("two arrays of one name"))
        }
        return entries
    }

    /// The end record stands at the end of the file, with a comment of at most 65535 bytes.
    private static func locate(
        _ file: borrowing InputFile
    ) throws(ActivityTraceError) -> (Range<Int>, entryCount: Int) {
        let tailStart = max(0, file.byteCount - endByteCount - Int(UInt16.max))
        let tail = try file.bytes(in: tailStart..<file.byteCount)
        let candidates = stride(from: tail.count - endByteCount, through: 0, by: -1)
        let found = candidates.first { start in
            let commentByteCount = Int(tail[start + 20]) | Int(tail[start + 21]) << 8
            return tail[start..<start + 4].elementsEqual(endSignature)
                && start + endByteCount + commentByteCount == tail.count
        }
        guard let start = found else {
            throw .refused(
                file: file.name, place: .file,
                rule: .lacks("zip directory at its end: it is truncated or no NumPy archive"))
        }
        var fields = FieldReader(tail, from: start + 4, file: file.name, place: .directory)
        let disks = [try fields.integer(UInt16.self), try fields.integer(UInt16.self)]
        let counts = [try fields.integer(UInt16.self), try fields.integer(UInt16.self)]
        let byteCount = Int(try fields.integer(UInt32.self))
        let offset = Int(try fields.integer(UInt32.self))
        guard counts[0] != .max, byteCount != UInt32.max, offset != UInt32.max else {
            throw fields.refusal(.contains("64-bit sizes, which this program does not read"))
        }
        guard disks == [0, 0], counts[0] == counts[1] else {
            throw fields.refusal(.contains("entries on several disks"))
        }
        try fields.check("length in bytes", byteCount, in: 0...maximumByteCount)
        guard offset + byteCount == tailStart + start else {
            throw fields.refusal(.contains("an end record that is not right behind it"))
        }
        return (offset..<offset + byteCount, Int(counts[0]))
    }

    private static func entry(
        _ fields: inout FieldReader, file: String, limit: Int
    ) throws(ActivityTraceError) -> ZipEntry {
        guard try fields.integer(UInt32.self) == entrySignature else {
            throw fields.refusal(.contains("an entry without its signature"))
        }
        _ = try fields.integer(UInt32.self)  // versions
        let flags = try fields.integer(UInt16.self)
        let method = try fields.integer(UInt16.self)
        _ = try fields.integer(UInt32.self)  // time and date
        let checksum = try fields.integer(UInt32.self)
        let storedByteCount = Int(try fields.integer(UInt32.self))
        let byteCount = Int(try fields.integer(UInt32.self))
        let nameByteCount = Int(try fields.integer(UInt16.self))
        let otherByteCount =
            Int(try fields.integer(UInt16.self)) + Int(try fields.integer(UInt16.self))
        _ = try fields.integer(UInt16.self)  // disk
        _ = try fields.take(6)  // attributes
        let headerOffset = Int(try fields.integer(UInt32.self))
        guard let name = String(validating: try fields.take(nameByteCount), as: UTF8.self)
        else { throw fields.refusal(.contains("an entry name that is not UTF-8")) }
        _ = try fields.take(otherByteCount)

        let rules = FieldReader([], file: file, place: .entry(name))
        guard flags & ZipEntry.encryptedFlag == 0 else {
            throw rules.refusal(.contains("encrypted content"))
        }
        guard method == 0 || method == 8 else {
            throw rules.refusal(.contains("compression method \(method), not 0 or 8"))
        }
        let largest = Int(UInt32.max)
        guard storedByteCount != largest, byteCount != largest, headerOffset != largest else {
            throw rules.refusal(.contains("64-bit sizes, which this program does not read"))
        }
        try rules.check("offset", headerOffset, in: 0...limit)
        try rules.check("stored length in bytes", storedByteCount, in: 0...limit - headerOffset)
        let most =
            method == 0 ? storedByteCount : storedByteCount * Inflater.maximumExpansion
        try rules.check(
            "length in bytes", byteCount,
            in: (method == 0 ? min(most, NumPyArchive.maximumArrayByteCount) : 0)...min(
                most, NumPyArchive.maximumArrayByteCount))
        return ZipEntry(
            name: name, flags: flags, isDeflated: method == 8, checksum: checksum,
            storedByteCount: storedByteCount, byteCount: byteCount,
            headerOffset: headerOffset, contentLimit: limit)
    }
}
