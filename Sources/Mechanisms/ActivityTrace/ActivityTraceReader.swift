package import SystemPackage

/// Reads an activity trace token by token: one frame in memory, and a window of the file.
///
/// Opening checks the header and the directory. Every frame and table is checked when it is read;
/// ``verify()`` reads them all.
package struct ActivityTraceReader: ~Copyable, Sendable {
    package let header: TraceHeader
    /// Tokens of the trace, prefill included.
    package let tokenCount: Int
    /// The methods whose parents the trace holds, in the file's order.
    package let parentTableNames: [String]

    private let file: InputFile
    private let directory: TraceDirectory
    private let frames: Range<Int>  // byte offsets
    private let headerChecksum: UInt32

    private var inflater = Inflater()
    private var window = FileWindow()
    private var nextIndex = 0
    private var nextOffset: Int
    private var frameChecksum: UInt32
    private var words: [UInt64]  // of the token that was read last
    private var stored: [UInt64]

    /// Opens a finished trace.
    package static func open(
        _ path: FilePath
    ) throws(ActivityTraceError) -> ActivityTraceReader {
        let file = try InputFile.open(path)
        let headerBytes = try readHeader(of: file)
        let header = try TraceHeader(headerBytes, file: file.name)
        let (directory, framesEnd) = try readDirectory(
            of: file, framesStart: headerBytes.count, shape: header.shape)
        let rules = FieldReader([], file: file.name, place: .header)
        try rules.check(
            "prefill token count", header.prefillTokenCount, in: 0...directory.tokenCount)
        return ActivityTraceReader(
            adopting: file, header: header, headerChecksum: checksum(0, headerBytes),
            directory: directory, frames: headerBytes.count..<framesEnd)
    }

    private init(
        adopting file: consuming InputFile, header: TraceHeader, headerChecksum: UInt32,
        directory: TraceDirectory, frames: Range<Int>
    ) {
        self.file = file
        self.header = header
        self.headerChecksum = headerChecksum
        self.directory = directory
        self.frames = frames
        tokenCount = directory.tokenCount
        parentTableNames = directory.tables.filter { $0.kind == .parents }.map(\.name)
        nextOffset = frames.lowerBound
        frameChecksum = headerChecksum
        words = Array(repeating: 0, count: header.shape.wordCount)
        stored = words
    }

    // MARK: Tokens

    /// The next token, or nil after the last.
    package mutating func next() throws(ActivityTraceError) -> TraceFrame? {
        var frame = TraceFrame(shape: header.shape)
        return try readNext(into: &frame) ? frame : nil
    }

    /// As ``next()``, without allocations.
    ///
    /// - Parameter frame: has the shape of this trace; keeps its content when there is no token.
    /// - Returns: false after the last token.
    /// - Throws: for a damaged frame; the next call refuses it again.
    package mutating func readNext(
        into frame: inout TraceFrame
    ) throws(ActivityTraceError) -> Bool {
        precondition(frame.fits(header.shape))
        guard nextIndex < tokenCount else {
            guard nextOffset == frames.upperBound, frameChecksum == directory.lastFrameChecksum
            else { throw refusal(.contains("other frames than were written")) }
            return false
        }
        let head = try readFrameHead()
        try decode(head)
        frame.fill(
            from: words, tokenIndex: nextIndex, tokenID: head.tokenID,
            isPrefill: nextIndex < header.prefillTokenCount)
        nextIndex += 1
        nextOffset += TraceFormat.smallestFrameByteCount + head.form.byteCount
        frameChecksum = head.checksum
        return true
    }

    /// Goes back to the first token.
    package mutating func rewind() {
        nextIndex = 0
        nextOffset = frames.lowerBound
        frameChecksum = headerChecksum
    }

    private struct FrameHead {
        let form: StoredForm
        let tokenID: Int
        let checksum: UInt32
        /// Where the payload stands in the window.
        let payload: Range<Int>
    }

    /// Loads the next frame into the window and checks its size and checksum.
    private mutating func readFrameHead() throws(ActivityTraceError) -> FrameHead {
        let remaining = frames.upperBound - nextOffset
        try requireBytes(TraceFormat.smallestFrameByteCount, of: remaining)
        var start = try window.load(
            TraceFormat.frameHeadByteCount, at: nextOffset, of: file, end: frames.upperBound)
        let form = StoredForm(encoded: window.integer(at: start))
        let tokenID = Int(window.integer(at: start + 4))
        guard form.lengths(standingFor: 8 * words.count).contains(form.byteCount) else {
            throw refusal(
                .outOfRange(
                    "payload length in bytes", value: form.byteCount,
                    allowed: form.lengths(standingFor: 8 * words.count)))
        }
        let byteCount = TraceFormat.smallestFrameByteCount + form.byteCount
        try requireBytes(byteCount, of: remaining)
        start = try window.load(byteCount, at: nextOffset, of: file, end: frames.upperBound)
        let end = start + byteCount - TraceFormat.checksumByteCount
        let found = checksum(frameChecksum, window.bytes, in: start..<end)
        guard found == window.integer(at: end) else { throw refusal(.checksum) }
        return FrameHead(
            form: form, tokenID: tokenID, checksum: found,
            payload: start + TraceFormat.frameHeadByteCount..<end)
    }

    /// Turns a payload into the token's words; they stay as they were if it is refused.
    private mutating func decode(_ head: FrameHead) throws(ActivityTraceError) {
        if head.form.isDeflated {
            guard inflater.inflate(window.bytes, in: head.payload, to: &stored) else {
                throw refusal(.contains("deflated data that do not give its bits"))
            }
        } else {
            copyBytes(window.bytes, in: head.payload, to: &stored)
        }
        guard !head.form.isDifference || nextIndex > 0 else {
            throw refusal(.contains("a difference from no token"))
        }
        try checkLastWords()
        if head.form.isDifference {
            for index in words.indices { words[index] ^= stored[index] }
        } else {
            swap(&words, &stored)
        }
    }

    /// Refuses bits past the last neuron of a set.
    private func checkLastWords() throws(ActivityTraceError) {
        var end = 0
        for _ in 0..<header.shape.layerCount {
            for block in header.shape.blocks {
                end += (block.neuronCount + 63) / 64
                let used = UInt64(block.neuronCount % 64)
                guard used == 0 || stored[end - 1] >> used == 0 else {
                    throw refusal(.contains("an active neuron past the last of '\(block.name)'"))
                }
            }
        }
    }

    private func requireBytes(_ needed: Int, of available: Int) throws(ActivityTraceError) {
        guard needed <= available else {
            throw refusal(.truncated(neededByteCount: needed, availableByteCount: available))
        }
    }

    private func refusal(_ rule: ActivityTraceError.Rule) -> ActivityTraceError {
        .refused(
            file: file.name, place: .frame(nextIndex, byteOffset: nextOffset), rule: rule)
    }
}

