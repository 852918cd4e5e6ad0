package import PackedSets
package import SystemPackage

/// Turns activity that a NumPy program recorded into an ``ActivityTraceWriter``'s file.
///
/// The archive holds `masks`, uint8 [tokens, layers, bytes]: eight neurons to a byte, the first in
/// its most significant bit (`numpy.packbits`); `ids`, integers [tokens]: the token that each step
/// consumed; `prefill`, an integer: how many tokens come from the dense pass. `kind` (text) and
/// `target` (float64) are optional, and go to the trace's ``TraceHeader/source``.
package struct ActivityTraceImport: Sendable {
    package let modelName: String
    /// 64 hexadecimal digits, or nothing where it is unknown.
    package let modelSHA256: String
    package let blockName: String
    /// Neurons of one layer; nil means all that the bytes have room for.
    package let neuronCount: Int?

    package init(
        modelName: String, modelSHA256: String = "", blockName: String = "mlp",
        neuronCount: Int? = nil
    ) {
        self.modelName = modelName
        self.modelSHA256 = modelSHA256
        self.blockName = blockName
        self.neuronCount = neuronCount
    }

    /// Reads the archive and writes the trace; an older file at `trace` is replaced at the end.
    package func run(
        from archivePath: FilePath, to tracePath: FilePath
    ) throws(ActivityTraceError) -> TraceSummary {
        let activity = try read(archivePath)
        var writer = try ActivityTraceWriter.create(tracePath, header: activity.header)
        for (token, tokenID) in activity.tokenIDs.enumerated() {
            try writer.append(tokenID: tokenID, sets: try activity.sets(ofToken: token))
        }
        return try writer.finish()
    }

    /// Reads the archive, for whoever does more with its activity than to write it down.
    package func read(_ archivePath: FilePath) throws(ActivityTraceError) -> ImportedActivity {
        var archive = try NumPyArchive.open(archivePath)
        return try ImportedActivity(
            &archive, file: archivePath.string,
            fileName: archivePath.lastComponent?.string ?? "", importer: self)
    }
}

/// The archive's arrays, checked against each other.
package struct ImportedActivity: Sendable {
    package let header: TraceHeader
    /// The token that each step consumed.
    package let tokenIDs: [Int]

    private let file: String
    private let masks: [UInt8]  // [tokens, layers, bytes]
    private let byteCount: Int

    init(
        _ archive: inout NumPyArchive, file: String, fileName: String,
        importer: ActivityTraceImport
    ) throws(ActivityTraceError) {
        self.file = file
        let array = try archive.array(named: "masks")
        let rules = FieldReader([], file: file, place: .entry("masks"))
        guard case .uint8(let masks) = array.values, array.shape.count == 3 else {
            throw rules.refusal(
                .lacks("uint8 elements in three dimensions: its shape is \(array.shape)"))
        }
        self.masks = masks
        byteCount = array.shape[2]
        // An array without tokens has room for any shape. Lower limits are the header's to hold.
        try rules.check(
            "layer count", array.shape[1], in: 0...TraceFormat.layerCounts.upperBound)
        try rules.check(
            "bytes of a layer", byteCount, in: 0...TraceFormat.neuronCounts.upperBound / 8)
        let capacity = 8 * byteCount
        let neuronCount = importer.neuronCount ?? capacity
        try rules.check("room for neurons", capacity, in: neuronCount...neuronCount + 7)

        tokenIDs = try Self.integers("ids", of: &archive, file: file, shape: [array.shape[0]])
        let idRules = FieldReader([], file: file, place: .entry("ids"))
        for tokenID in tokenIDs {
            try idRules.check("token", tokenID, in: TraceFormat.tokenCounts)
        }
        let prefill = try Self.integers("prefill", of: &archive, file: file, shape: [])
        try FieldReader([], file: file, place: .entry("prefill"))
            .check("token count", prefill[0], in: 0...tokenIDs.count)
        header = TraceHeader(
            modelName: importer.modelName, modelSHA256: importer.modelSHA256,
            source: fileName + (try Self.setting(&archive)),
            shape: TraceShape(
                layerCount: array.shape[1],
                blocks: [TraceBlock(name: importer.blockName, neuronCount: neuronCount)]),
            prefillTokenCount: prefill[0])
    }

    /// The active neurons of each layer, [layers].
    ///
    /// - Throws: if a neuron past the last is active.
    package func sets(ofToken token: Int) throws(ActivityTraceError) -> [PackedSet] {
        let layerCount = header.shape.layerCount
        let neuronCount = header.shape.blocks[0].neuronCount
        var sets: [PackedSet] = []
        for layer in 0..<layerCount {
            var set = PackedSet(elementCount: neuronCount)
            let start = (token * layerCount + layer) * byteCount
            for index in set.words.indices {
                var word: UInt64 = 0
                for byte in 0..<min(8, byteCount - 8 * index) {
                    word |= UInt64(masks[start + 8 * index + byte]) << UInt64(8 * byte)
                }
                word = Self.reversingBitsOfBytes(word)
                guard set.isValid(word: word, at: index) else {
                    throw .refused(
                        file: file, place: .entry("masks"),
                        rule: .contains(
                            "an active neuron past the last of token \(token), layer \(layer)"))
                }
                set.setWord(word, at: index)
            }
            sets.append(set)
        }
        return sets
    }

    /// NumPy packs a byte's first element into the most significant bit, a set into the least.
    private static func reversingBitsOfBytes(_ word: UInt64) -> UInt64 {
        var bits = word
        for (shift, mask) in [
            (1, 0x5555_5555_5555_5555), (2, 0x3333_3333_3333_3333), (4, 0x0F0F_0F0F_0F0F_0F0F),
        ] as [(UInt64, UInt64)] {
            bits = (bits >> shift & mask) | (bits & mask) << shift
        }
        return bits
    }

    private static func integers(
        _ name: String, of archive: inout NumPyArchive, file: String, shape: [Int]
    ) throws(ActivityTraceError) -> [Int] {
        let array = try archive.array(named: name)
        guard array.shape == shape, let values = array.values.integers else {
            throw .refused(
                file: file, place: .entry(name),
                rule: .lacks("integers of shape \(shape): its shape is \(array.shape)"))
        }
        return values
    }

    private static func setting(
        _ archive: inout NumPyArchive
    ) throws(ActivityTraceError) -> String {
        var setting = ""
        if archive.arrayNames.contains("kind"),
            case .text(let texts) = try archive.array(named: "kind").values, let kind = texts.first
        {
            setting += ", \(kind)"
        }
        if archive.arrayNames.contains("target"),
            case .float64(let values) = try archive.array(named: "target").values,
            let target = values.first
        {
            setting += ", target \(target)"
        }
        return setting
    }
}
