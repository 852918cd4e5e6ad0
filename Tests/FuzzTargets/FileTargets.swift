import ActivityTrace
import ModelFile
import OfflinePartition
import SparsityCalibration
import TemporaryFiles
import WeightFormats

/// Readers of files.
enum FileTargets {
    static func gguf(_ bytes: [UInt8]) throws {
        let file = try ModelFile.parse(bytes, name: "fuzz")
        _ = try? TokenizerMetadata.read(from: file)
        let shape = try DecoderShape.read(from: file)
        _ = try DecoderWeights.read(from: file, shape: shape)
    }

    static func trace(_ bytes: [UInt8]) throws {
        try withTemporaryFile(bytes) { path in
            var reader = try ActivityTraceReader.open(path)
            try? reader.verify()
            reader.rewind()
            while try reader.next() != nil {}
            _ = try reader.activationCounts(of: .whole)
            for name in reader.parentTableNames { _ = try reader.parents(named: name) }
        }
    }

    static func numpy(_ bytes: [UInt8]) throws {
        try withTemporaryFile(bytes) { path in
            var archive = try NumPyArchive.open(path)
            for name in archive.arrayNames { _ = try? archive.array(named: name) }
            let importer = ActivityTraceImport(modelName: "fuzz")
            let activity = try importer.read(path)
            for token in activity.tokenIDs.indices.prefix(64) {
                _ = try activity.sets(ofToken: token)
            }
        }
    }

    static func partition(_ bytes: [UInt8]) throws {
        guard bytes.count >= 8 else { return }
        let content = bytes.dropLast(8)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in content { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        let partition = try Partition(decoding: content + littleEndian(hash))
        let again = try Partition(decoding: partition.encoded())
        precondition(again == partition, "what is read can be written")
    }

    /// A model of one layer, so that the file stays small.
    static let calibrationLayout = CalibrationLayout(
        layerCount: 1, hiddenSize: 2, feedForwardSize: 3)
    static let calibrationModel = [UInt8](repeating: 7, count: 32)

    static func calibration(_ bytes: [UInt8]) throws {
        var bytes = bytes
        if bytes.count == calibrationLayout.byteCount {
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            for offset in stride(from: 0, to: bytes.count - 8, by: 8) {
                let word = (0..<8).reduce(UInt64(0)) {
                    $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1)
                }
                hash = (hash ^ word) &* 0x0000_0100_0000_01b3
            }
            bytes.replaceSubrange(bytes.count - 8..<bytes.count, with: littleEndian(hash))
        }
        try withTemporaryFile(bytes) { path in
            let file = try CalibrationFile.open(
                path, modelHash: calibrationModel, expecting: calibrationLayout)
            for share in [0, 0.3, 0.999, 1] { _ = file.threshold(layer: 0, sparsity: share) }
        }
    }

    private static func littleEndian(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
    }
}
