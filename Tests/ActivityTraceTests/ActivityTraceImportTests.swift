import ActivityTrace
import PackedSets
import SeededRandom
import SystemPackage
import TemporaryFiles
import Testing

/// NumPy recordings that become activity traces.
@Suite struct ActivityTraceImportTests {
    private static let importer = ActivityTraceImport(
        modelName: "model", modelSHA256: String(repeating: "a1", count: 32))

    /// Imports an archive of these bytes and reads the trace.
    private func content(
        _ bytes: [UInt8], _ importer: ActivityTraceImport = importer
    ) throws -> TraceContent {
        try withTemporaryFolder { folder in
            let trace = folder.appending("trace.hat")
            let summary = try withTemporaryFile(bytes) { archive in
                try importer.run(from: archive, to: trace)
            }
            let content = try readWhole(trace)
            #expect(summary.tokenCount == content.frames.count)
            return content
        }
    }

    private func archive(
        masks: [UInt8], shape: String, ids: [UInt32], prefill: Int64 = 0
    ) -> HandmadeArchive {
        HandmadeArchive([
            ("masks", HandmadeArchive.array("|u1", shape, masks)),
            (
                "ids",
                HandmadeArchive.array("<i4", "(\(ids.count),)", ids.flatMap { little($0) })
            ), ("prefill", HandmadeArchive.array("<i8", "()", little(UInt64(bitPattern: prefill)))),
        ])
    }

    @Test func `An archive by NumPy becomes the trace that it describes`() throws {
        let importer = ActivityTraceImport(
            modelName: "model", blockName: "feed", neuronCount: 13)
        let content = try content(SampleArchive.bytes, importer)
        let header = content.header
        #expect(header.modelName == "model" && header.modelSHA256.isEmpty)
        #expect(header.source.hasSuffix(", wshift, target 0.8"))
        #expect(header.prefillTokenCount == 1)
        #expect(
            header.shape
                == TraceShape(
                    layerCount: 3, blocks: [TraceBlock(name: "feed", neuronCount: 13)]))
        #expect(content.frames.map(\.tokenID) == [7, Int(Int32.max)])
        // Every fifth element of [2, 3, 13] is set.
        for (token, frame) in content.frames.enumerated() {
            for layer in 0..<3 {
                let first = (token * 3 + layer) * 13
                #expect(
                    frame[layer: layer, block: 0].members
                        == (0..<13).filter { (first + $0).isMultiple(of: 5) })
            }
        }
    }

    @Test(arguments: [1, 7, 8, 9, 24]) func `Masks of any width keep their order`(
        byteCount: Int
    ) throws {
        var random = SplitMix64(seed: UInt64(byteCount))
        let (tokens, layers) = (5, 2)
        let masks = (0..<tokens * layers * byteCount).map { _ in
            UInt8(truncatingIfNeeded: random.next())
        }
        let content = try content(
            archive(
                masks: masks, shape: "(\(tokens), \(layers), \(byteCount))", ids: [1, 2, 3, 4, 5],
                prefill: 5
            ).encoded)
        #expect(
            content.header.shape.blocks == [
                TraceBlock(name: "mlp", neuronCount: 8 * byteCount)
            ])
        #expect(content.header.modelSHA256 == String(repeating: "a1", count: 32))
        for (index, set) in content.frames.flatMap(\.sets).enumerated() {
            let bytes = masks[index * byteCount..<(index + 1) * byteCount]
            var expected: [Int] = []
            for (position, byte) in bytes.enumerated() {
                for bit in 0..<8 where byte & 0x80 >> bit != 0 {
                    expected.append(8 * position + bit)
                }
            }
            #expect(set.members == expected)
        }
    }

    @Test func `A recording without tokens becomes a trace without tokens`() throws {
        let content = try content(archive(masks: [], shape: "(0, 2, 3)", ids: []).encoded)
        #expect(content.frames.isEmpty)
        #expect(content.header.shape.neuronCount == 48)
    }

    @Test func `Arrays that do not belong together are refused by name`() throws {
        func place(
            _ masks: [UInt8], _ shape: String, ids: [UInt32] = [1], prefill: Int64 = 0,
            neuronCount: Int? = nil, _ change: (inout HandmadeArchive) -> Void = { _ in }
        ) -> ActivityTraceError.Place? {
            var archive = archive(masks: masks, shape: shape, ids: ids, prefill: prefill)
            change(&archive)
            let importer = ActivityTraceImport(modelName: "model", neuronCount: neuronCount)
            return breach { _ = try content(archive.encoded, importer) }?.place
        }
        #expect(place([1, 2], "(1, 1, 2)") == nil)
        #expect(place([1, 2], "(1, 2)") == .entry("masks"))
        #expect(place([1, 2], "(1, 1, 2)", ids: [1, 2]) == .entry("ids"))
        #expect(place([1, 2], "(1, 1, 2)", ids: [.max]) == .entry("ids"))
        #expect(place([1, 2], "(1, 1, 2)", prefill: 2) == .entry("prefill"))
        #expect(place([1, 2], "(1, 1, 2)", prefill: -1) == .entry("prefill"))
        #expect(place([], "(1, 0, 2)") == .header)
        #expect(place([], "(1, 1, 0)") == .header)
        // Room for 16 neurons is room for 9 to 16, and neurons past the last are not active.
        #expect(place([1, 0x80], "(1, 1, 2)", neuronCount: 9) == nil)
        #expect(place([1, 0x80], "(1, 1, 2)", neuronCount: 8) == .entry("masks"))
        #expect(place([1, 0x80], "(1, 1, 2)", neuronCount: 17) == .entry("masks"))
        #expect(place([1, 0x40], "(1, 1, 2)", neuronCount: 9) == .entry("masks"))
        for index in 0..<3 {
            #expect(place([1, 2], "(1, 1, 2)") { $0.entries.remove(at: index) } == .file)
            #expect(
                place([1, 2], "(1, 1, 2)") {
                    let name = $0.entries[index].name.dropLast(4)
                    $0.entries[index].content = HandmadeArchive.array(
                        "<f4", "(1,)", little(Float(1).bitPattern))
                    $0.entries[index].name = "\(name).npy"
                } == .entry(["masks", "ids", "prefill"][index]))
        }
    }

    @Test func `A refused recording leaves nothing behind`() throws {
        try withTemporaryFolder { folder in
            let bytes = archive(masks: [1, 0x40], shape: "(1, 1, 2)", ids: [1]).encoded
            let importer = ActivityTraceImport(modelName: "model", neuronCount: 9)
            let found = try withTemporaryFile(bytes) { path in
                breach { _ = try importer.run(from: path, to: folder.appending("trace.hat")) }
            }
            #expect(
                found?.rule == .contains("an active neuron past the last of token 0, layer 0"))
            let left = try names(in: folder)
            #expect(left == [])
        }
    }
}