// MARK: - Tables

extension ActivityTraceReader {
    /// How often each neuron was active: [neurons of the model], in the order of ``TraceShape``.
    package mutating func activationCounts(
        of part: TracePart
    ) throws(ActivityTraceError) -> [UInt32] {
        let (entry, most) =
            switch part {
            case .decode: (directory.tables[0], tokenCount - header.prefillTokenCount)
            case .whole: (directory.tables[1], tokenCount)
            }
        let counts = try values(of: entry)
        if let count = counts.first(where: { $0 > most }) {
            throw .refused(
                file: file.name, place: entry.place,
                rule: .outOfRange("count", value: Int(count), allowed: 0...most))
        }
        return counts
    }

    /// The parents that one method found.
    ///
    /// - Throws: also if the trace has no table of that name.
    package mutating func parents(
        named name: String
    ) throws(ActivityTraceError) -> ParentTable {
        let tables = directory.tables.filter { $0.kind == .parents }
        guard let entry = tables.first(where: { $0.name == name }) else {
            let names = tables.isEmpty ? "none" : tables.map(\.name).joined(separator: ", ")
            throw .refused(
                file: file.name, place: .directory,
                rule: .lacks("parents named '\(name)' (there are: \(names))"))
        }
        let table = ParentTable(name: name, parents: try values(of: entry))
        if let rule = table.brokenRule(shape: header.shape) {
            throw .refused(file: file.name, place: entry.place, rule: rule)
        }
        return table
    }

    /// Reads everything, compares the counts with the frames, and goes back to the first token.
    package mutating func verify() throws(ActivityTraceError) {
        rewind()
        var prefill = [UInt32](repeating: 0, count: header.shape.neuronCount)
        var decode = prefill
        var frame = TraceFrame(shape: header.shape)
        while try readNext(into: &frame) {
            if frame.isPrefill {
                addActivations(frame.sets, to: &prefill)
            } else {
                addActivations(frame.sets, to: &decode)
            }
        }
        rewind()
        let whole = zip(prefill, decode).map { $0 + $1 }
        for (part, counts) in [(TracePart.decode, decode), (.whole, whole)] {
            guard try activationCounts(of: part) == counts else {
                throw .refused(
                    file: file.name, place: .table(part.tableName),
                    rule: .contains("other counts than the frames"))
            }
        }
        for name in parentTableNames { _ = try parents(named: name) }
    }

    private mutating func values(of entry: TableEntry) throws(ActivityTraceError) -> [UInt32] {
        let bytes = try file.bytes(in: entry.offset..<entry.offset + entry.form.byteCount)
        guard checksum(0, bytes) == entry.checksum else {
            throw .refused(file: file.name, place: entry.place, rule: .checksum)
        }
        guard entry.form.isDeflated else { return BytePlanes.decode(bytes) }
        var planes = [UInt8](
            repeating: 0, count: entry.valueByteCount(shape: header.shape))
        guard inflater.inflate(bytes, in: 0..<bytes.count, to: &planes) else {
            throw .refused(
                file: file.name, place: entry.place,
                rule: .contains("deflated data that do not give its values"))
        }
        return BytePlanes.decode(planes)
    }
}

