import ActivityTrace
import FuzzTargets
import LinkRecords
import Messages
import OfflinePartition
import PackedSets
import RingTransport
import SparsityCalibration
import SystemPackage
import TemporaryFiles
import TestModels

extension FuzzTarget {
    /// Input that the target accepts, made by the program's own writers where it has them; those
    /// of the other targets stand in the corpus.
    func madeSeeds() throws -> [[UInt8]] {
        switch self {
        case .gguf: [TinyLlama.build(layers: 1, hidden: 8, heads: 2, kvHeads: 1, feedForward: 8)]
        case .frames:
            [try Self.framesSeed(hasChecksums: true), try Self.framesSeed(hasChecksums: false)]
        case .handshake: Self.handshakeSeeds()
        case .calibration: [Self.calibrationSeed()]
        case .partition: [try Self.partitionSeed()]
        case .trace: [try Self.traceSeed()]
        case .ring:
            [
                try Self.ringSeed(hasChecksums: true), try Self.ringSeed(hasChecksums: false),
                try Self.ringSeed(hasChecksums: true, headByteCount: 16),
            ]
        case .messages, .numpy, .template, .tokenizer, .topology: []
        }
    }

    private static func calibrationSeed() -> [UInt8] {
        let layout = CalibrationLayout(layerCount: 1, hiddenSize: 2, feedForwardSize: 3)
        return CalibrationTables(
            layout: layout, tokenCount: 5, means: [1, 2, 3], weights: [1, 1, 1],
            quantiles: (0...CalibrationLayout.quantileSteps).map { Float($0) },
            shifts: [1, 2, 3, 4]
        ).encoded(modelHash: [UInt8](repeating: 7, count: 32))
    }

    private static func partitionSeed() throws -> [UInt8] {
        let block = Partition.Block(hotNeurons: [1, 3], homes: [0, 1, 2, 1, 0])
        return try Partition(
            blocks: [block, block], blocksPerLayer: 2, dimmCount: 3,
            modelHash: [UInt8](repeating: 9, count: 32)
        ).encoded()
    }

    private static func traceSeed() throws -> [UInt8] {
        let shape = TraceShape(
            layerCount: 2, blocks: [TraceBlock(name: "mlp", neuronCount: 70)])
        return try withTemporaryFile([]) { path in
            var writer = try ActivityTraceWriter.create(
                path,
                header: TraceHeader(
                    modelName: "tiny", modelSHA256: "", source: "seed", shape: shape,
                    prefillTokenCount: 1))
            for token in 0..<4 {
                try writer.append(
                    tokenID: token,
                    sets: (0..<2).map { layer in
                        PackedSet(
                            elementCount: 70, members: stride(from: token, to: 70, by: 3 + layer))
                    })
            }
            _ = try writer.finish()
            return try read(path)
        }
    }

    private static func read(_ path: FilePath) throws -> [UInt8] {
        let file = try FileDescriptor.open(path, .readOnly)
        return try file.closeAfter {
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            let count = try unsafe bytes.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
            return Array(bytes.prefix(count))
        }
    }

    /// Three messages as a producer wrote them.
    ///
    /// - Parameter headByteCount: of each, that mean anything; all where there are fewer.
    private static func ringSeed(
        hasChecksums: Bool, headByteCount: Int = .max
    ) throws -> [UInt8] {
        let segment = try RingSegment.create(
            capacityPerDirection: 4096, session: LinkSession(high: 1, low: 2),
            hasChecksums: hasChecksums)
        let link = try RingLink.coordinatorEnd(segment, waitPolicy: .sleeping, watch: {})
        for byteCount in [8, 40, 100] {
            let writtenByteCount = min(headByteCount, byteCount)
            try link.send(byteCount: byteCount, writtenByteCount: writtenByteCount) { message in
                for index in 0..<writtenByteCount {
                    message.storeBytes(
                        of: UInt8(truncatingIfNeeded: index), toByteOffset: index, as: UInt8.self)
                }
            }
        }
        let tail = 32 + 64 + 128
        var bytes = [hasChecksums ? 1 : 0, UInt8(tail & 0xFF), UInt8(tail >> 8)]
        var image = [UInt8](repeating: 0, count: tail)
        let count = try unsafe image.withUnsafeMutableBytes {
            try unsafe segment.descriptor.read(
                fromAbsoluteOffset: Int64(segment.layout.recordsOffset(of: .toWorker)), into: $0)
        }
        bytes += image.prefix(count)
        return bytes
    }
}
