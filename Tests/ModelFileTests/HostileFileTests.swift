import ModelFile
import SeededRandom
import TestModels
import Testing
import WeightFormats

/// Damage of every kind: reading it ends in an error or in values that lie inside the file.
@Suite struct HostileFileTests {
    /// One layer, so that thousands of damaged copies are read quickly.
    private static func smallModel(
        _ format: WeightFormat, version: UInt32 = 3, isOPT: Bool = false
    ) -> [UInt8] {
        var builder =
            isOPT
            ? TinyOPT.builder(
                layers: 1, hidden: 32, heads: 2, feedForward: 32, vocabulary: 259, format: format,
                contextLength: 30)
            : TinyLlama.builder(
                layers: 1, hidden: 32, heads: 2, kvHeads: 1, feedForward: 32, vocabulary: 259,
                format: format)
        builder.version = version
        return builder.build()
    }

    @Test(arguments: [2, 3] as [UInt32])
    func `A file cut at any byte is refused`(version: UInt32) throws {
        let bytes = Self.smallModel(.q4_0, version: version)
        try readWhole(bytes)
        for byteCount in 0..<bytes.count {
            do {
                try readWhole(Array(bytes[..<byteCount]))
                Issue.record("accepted the first \(byteCount) of \(bytes.count) bytes")
                return
            } catch {}
        }
    }

    @Test(arguments: [0xFF, 0x00, 0x7F, 0x80] as [UInt8])
    func `Eight equal bytes anywhere in the header are survived`(value: UInt8) throws {
        let bytes = Self.smallModel(.q4_1)
        let headerByteCount = try Self.headerByteCount(bytes)
        for offset in 0..<headerByteCount {
            var damaged = bytes
            damaged.replaceSubrange(
                offset..<offset + 8, with: [UInt8](repeating: value, count: 8))
            if let fault = survey(damaged) {
                Issue.record("at offset \(offset): \(fault)")
                return
            }
        }
    }

    @Test(arguments: WeightFormat.allCases, [false, true])
    func `Random damage is survived`(format: WeightFormat, isOPT: Bool) throws {
        let bytes = Self.smallModel(format, isOPT: isOPT)
        let headerByteCount = try Self.headerByteCount(bytes)
        var random = SplitMix64(seed: 0x6_7567_6675 + UInt64(bytes.count))
        var acceptedCount = 0
        for round in 0..<4000 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damage(&damaged, headerByteCount: headerByteCount, &random)
            }
            if let fault = survey(damaged, whenAccepted: { acceptedCount += 1 }) {
                Issue.record("in round \(round): \(fault)")
                return
            }
        }
        // Damage in names and weights is not the container's to notice, so both must happen.
        #expect(acceptedCount > 0)
        #expect(acceptedCount < 4000)
    }

    private static func headerByteCount(_ bytes: [UInt8]) throws -> Int {
        try ModelFile.parse(bytes, name: "whole").tensor(named: "token_embd.weight").byteOffset
    }

    private func damage(
        _ bytes: inout [UInt8], headerByteCount: Int, _ random: inout SplitMix64
    ) {
        guard bytes.count > 32 else { return }
        let limit = min(headerByteCount, bytes.count - 8)
        let offset = Int.random(in: 0..<limit, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[offset] = UInt8.random(in: .min ... .max, using: &random)
        case 2:
            let values: [UInt64] = [
                0, 1, .max, 1 << 31, 1 << 32, 1 << 62, 1 << 63, UInt64(bytes.count),
                UInt64(bytes.count - offset), .max - UInt64(offset), random.next(),
            ]
            var field: [UInt8] = []
            field.append(littleEndian: values.randomElement(using: &random) ?? 0)
            bytes.replaceSubrange(offset..<offset + 8, with: field)
        case 3: bytes.removeSubrange(offset..<offset + Int.random(in: 1...8, using: &random))
        case 4:
            let source = Int.random(in: 0..<limit, using: &random)
            let part = Array(bytes[source..<min(source + 40, bytes.count)])
            bytes.insert(contentsOf: part, at: offset)
        default: bytes.removeLast(Int.random(in: 1..<bytes.count / 2, using: &random))
        }
    }

    /// Reads whatever can be read; the description of a fault, if there is one.
    private func survey(_ bytes: [UInt8], whenAccepted: () -> Void = {}) -> String? {
        guard let file = try? ModelFile.parse(bytes, name: "damaged") else { return nil }
        for name in file.tensorNames {
            guard let tensor = try? file.tensor(named: name) else { continue }
            let end = tensor.byteOffset + tensor.byteCount
            if end > bytes.count { return "tensor \(name) ends at \(end) of \(bytes.count)" }
            if copy(file.bytes(of: tensor)) != Array(bytes[tensor.byteOffset..<end]) {
                return "tensor \(name) reads as other bytes"
            }
            if tensor.rowByteCount * tensor.rowCount != tensor.byteCount {
                return "tensor \(name) has broken rows"
            }
        }
        let metadata = file.metadata
        for key in metadata.keys {
            _ = try? metadata.integer(key, in: .min ... .max)
            _ = try? metadata.float(key, in: -1...1)
            _ = try? metadata.boolean(key)
            _ = try? metadata.string(key)
            _ = try? metadata.byteStrings(key, maximumCount: 1000)
            _ = try? metadata.integers(key, maximumCount: 1000, in: .min ... .max)
        }
        if (try? readWhole(bytes)) != nil { whenAccepted() }
        return nil
    }
}
