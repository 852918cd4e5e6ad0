package import PackedSets
package import SystemPackage

/// What was written.
package struct TraceSummary: Equatable, Sendable {
    package let tokenCount: Int
    package let byteCount: Int
}

/// Writes an activity trace token by token; memory does not grow with the tokens.
///
/// The file has its name only when ``finish(parents:)`` returned. A writer that dies before that
/// leaves nothing behind.
package struct ActivityTraceWriter: ~Copyable, Sendable {
    package let header: TraceHeader
    /// Tokens appended so far.
    package private(set) var tokenCount = 0

    private var file: UnfinishedFile
    private var frameChecksum: UInt32
    private var activityDeflater = Deflater(for: .activity)
    private var output: [UInt8] = []
    private var words: [UInt64]
    private var difference: [UInt64]
    private var prefillActivations: [UInt32]
    private var decodeActivations: [UInt32]

    /// Begins a trace that will be called `path`; an older file of that name stays until then.
    ///
    /// - Throws: for a header that breaks a limit of the format, or what the system refuses.
    package static func create(
        _ path: FilePath, header: TraceHeader
    ) throws(ActivityTraceError) -> ActivityTraceWriter {
        let bytes = try header.encoded(file: path.string)
        var file = try UnfinishedFile.create(path)
        try file.write(bytes)
        return ActivityTraceWriter(
            adopting: file, header: header, headerChecksum: checksum(0, bytes))
    }

    private init(
        adopting file: consuming UnfinishedFile, header: TraceHeader, headerChecksum: UInt32
    ) {
        self.header = header
        self.file = file
        frameChecksum = headerChecksum
        words = Array(repeating: 0, count: header.shape.wordCount)
        difference = words
        prefillActivations = Array(repeating: 0, count: header.shape.neuronCount)
        decodeActivations = prefillActivations
    }

    /// Appends the next token.
    ///
    /// - Parameters:
    ///   - tokenID: the token that the step consumed, 0 to 2³² − 1.
    ///   - sets: its active neurons, by layer, then by block: [layers × blocks].
    package mutating func append(
        tokenID: Int, sets: [PackedSet]
    ) throws(ActivityTraceError) {
        precondition(tokenCount < TraceFormat.tokenCounts.upperBound)
        let form = encode(sets)
        output.removeAll(keepingCapacity: true)
        output.append(littleEndian: form.encoded)
        output.append(littleEndian: UInt32(tokenID))
        let payload = form.isDifference ? difference : words
        if activityDeflater.appendIfShorter(payload, to: &output) {
            let deflated = StoredForm(
                isDeflated: true, isDifference: form.isDifference,
                byteCount: output.count - TraceFormat.frameHeadByteCount)
            for byte in 0..<4 {
                output[byte] = UInt8(truncatingIfNeeded: deflated.encoded >> UInt32(8 * byte))
            }
        } else {
            appendBytes(of: payload, to: &output)
        }
        frameChecksum = checksum(frameChecksum, output)
        output.append(littleEndian: frameChecksum)
        try file.write(output)
        count(sets)
        tokenCount += 1
    }

    /// Takes over the token's words, and decides whether they or what changed are to be stored:
    /// whichever has a share of ones further from one half holds less information.
    private mutating func encode(_ sets: [PackedSet]) -> StoredForm {
        let blocks = header.shape.blocks
        precondition(sets.count == header.shape.layerCount * blocks.count)
        var position = 0
        var activeCount = 0
        var changedCount = 0
        for (index, set) in sets.enumerated() {
            precondition(set.elementCount == blocks[index % blocks.count].neuronCount)
            for word in set.words {
                let changed = word ^ words[position]
                words[position] = word
                difference[position] = changed
                activeCount += word.nonzeroBitCount
                changedCount += changed.nonzeroBitCount
                position += 1
            }
        }
        let neuronCount = header.shape.neuronCount
        let changes = min(changedCount, neuronCount - changedCount)
        let isDifference = tokenCount > 0 && changes < min(activeCount, neuronCount - activeCount)
        return StoredForm(
            isDeflated: false, isDifference: isDifference, byteCount: 8 * words.count)
    }

    private mutating func count(_ sets: [PackedSet]) {
        if tokenCount < header.prefillTokenCount {
            addActivations(sets, to: &prefillActivations)
        } else {
            addActivations(sets, to: &decodeActivations)
        }
    }

    /// Completes the file and gives it its name.
    ///
    /// - Parameter parents: tables of different names, each made for this trace's shape.
    /// - Throws: also if there are fewer tokens than the header says of the prefill alone.
    package consuming func finish(
        parents: [ParentTable] = []
    ) throws(ActivityTraceError) -> TraceSummary {
        precondition(TraceFormat.parentTableCounts.contains(parents.count))
        precondition(Set(parents.map(\.name)).count == parents.count)
        let shape = header.shape
        let rules = FieldReader([], file: file.name, place: .header)
        try rules.check("prefill token count", header.prefillTokenCount, in: 0...tokenCount)

        let framesEnd = file.byteCount
        var tables = [
            try Self.write(decodeActivations, .decodeActivations, to: &file),
            try Self.write(
                zip(prefillActivations, decodeActivations).map { $0 + $1 }, .wholeActivations,
                to: &file),
        ]
        for table in parents {
            precondition(TraceFormat.nameByteCounts.contains(table.name.utf8.count))
            precondition(table.parents.count == 2 * shape.neuronCount)
            precondition(table.brokenRule(shape: shape) == nil)
            tables.append(
                try Self.write(table.parents, .parents, named: table.name, to: &file))
        }
        let directory = TraceDirectory(
            tokenCount: tokenCount, lastFrameChecksum: frameChecksum, tables: tables)
        try file.write(
            directory.encoded(framesEnd: framesEnd, directoryOffset: file.byteCount))
        try file.complete()
        return TraceSummary(tokenCount: tokenCount, byteCount: file.byteCount)
    }

    private static func write(
        _ values: [UInt32], _ kind: TableEntry.Kind, named name: String = "",
        to file: inout UnfinishedFile
    ) throws(ActivityTraceError) -> TableEntry {
        let planes = BytePlanes.encode(values)
        var bytes: [UInt8] = []
        var deflater = Deflater(for: .tables)
        let isDeflated = deflater.appendIfShorter(planes, to: &bytes)
        if !isDeflated { bytes = planes }
        try file.write(bytes)
        return TableEntry(
            kind: kind, name: name,
            form: StoredForm(isDeflated: isDeflated, byteCount: bytes.count),
            checksum: checksum(0, bytes))
    }
}

/// Adds one to the count of each active neuron; `counts` is a table in the order of ``TraceShape``.
func addActivations(_ sets: [PackedSet], to counts: inout [UInt32]) {
    var first = 0
    for set in sets {
        set.forEachMember { counts[first + $0] += 1 }
        first += set.elementCount
    }
}
