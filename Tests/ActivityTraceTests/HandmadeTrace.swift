import ActivityTrace
import PackedSets

/// A trace that is put together byte by byte from the format's description, with all checksums
/// right, so that each rule can be broken alone. As it stands it is in order.
///
/// Two layers, one block "mlp" of 70 neurons, no prefill: a token has 4 words, 32 bytes.
struct HandmadeTrace {
    struct Frame {
        var form: UInt32
        var tokenID: UInt32
        var payload: [UInt8]
    }

    struct Table {
        var kind: UInt32
        var name = ""
        /// Nil for the payload's own length, stored as it is.
        var form: UInt32?
        var payload: [UInt8]
    }

    static let deflated: UInt32 = 1 << 30
    static let difference: UInt32 = 1 << 31
    /// 32 zero bytes, deflated by a program that is not ours.
    static let deflatedZeros: [UInt8] = [0x63, 0x20, 0x00, 0x00]
    /// 33 zero bytes.
    static let deflatedTooMuch: [UInt8] = [0x63, 0x20, 0x04, 0x00]

    static let shape = TraceShape(
        layerCount: 2, blocks: [TraceBlock(name: "mlp", neuronCount: 70)])

    var version: UInt32 = 1
    /// Nil for the header's own length.
    var headerByteCount: UInt32?
    var layerCount: UInt32 = 2
    /// Nil for the number of blocks.
    var blockCount: UInt32?
    var prefill: UInt32 = 0
    var blocks: [(neuronCount: UInt32, name: String)] = [(70, "mlp")]
    var modelName: [UInt8] = counted("tiny")
    var modelSHA256 = ""
    var source: [UInt8] = counted("by hand")
    var headerTail: [UInt8] = []

    var frames: [Frame] = [
        Frame(form: 32, tokenID: 7, payload: words([1, 0, 2, 1 << 5])),
        Frame(form: deflated | 4, tokenID: 8, payload: deflatedZeros),
        Frame(form: deflated | difference | 4, tokenID: 9, payload: deflatedZeros),
        Frame(form: difference | 32, tokenID: 10, payload: words([1, 0, 2, 1 << 5])),
    ]
    /// Bytes behind the last frame.
    var framesTail: [UInt8] = []
    var tables: [Table] = [
        Table(kind: 1, payload: planes(counts)), Table(kind: 2, payload: planes(counts)),
        Table(kind: 3, name: "jaccard", payload: planes(parents)),
    ]

    /// Nil for what the frames give.
    var tokenCount: UInt32?
    var lastFrameChecksum: UInt32?
    var tableCount: UInt32?
    var framesEnd: UInt64?
    var directoryOffset: UInt64?
    var directoryTail: [UInt8] = []

    /// Tokens 7 and 10 activate neuron 0 of layer 0, and neurons 1 and 69 of layer 1.
    static let counts: [UInt32] = (0..<140).map { [0, 71, 139].contains($0) ? 2 : 0 }
    static let parents: [UInt32] = (0..<280).map { index in
        index == 140 ? 0 : index == 141 ? 69 : .max
    }

    static func words(_ words: [UInt64]) -> [UInt8] { words.flatMap { little($0) } }

    static func planes(_ values: [UInt32]) -> [UInt8] {
        (0..<4).flatMap { plane in values.map { little($0)[plane] } }
    }

    var header: [UInt8] {
        var body = little(layerCount) + little(blockCount ?? UInt32(blocks.count)) + little(prefill)
        for block in blocks { body += little(block.neuronCount) + counted(block.name) }
        body += modelName + counted(modelSHA256) + source + headerTail
        let bytes =
            Array("HERMESAT".utf8) + little(version)
            + little(headerByteCount ?? UInt32(16 + body.count + 4)) + body
        return bytes + little(referenceChecksum(bytes))
    }

    /// The whole file.
    var encoded: [UInt8] {
        var bytes = header
        var running = referenceChecksum(bytes)
        for frame in frames {
            let part = little(frame.form) + little(frame.tokenID) + frame.payload
            running = referenceChecksum(part, from: running)
            bytes += part + little(running)
        }
        bytes += framesTail
        let framesEnd = bytes.count
        for table in tables { bytes += table.payload }
        let directoryOffset = bytes.count
        var directory =
            little(tokenCount ?? UInt32(frames.count)) + little(lastFrameChecksum ?? running)
            + little(tableCount ?? UInt32(tables.count))
        for table in tables {
            directory += little(table.kind) + little(table.form ?? UInt32(table.payload.count))
            directory += little(referenceChecksum(table.payload)) + counted(table.name)
        }
        directory += directoryTail
        directory += little(self.framesEnd ?? UInt64(framesEnd))
        directory += little(self.directoryOffset ?? UInt64(directoryOffset))
        return bytes + directory + little(referenceChecksum(directory)) + Array("HEND".utf8)
    }

    /// The file with some bytes replaced and all checksums right again, at the places where they
    /// stand in the unchanged file.
    func encoded(replacing replacements: [(offset: Int, byte: UInt8)]) -> [UInt8] {
        var bytes = encoded
        for (offset, byte) in replacements { bytes[offset] = byte }
        func seal(_ range: Range<Int>, from running: UInt32 = 0, at offset: Int) -> UInt32 {
            let checksum = referenceChecksum(Array(bytes[range]), from: running)
            bytes.replaceSubrange(offset..<offset + 4, with: little(checksum))
            return checksum
        }
        var end = header.count
        _ = seal(0..<end - 4, at: end - 4)
        var running = referenceChecksum(Array(bytes[..<end]))
        for frame in frames {
            let payloadEnd = end + 8 + frame.payload.count
            running = seal(end..<payloadEnd, from: running, at: payloadEnd)
            end = payloadEnd + 4
        }
        let directory = end + tables.reduce(0) { $0 + $1.payload.count }
        bytes.replaceSubrange(directory + 4..<directory + 8, with: little(running))
        var entry = directory + 12
        for table in tables {
            _ = seal(end..<end + table.payload.count, at: entry + 8)
            end += table.payload.count
            entry += 14 + table.name.utf8.count
        }
        _ = seal(directory..<bytes.count - 8, at: bytes.count - 8)
        return bytes
    }
}