// MARK: - Both ends of the file

extension ActivityTraceReader {
    /// The header's bytes, once their checksum matched.
    private static func readHeader(
        of file: borrowing InputFile
    ) throws(ActivityTraceError) -> [UInt8] {
        let least = TraceFormat.preambleByteCount
        guard file.byteCount >= least else {
            throw .refused(
                file: file.name, place: .header,
                rule: .truncated(neededByteCount: least, availableByteCount: file.byteCount))
        }
        let preamble = try file.bytes(in: 0..<least)
        guard preamble.starts(with: TraceFormat.magic) else {
            throw .refused(file: file.name, place: .file, rule: .notA("an activity trace"))
        }
        var fields = FieldReader(
            preamble, from: TraceFormat.magic.count, file: file.name, place: .header)
        let version = Int(try fields.integer(UInt32.self))
        guard version == TraceFormat.version else {
            throw fields.refusal(.version(version, supported: TraceFormat.version))
        }
        let byteCount = try fields.count(
            "length in bytes", in: TraceFormat.headerByteCounts)
        guard byteCount <= file.byteCount else {
            throw fields.refusal(
                .truncated(neededByteCount: byteCount, availableByteCount: file.byteCount))
        }
        let bytes = try file.bytes(in: 0..<byteCount)
        try checkLastFour(of: bytes, fields)
        return bytes
    }

    /// The directory, and where the frames end.
    private static func readDirectory(
        of file: borrowing InputFile, framesStart: Int, shape: TraceShape
    ) throws(ActivityTraceError) -> (TraceDirectory, framesEnd: Int) {
        let footerOffset = file.byteCount - TraceFormat.footerByteCount
        let rules = FieldReader([], file: file.name, place: .footer)
        guard footerOffset >= framesStart else {
            throw rules.refusal(
                .truncated(
                    neededByteCount: TraceFormat.footerByteCount,
                    availableByteCount: file.byteCount - framesStart))
        }
        let footer = try file.bytes(in: footerOffset..<file.byteCount)
        guard footer.suffix(4).elementsEqual(TraceFormat.endMagic) else {
            throw rules.refusal(.lacks("end mark: the file is truncated or damaged"))
        }
        var fields = FieldReader(footer, file: file.name, place: .footer)
        let framesEnd = Int(clamping: try fields.integer(UInt64.self))
        let directoryOffset = Int(clamping: try fields.integer(UInt64.self))
        try fields.check("end of the frames", framesEnd, in: framesStart...footerOffset)
        try fields.check("directory offset", directoryOffset, in: framesEnd...footerOffset)
        try fields.check(
            "directory length in bytes", footerOffset - directoryOffset,
            in: TraceFormat.directoryByteCounts)
        let bytes = try file.bytes(in: directoryOffset..<file.byteCount - 4)
        try checkLastFour(of: bytes, FieldReader([], file: file.name, place: .directory))
        let directory = try TraceDirectory(
            Array(bytes.prefix(footerOffset - directoryOffset)), file: file.name,
            frames: framesStart..<framesEnd, directoryOffset: directoryOffset, shape: shape)
        return (directory, framesEnd)
    }

    /// Compares the checksum at the end of `bytes` with that of all bytes before it.
    private static func checkLastFour(
        of bytes: [UInt8], _ rules: FieldReader
    ) throws(ActivityTraceError) {
        let end = bytes.count - TraceFormat.checksumByteCount
        var fields = FieldReader(bytes, from: end, file: "", place: .file)
        guard try fields.integer(UInt32.self) == checksum(0, bytes, in: 0..<end) else {
            throw rules.refusal(.checksum)
        }
    }
}

/// A part of a file in memory: read ahead, so that small frames take no call each.
private struct FileWindow {
    private static let byteCount = 256 << 10

    private(set) var bytes: [UInt8] = []
    private var range = 0..<0

    /// Makes `count` bytes from `offset` on present, and returns their index in ``bytes``.
    mutating func load(
        _ count: Int, at offset: Int, of file: borrowing InputFile, end: Int
    ) throws(ActivityTraceError) -> Int {
        if offset >= range.lowerBound, offset + count <= range.upperBound {
            return offset - range.lowerBound
        }
        let wanted = min(max(count, Self.byteCount), end - offset)
        if bytes.count < wanted { bytes = Array(repeating: 0, count: wanted) }
        range = 0..<0
        try file.read(into: &bytes, count: wanted, at: offset)
        range = offset..<offset + wanted
        return 0
    }

    func integer(at index: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << UInt32(8 * $1) }
    }
}
